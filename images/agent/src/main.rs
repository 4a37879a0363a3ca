//! What every image of lemctl carries: PID 1, the wrapper around each worker, the sweep and the probe.
//!
//! It knows where things are in a container and nothing of backends, campaigns or the worker
//! protocol's conversation. It is one static binary, so that it runs in an image that holds nothing else.
//!
//! - `lem-agent init` is the entrypoint: see [`init`].
//! - `lem-agent exec --id ID [--exits DIR] -- PROGRAM [ARG…]` runs a worker: see [`exec`].
//! - `lem-agent sweep` kills what is left over: see [`sweep`].
//! - `lem-agent probe` says how the container looks from inside: see [`probe`].
//!
//! Exit codes: [`lem_protocol::AGENT_USAGE`], `AGENT_REFUSED`, `AGENT_FAILED`, and for `init` also
//! `AGENT_STOPPED` and `AGENT_LEASE_PASSED`; `exec` ends with the worker's own.

mod arguments;
mod clock;
mod engine;
mod exec;
mod exit_record;
mod failure;
mod init;
mod lease;
mod memory_kills;
mod mounts;
mod preflight;
mod probe;
mod processes;
mod session;
mod sweep;

use std::io::Write;
use std::process::ExitCode;

use arguments::Command;
use failure::Failure;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let ended = Command::parse(&arguments).and_then(|command| match command {
        Command::Init => init::run(),
        Command::Exec(worker) => exec::run(&worker),
        Command::Session(start) => Err(session::run(&start)),
        Command::Sweep => sweep::run().and_then(|report| print_line(&report)),
        Command::Probe => probe::run().and_then(|report| print_line(&report)),
        Command::Version => print_line(&env!("CARGO_PKG_VERSION")),
    });
    ended.unwrap_or_else(|failure| {
        // Nobody may be listening on stderr; the exit code still says it.
        let _ = writeln!(std::io::stderr(), "lem-agent: {failure}");
        failure.exit_code()
    })
}

/// One JSON line on stdout.
fn print_line(value: &impl serde::Serialize) -> Result<ExitCode, Failure> {
    let line = serde_json::to_string(value)
        .map_err(|error| Failure::system("writing", "stdout", error))?;
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Failure::system("writing", "stdout", error))?;
    Ok(ExitCode::SUCCESS)
}
