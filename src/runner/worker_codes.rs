//! What a worker's error code means for the campaign: whose fault it is, and what the user can do where the worker
//! does not say. docs/formats.md lists the codes; what engines raise is made into them by the worker.

use crate::execution::{Blame, Cause};
use crate::worker::WorkerError;

/// A code that lemctl knows.
struct Known {
    code: &'static str,
    blame: Blame,
    /// Said where the worker gives no hint.
    hint: &'static str,
}

const fn known(code: &'static str, blame: Blame, hint: &'static str) -> Known {
    Known { code, blame, hint }
}

/// The codes that workers share. Any other of a worker's own is the worker's fault.
const KNOWN: &[Known] = &[
    known(
        "bad_parameter",
        Blame::Config,
        "`lemctl params show` says what the parameter takes in this version",
    ),
    known(
        "bad_dtype",
        Blame::Config,
        "use a dtype or quantisation that this GPU computes",
    ),
    known(
        "context_exceeded",
        Blame::Config,
        "shorten the workload's prompts or outputs, or raise the engine's context length",
    ),
    known(
        "out_of_memory",
        Blame::Config,
        "make the model, its context or the number of sequences smaller, or use more GPUs",
    ),
    known(
        "model_unavailable",
        Blame::Config,
        "the model's folder lacks what the engine needs: `lemctl models list` shows it",
    ),
    known(
        "model_not_found",
        Blame::Config,
        "correct the model's id or path: `lemctl models list` shows what is here",
    ),
    known(
        "model_gated",
        Blame::Config,
        "accept the model's terms at its hub, and give lemctl the token of that account",
    ),
    known(
        "unsupported",
        Blame::Config,
        "this engine cannot do that in this version; `lemctl params show` has its rules",
    ),
    known(
        "workload_invalid",
        Blame::Config,
        "the prompts do not fit the model: they need ids below its vocabulary, or its tokenizer",
    ),
    known(
        "too_few_gpus",
        Blame::Config,
        "name more GPUs in the campaign's `gpus`, or make the experiment's parallel sizes smaller",
    ),
    known(
        "gpu_unavailable",
        Blame::Environment,
        "compare the campaign's `gpus` with `lemctl gpu list` and with the devices of the Compose file",
    ),
    known(
        "cuda_unavailable",
        Blame::Environment,
        "the container has no usable NVIDIA driver: `lemctl check` looks at driver and devices",
    ),
    known(
        "shm_too_small",
        Blame::Environment,
        "raise `shm_size` of the worker in the backend's Compose file",
    ),
    known(
        "record_failed",
        Blame::Environment,
        "the worker could not write into its outbox: is the disk full?",
    ),
    known(
        "engine_missing",
        Blame::Environment,
        "the image lacks its engine: build it again with `lemctl images build`",
    ),
    known(
        "engine_died",
        Blame::Worker,
        "the end of the worker's log in the campaign's logs folder says more; the next run gets a new worker",
    ),
    known(
        "engine_failed",
        Blame::Worker,
        "the end of the worker's log in the campaign's logs folder says more",
    ),
];

