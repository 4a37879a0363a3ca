//! The reference worker: a small Llama with random weights on the CPU, behind the worker protocol.
//!
//! It measures the real thing (prefill, decode, a KV cache, continuous batching) on any machine: no GPU,
//! no hub, no Python. It runs in a container, as any backend does: workloads come from a read-only
//! folder, records go to the outbox, stdout is the protocol, stderr is the log.
//!
//! It ends with 0 after `shutdown` and when stdin has ended, with 64 when called wrongly.

mod arguments;
mod before_load;
mod clock;
mod digest;
mod fault;
mod hello;
mod inbox;
mod lines;
mod memory;
mod model;
mod output;
mod parameters;
mod post;
mod record;
mod sampler;
mod sequence;
mod serve;
mod simulated;
mod window;
mod workload;

use std::io::Write;
use std::process::ExitCode;

use arguments::Arguments;
use output::Output;
use post::Post;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments = match Arguments::parse(&arguments) {
        Ok(arguments) => arguments,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "lem-reference: {message}");
            return ExitCode::from(64);
        }
    };
    match &arguments.loading {
        None => before_load::converse(&arguments),
        Some(loading) => {
            let post = Post::new(inbox::in_background(abandon), Output::start());
            // On a thread of the pool, so that it and no other computes.
            candle_core::Device::Cpu.with_context(|| serve::converse(&arguments, loading, post));
        }
    }
    ExitCode::SUCCESS
}

/// Lemctl is gone and the work did not notice in time.
#[expect(
    clippy::disallowed_methods,
    reason = "main's own way out while another thread computes"
)]
fn abandon() -> ! {
    std::process::exit(0)
}
