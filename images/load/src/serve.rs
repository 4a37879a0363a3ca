//! The conversation: one request a line, one reply a line, until stdin ends.

use std::io::{BufRead, Read, Write};

use lem_protocol::{Burst, LoadReply, LoadRequest};

use crate::clock::{monotonic_ns, sleep_until};
use crate::gpu::{Fault, Gpu};

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;

/// Serves until `quit` or the end of `input`, then frees the GPU.
///
/// # Errors
/// If stdin cannot be read or stdout cannot be written.
pub fn serve(
    mut input: impl BufRead,
    mut output: impl Write,
    gpu: &mut impl Gpu,
) -> std::io::Result<()> {
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        let start_ns = monotonic_ns();
        let reply = match serde_json::from_slice(&line) {
            Ok(LoadRequest::Quit {}) => break,
            Ok(request) => answer(&request, start_ns, gpu),
            Err(error) => Err(Fault::new("bad_request", format!("not a request: {error}"))),
        };
        let reply = reply.unwrap_or_else(|fault| LoadReply::Failed {
            code: fault.code.to_owned(),
            message: fault.message,
        });
        serde_json::to_writer(&mut output, &reply)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    // Nobody is left who could be told.
    let _ = gpu.release();
    Ok(())
}

fn answer(request: &LoadRequest, start_ns: u64, gpu: &mut impl Gpu) -> Result<LoadReply, Fault> {
    if let Some(reason) = request.refused() {
        return Err(Fault::new("bad_request", reason));
    }
    let bursts = match *request {
        LoadRequest::Context {} => {
            let uuid = gpu.context()?;
            return Ok(LoadReply::Ready {
                gpu: uuid,
                simulated: gpu.simulated(),
                start_ns,
                end_ns: monotonic_ns(),
            });
        }
        LoadRequest::Hold { bytes } => gpu.hold(bytes).map(|()| Vec::new())?,
        LoadRequest::Busy { seconds } => {
            vec![gpu.burst(start_ns + (seconds * 1e9) as u64)?]
        }
        LoadRequest::Wave {
            period_ms,
            on_ms,
            seconds,
        } => wave(gpu, period_ms * 1e6, on_ms * 1e6, seconds * 1e9)?,
        LoadRequest::Release {} => gpu.release().map(|()| Vec::new())?,
        LoadRequest::Quit {} => Vec::new(),
    };
    Ok(LoadReply::Done {
        start_ns,
        end_ns: monotonic_ns(),
        bursts,
    })
}

/// Bursts at absolute moments, so that lateness never adds up: `period_ns` apart from now on.
fn wave(
    gpu: &mut impl Gpu,
    period_ns: f64,
    on_ns: f64,
    length_ns: f64,
) -> Result<Vec<Burst>, Fault> {
    let origin_ns = monotonic_ns();
    let count = (length_ns / period_ns).floor() as u64;
    let mut bursts = Vec::new();
    for index in 0..count.max(1) {
        let start_ns = origin_ns + (index as f64 * period_ns) as u64;
        sleep_until(start_ns);
        bursts.push(gpu.burst(start_ns + on_ns as u64)?);
    }
    sleep_until(origin_ns + length_ns as u64);
    Ok(bursts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GPU that only keeps time, and the deadlines that it was given.
    #[derive(Default)]
    struct Timed {
        ready: bool,
        released: bool,
        deadlines_ns: Vec<u64>,
    }

    impl Gpu for Timed {
        fn simulated(&self) -> bool {
            true
        }
        fn context(&mut self) -> Result<String, Fault> {
            self.ready = true;
            Ok("GPU-0".into())
        }
        fn hold(&mut self, _: u64) -> Result<(), Fault> {
            Err(Fault::new("out_of_memory", "all of it is taken"))
        }
        fn burst(&mut self, deadline_ns: u64) -> Result<Burst, Fault> {
            if !self.ready {
                return Err(Fault::no_context());
            }
            let start_ns = monotonic_ns();
            self.deadlines_ns.push(deadline_ns);
            // The first one runs over: a schedule made of durations would carry that along.
            let late_ns = if self.deadlines_ns.len() == 1 {
                30_000_000
            } else {
                0
            };
            sleep_until(deadline_ns + late_ns);
            Ok(Burst {
                start_ns,
                end_ns: monotonic_ns(),
            })
        }
        fn release(&mut self) -> Result<(), Fault> {
            self.released = true;
            Ok(())
        }
    }

    fn converse(lines: &str) -> (Vec<LoadReply>, Timed) {
        let (mut gpu, mut output) = (Timed::default(), Vec::new());
        serve(lines.as_bytes(), &mut output, &mut gpu).unwrap();
        let replies = output
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let replies = replies.map(|line| serde_json::from_slice(line).unwrap());
        (replies.collect(), gpu)
    }

    #[test]
    fn a_wave_keeps_its_absolute_times_after_a_burst_that_was_late() {
        let (replies, gpu) = converse(
            "{\"request\":\"context\"}\n{\"request\":\"wave\",\"period_ms\":20,\"on_ms\":5,\"seconds\":0.2}\n",
        );
        assert!(gpu.released, "the end of stdin frees the GPU");
        let LoadReply::Done { bursts, .. } = &replies[1] else {
            panic!("{replies:?}")
        };
        assert_eq!(bursts.len(), 10);
        for (index, (burst, deadline_ns)) in bursts.iter().zip(&gpu.deadlines_ns).enumerate() {
            let since_first_ns = deadline_ns - gpu.deadlines_ns[0];
            assert_eq!(since_first_ns, 20_000_000 * index as u64, "burst {index}");
            let due_ns = deadline_ns - 5_000_000;
            assert!(
                burst.start_ns >= due_ns,
                "burst {index} came before it was due"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_answered_and_the_next_request_still_works() {
        let (replies, _) = converse(
            "nonsense\n{\"request\":\"busy\",\"seconds\":1e9}\n{\"request\":\"busy\",\"seconds\":0.001}\n\
             {\"request\":\"hold\",\"bytes\":1}\n{\"request\":\"release\"}\n{\"request\":\"quit\"}\n{\"request\":\"release\"}\n",
        );
        let codes: Vec<&str> = replies
            .iter()
            .map(|reply| match reply {
                LoadReply::Failed { code, .. } => code.as_str(),
                _ => "ok",
            })
            .collect();
        assert_eq!(
            codes,
            [
                "bad_request",
                "bad_request",
                "no_context",
                "out_of_memory",
                "ok"
            ]
        );
    }
}
