//! PID 1: reaps, obeys signals from outside its PID namespace only, and ends the container when its
//! lease has passed.

use std::path::Path;
use std::process::ExitCode;

use lem_protocol::{AGENT_FAILED, AGENT_LEASE_PASSED, AGENT_STOPPED, LEASE, SweepReport};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::io::Write;
use std::os::fd::AsFd;

use crate::clock::monotonic_ns;
use crate::failure::{Failure, exit_code};
use crate::lease::{self, Watch};
use crate::{preflight, sweep};

/// How often the lease is read, in milliseconds. Two wake-ups a second do not show in a measurement.
const POLL_MS: u16 = 500;

/// Why PID 1 ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped(i32),
    LeasePassed,
}

/// The subcommand; returns when everything else in the container is gone.
pub fn run() -> Result<ExitCode, Failure> {
    preflight::check()?;
    // Blocked signals wait in the descriptor. PID 1 starts nothing, so nobody inherits the mask.
    let signals = SigSet::all();
    signals
        .thread_block()
        .map_err(|error| Failure::system("blocking", "signals", error))?;
    let descriptor = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|error| Failure::system("opening", "a signal descriptor", error))?;
    let end = watch(&descriptor, Path::new(LEASE))?;
    let report = sweep::everything(&mut reap)?;
    log(end, report);
    Ok(exit_code(match end {
        _ if report.left > 0 => AGENT_FAILED,
        End::Stopped(_) => AGENT_STOPPED,
        End::LeasePassed => AGENT_LEASE_PASSED,
    }))
}

fn watch(descriptor: &SignalFd, lease: &Path) -> Result<End, Failure> {
    let mut watch = Watch::new(monotonic_ns());
    loop {
        let mut ready = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(POLL_MS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Failure::system("waiting for", "signals", error)),
        }
        while let Some(signal) = next(descriptor)? {
            if let Some(end) = obeyed(signal) {
                return Ok(end);
            }
        }
        // After the signals were read: a child that ends from here on leaves a new one.
        reap();
        watch.observe(&lease::read(lease));
        if watch.has_passed(monotonic_ns()) {
            return Ok(End::LeasePassed);
        }
    }
}

/// A signal's number and the process that sent it.
type Sent = (u32, u32);

fn next(descriptor: &SignalFd) -> Result<Option<Sent>, Failure> {
    match descriptor.read_signal() {
        Ok(signal) => Ok(signal.map(|signal| (signal.ssi_signo, signal.ssi_pid))),
        Err(Errno::EINTR) => Ok(None),
        Err(error) => Err(Failure::system("reading", "signals", error)),
    }
}

/// A sender outside of the PID namespace has no number in it: the kernel says 0. Whatever has a number
/// is a process of this container, and no worker may stop it.
fn obeyed((signal, sender): Sent) -> Option<End> {
    let signal = i32::try_from(signal).ok()?;
    let stops = signal == Signal::SIGTERM as i32 || signal == Signal::SIGINT as i32;
    (stops && sender == 0).then_some(End::Stopped(signal))
}

/// Collects every ended child, its own and those that lost their parent.
fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return,
            Ok(_) => {}
            // ECHILD: there are none. EINTR cannot be, with all signals blocked.
            Err(_) => return,
        }
    }
}

fn log(end: End, report: SweepReport) {
    let why = match end {
        End::Stopped(signal) => format!("signal {signal} from outside"),
        End::LeasePassed => "the lease passed: lemctl no longer renews it".to_owned(),
    };
    // Nobody may be listening; the exit code says it too.
    let _ = writeln!(
        std::io::stderr(),
        "lem-agent: ending, {why}; {} processes swept, {} left",
        report.swept,
        report.left
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sender_from_outside_is_obeyed() {
        let (term, int, hup) = (
            Signal::SIGTERM as u32,
            Signal::SIGINT as u32,
            Signal::SIGHUP as u32,
        );
        assert_eq!(obeyed((term, 0)), Some(End::Stopped(15)));
        assert_eq!(obeyed((int, 0)), Some(End::Stopped(2)));
        assert_eq!(obeyed((term, 7)), None);
        assert_eq!(obeyed((int, 1)), None);
        assert_eq!(obeyed((hup, 0)), None);
    }
}