/// What a worker's error means for the campaign.
pub(super) fn worker_cause(error: &WorkerError) -> Cause {
    let found = match error {
        WorkerError::Refused { code, .. } => KNOWN.iter().find(|known| known.code == code),
        _ => None,
    };
    let (blame, code) = match error {
        WorkerError::Refused { .. } if let Some(known) = found => (known.blame, known.code),
        WorkerError::Refused { code, .. } if is_code(code) => (Blame::Worker, code.as_str()),
        WorkerError::Refused { .. } => (Blame::Worker, "worker_error"),
        WorkerError::TimedOut { .. } => (Blame::Worker, "timed_out"),
        WorkerError::Gone { .. } => (Blame::Worker, "worker_gone"),
        WorkerError::Protocol { .. } => (Blame::Worker, "protocol_broken"),
        WorkerError::Connection { .. } => (Blame::Environment, "connection_broken"),
    };
    let message = match error {
        WorkerError::Refused { code, message, .. } if !is_code(code) => {
            format!("{code}: {message}")
        }
        WorkerError::Refused { message, .. } => message.clone(),
        error => error.to_string(),
    };
    let cause = Cause::new(blame, code, message);
    match (error, found) {
        (
            WorkerError::Refused {
                hint: Some(hint), ..
            },
            _,
        ) => cause.hint(hint.clone()),
        (_, Some(known)) => cause.hint(known.hint),
        (WorkerError::Gone { .. }, None) => cause
            .hint("the end of the worker's log in the campaign's logs folder may tell of its end"),
        (WorkerError::Protocol { .. }, None) => cause.hint(
            "its stdout is for the protocol alone: rebuild the image where it is not of this lemctl's version; the next run gets a new worker",
        ),
        (WorkerError::TimedOut { .. }, None) => {
            cause.hint("raise `execution.timeouts` if it only needed longer")
        }
        _ => cause,
    }
}

/// Whether a worker that refused with this cause is as good as before. One that ran out of memory may hold pieces of
/// what it tried, and its next runs would be measured with them.
pub(super) fn is_sound_after(cause: &Cause) -> bool {
    cause.blame == Blame::Config && cause.code != "out_of_memory"
}

/// Whether a worker's code has the form of one, and is none that lemctl gives itself: journal, tables and
/// `--retry` take them for its own words.
fn is_code(code: &str) -> bool {
    const OWN: [&str; 3] = ["container_lost", "interrupted", "connection_broken"];
    let form = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&code.len()) && code.bytes().all(form) && !OWN.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, hint: Option<&str>) -> Cause {
        worker_cause(&WorkerError::Refused {
            code: code.to_owned(),
            message: "it did not work".to_owned(),
            hint: hint.map(str::to_owned),
        })
    }

    #[test]
    fn every_known_code_has_its_blame_and_a_hint() {
        for known in KNOWN {
            let cause = refused(known.code, None);
            assert_eq!(cause.blame, known.blame, "{}", known.code);
            assert_eq!(cause.code, known.code);
            assert!(cause.hint.is_some_and(|hint| hint.len() > 20));
            let said = refused(known.code, Some("do this"));
            assert_eq!(
                said.hint.as_deref(),
                Some("do this"),
                "the worker knows more"
            );
        }
    }

    #[test]
    fn the_page_lists_every_known_code_under_its_blame() {
        const PAGE: &str = include_str!("../../docs/formats.md");
        for (blame, row) in [
            (Blame::Config, "| causes by config"),
            (Blame::Worker, "| causes by the worker"),
            (Blame::Environment, "| causes by the environment"),
        ] {
            let line = PAGE.lines().find(|line| line.starts_with(row));
            let line = line.expect("the table of codes has this row");
            for known in KNOWN {
                let listed = line.contains(&format!("`{}`", known.code));
                assert_eq!(listed, known.blame == blame, "{} in: {row}", known.code);
            }
        }
    }

    #[test]
    fn codes_of_its_own_are_the_workers_fault_and_cannot_pass_for_lemctls() {
        assert_eq!(refused("nccl_broke", None).blame, Blame::Worker);
        assert_eq!(refused("nccl_broke", None).code, "nccl_broke");
        for odd in ["container_lost", "Not A Code", ""] {
            let cause = refused(odd, None);
            assert_eq!((cause.blame, &*cause.code), (Blame::Worker, "worker_error"));
        }
    }

    #[test]
    fn a_stream_that_broke_is_an_outage_and_a_worker_that_ended_is_none() {
        let what = "cut".to_owned();
        let broken = worker_cause(&WorkerError::Connection { what });
        assert_eq!(broken.blame, Blame::Environment);
        assert!(broken.is_outage(), "{broken}");
        let (request, log) = ("measure", String::new());
        let gone = worker_cause(&WorkerError::Gone { request, log });
        assert_eq!(gone.blame, Blame::Worker);
        assert!(!gone.is_outage(), "{gone}");
    }
}
