//! The conversation until a load request is good: then this process replaces itself by one whose
//! environment fixes the number of threads.
//!
//! The libraries that compute size their thread pools from the environment when they start, and a
//! process cannot safely change its own. So the worker starts over, with the same process id and the
//! same streams, before any thread exists.

use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::process::Command;

use lem_protocol::{Event, Load, Outcome, Request};

use crate::arguments::Arguments;
use crate::clock::monotonic_ns;
use crate::fault::{Code, Fault};
use crate::hello::hello;
use crate::inbox::{InStep, Incoming};
use crate::memory;
use crate::output::{Answered, Output};
use crate::parameters::Engine;
use crate::simulated;

/// Longest load request: the kernel takes arguments of up to 128 KiB.
const MAX_LOAD_BYTES: usize = 96 * 1024;

/// Returns when lemctl is gone or has said shutdown.
pub fn converse(arguments: &Arguments) {
    let stdin = std::io::stdin();
    let mut inbox = InStep::new(&stdin);
    loop {
        let (line, text) = match inbox.next() {
            Incoming::Request(line, text) => (line, text),
            Incoming::Bad(id, fault) => {
                answer(&Answered { id, attempt: None }, fault.to_event());
                continue;
            }
            Incoming::Gone => return,
        };
        let to = Answered::from(&*line);
        match &line.request {
            Request::Hello {} => answer(&to, done(Outcome::Hello(hello()))),
            Request::Ping {} => answer(
                &to,
                done(Outcome::Ping {
                    monotonic_ns: monotonic_ns(),
                }),
            ),
            Request::Shutdown {} => return answer(&to, done(Outcome::Shutdown {})),
            Request::Load(load) => {
                let start_ns = monotonic_ns();
                let Err(fault) =
                    check(load).and_then(|engine| start_over(arguments, &engine, &text, start_ns));
                answer(&to, fault.to_event());
            }
            Request::Warmup(_) | Request::Measure(_) | Request::Assess(_) => {
                answer(&to, not_loaded().to_event())
            }
            // Nothing is in progress: they come late.
            Request::Go {} | Request::Cancel {} => {}
        }
    }
}

/// The engine that a load request asks for, if it can be had.
pub fn check(load: &Load) -> Result<Engine, Fault> {
    simulated::check(&load.gpus, &simulated::gpus())?;
    let engine = Engine::read(&load.parameters)?;
    memory::check(
        "loading the model",
        memory::to_load(&engine.shape, engine.dtype),
    )?;
    Ok(engine)
}

/// Work that came before `load`.
fn not_loaded() -> Fault {
    Fault::new(Code::NotLoaded, "no engine is loaded").hint("send `load` first")
}

fn start_over(
    arguments: &Arguments,
    engine: &Engine,
    text: &str,
    start_ns: u64,
) -> Result<Infallible, Fault> {
    if text.len() > MAX_LOAD_BYTES {
        let message = format!(
            "the load request has {} bytes, more than {MAX_LOAD_BYTES}",
            text.len()
        );
        return Err(Fault::new(Code::BadRequest, message));
    }
    let threads = engine.threads.to_string();
    let failed = |error| {
        let message = format!("starting over with {threads} threads: {error}");
        Fault::new(Code::EngineFailed, message)
    };
    // By its own path, so that process lists show its name.
    let program = std::env::current_exe().map_err(failed)?;
    Err(failed(
        Command::new(program)
            .args(arguments.to_load(text, start_ns))
            .env("RAYON_NUM_THREADS", &threads)
            .env("CANDLE_NUM_THREADS", &threads)
            .exec(),
    ))
}

fn done(outcome: Outcome) -> Event {
    Event::Done { outcome }
}

/// Answers and waits until it is written: no thread may be left when the process starts over.
fn answer(to: &Answered, event: Event) {
    let output = Output::start();
    output.send(to, event);
    output.finish();
}
