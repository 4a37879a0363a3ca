//! What lemctl and `lem-load`, the program that puts a known load on a GPU, say to each other.
//!
//! JSON lines on the program's stdin and stdout, one reply a request, in order. Every moment is CLOCK_MONOTONIC
//! in ns. The end of stdin is `quit`.

use serde::{Deserialize, Serialize};

/// Longest that one request may load the GPU, in seconds: what a program whose stdin died does at most.
pub const MAX_LOAD_SECONDS: f64 = 120.0;

/// Most bursts of one square wave.
pub const MAX_BURSTS: usize = 4096;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum LoadRequest {
    /// Create a context on the GPU and prepare the load. Answered by [`LoadReply::Ready`].
    Context {},
    /// Hold that much of the GPU's memory, instead of what was held. Answered by [`LoadReply::Done`].
    Hold {
        /// Bytes.
        bytes: u64,
    },
    /// Keep the GPU busy. Answered by [`LoadReply::Done`] with one burst.
    Busy {
        /// How long, in seconds.
        seconds: f64,
    },
    /// A square wave of bursts at absolute times, `period_ms` apart from the first. Answered by
    /// [`LoadReply::Done`] with every burst as it came out.
    Wave {
        /// From the start of a burst to the start of the next, in ms.
        period_ms: f64,
        /// Length of a burst, in ms.
        on_ms: f64,
        /// Length of the whole wave, in seconds.
        seconds: f64,
    },
    /// Free the memory and destroy the context. Answered by [`LoadReply::Done`].
    Release {},
    /// End. No reply.
    Quit {},
}

/// The GPU busy without a gap, in CLOCK_MONOTONIC ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Just before its first kernel was launched.
    pub start_ns: u64,
    /// Just after its last kernel had ended.
    pub end_ns: u64,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case", deny_unknown_fields)]
pub enum LoadReply {
    /// The context stands.
    Ready {
        /// UUID of the GPU, as NVML writes it.
        gpu: String,
        /// Whether there is no GPU behind it, only a log for the simulator.
        simulated: bool,
        /// When the request was begun.
        start_ns: u64,
        /// When it was done.
        end_ns: u64,
    },
    /// Done.
    Done {
        /// When the request was begun.
        start_ns: u64,
        /// When it was done.
        end_ns: u64,
        /// The load that it put on the GPU, in order.
        bursts: Vec<Burst>,
    },
    /// Not done.
    Failed {
        /// `no_driver`, `no_such_gpu`, `out_of_memory`, `cuda`, `bad_request`, `no_context` or `log`.
        code: String,
        /// What happened, in a sentence that names the call and the driver's own word for it.
        message: String,
    },
}

impl LoadRequest {
    /// What is wrong with its numbers, if anything.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        let long = |seconds: f64| !(seconds > 0.0 && seconds <= MAX_LOAD_SECONDS);
        match *self {
            Self::Busy { seconds } | Self::Wave { seconds, .. } if long(seconds) => Some(format!(
                "seconds must be above 0 and at most {MAX_LOAD_SECONDS}, not {seconds}"
            )),
            Self::Wave {
                period_ms, on_ms, ..
            } if !(on_ms > 0.0 && on_ms < period_ms && period_ms.is_finite()) => Some(format!(
                "on_ms must be above 0 and below period_ms, not {on_ms} of {period_ms}"
            )),
            Self::Wave {
                period_ms, seconds, ..
            } if seconds * 1e3 / period_ms > MAX_BURSTS as f64 => {
                Some(format!("a wave has at most {MAX_BURSTS} bursts"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_meant_are_refused() {
        let wave = |period_ms, on_ms, seconds| LoadRequest::Wave {
            period_ms,
            on_ms,
            seconds,
        };
        for bad in [
            LoadRequest::Busy { seconds: f64::NAN },
            LoadRequest::Busy { seconds: -1.0 },
            LoadRequest::Busy { seconds: 121.0 },
            wave(100.0, 100.0, 1.0),
            wave(100.0, 0.0, 1.0),
            wave(f64::INFINITY, 1.0, 1.0),
            wave(1.0, 0.5, 100.0),
        ] {
            assert!(bad.refused().is_some(), "{bad:?}");
        }
        assert_eq!(wave(137.0, 68.5, 10.0).refused(), None);
        assert_eq!(LoadRequest::Quit {}.refused(), None);
    }

    #[test]
    fn lines_read_as_documented() {
        let line = r#"{"request":"wave","period_ms":137,"on_ms":68.5,"seconds":2}"#;
        let read: LoadRequest = serde_json::from_str(line).expect("a request");
        assert_eq!(
            read,
            LoadRequest::Wave {
                period_ms: 137.0,
                on_ms: 68.5,
                seconds: 2.0
            }
        );
        assert!(serde_json::from_str::<LoadRequest>(r#"{"request":"quit","x":1}"#).is_err());
    }
}
