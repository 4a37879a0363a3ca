//! Kills every process of the container but itself and PID 1, whatever session it hid in.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use lem_protocol::SweepReport;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::monotonic_ns;
use crate::failure::{Failure, Refusal};
use crate::processes;

/// How long to wait for what was killed; a process in the GPU driver can take seconds to go.
const PATIENCE_NS: u64 = 10 * 1_000_000_000;
const PAUSE: Duration = Duration::from_millis(5);

/// The subcommand: refuses outside a container of lemctl.
pub fn run() -> Result<SweepReport, Failure> {
    if !processes::pid_1_is_agent() {
        return Err(Failure::Refused(Refusal {
            code: "agent::not_in_container",
            at: "/proc/1/exe".into(),
            found: "another program than this one".into(),
            expected: "lem-agent as PID 1, because a sweep kills every process that it can see"
                .into(),
            mend: "docker exec CONTAINER /lem/agent sweep".into(),
        }));
    }
    everything(&mut || {})
}

/// Kills and waits. `reap` is called in between: PID 1 uses it to collect what it killed.
///
/// Only to be called by PID 1 or beside a PID 1 that is the agent.
pub fn everything(reap: &mut dyn FnMut()) -> Result<SweepReport, Failure> {
    let own = Pid::this().as_raw();
    let deadline_ns = monotonic_ns().saturating_add(PATIENCE_NS);
    let mut seen = others(own)?;
    loop {
        // One call signals all of them under the kernel's own lock: none can fork its way out.
        match kill(Pid::from_raw(-1), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => {}
            Err(error) => return Err(Failure::system("killing", "every process", error)),
        }
        reap();
        let left = others(own)?;
        seen.extend(&left);
        if left.is_empty() || monotonic_ns() >= deadline_ns {
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            return Ok(SweepReport {
                swept: count(seen.difference(&left).count()),
                left: count(left.len()),
            });
        }
        sleep(PAUSE);
    }
}

/// The living processes that a sweep is about.
fn others(own: i32) -> Result<BTreeSet<i32>, Failure> {
    let processes =
        processes::list().map_err(|error| Failure::system("listing", "/proc", error))?;
    Ok(processes
        .iter()
        .filter(|process| !process.zombie && process.pid != 1 && process.pid != own)
        .map(|process| process.pid)
        .collect())
}
