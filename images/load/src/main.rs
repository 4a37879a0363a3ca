//! Puts a known load on a GPU: a context, memory, and square waves of arithmetic, so that `lemctl gpu
//! characterise` can tell what the power sensor makes of it. Speaks `lem_protocol::LoadRequest` on stdin and
//! stdout; needs the NVIDIA driver and nothing else.

mod arguments;
mod clock;
mod cuda;
mod gpu;
mod serve;
mod simulated;

use std::process::ExitCode;

use arguments::Arguments;

/// The command line is wrong.
const USAGE: u8 = 2;

#[expect(clippy::disallowed_macros, reason = "a program's own stderr")]
fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments = match Arguments::parse(&given) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let served = match arguments.simulate {
        Some(log) => serve::serve(
            input,
            output,
            &mut simulated::SimulatedGpu::new(log, arguments.gpu),
        ),
        None => serve::serve(input, output, &mut cuda::CudaGpu::new(arguments.gpu)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lem-load: {error}");
            ExitCode::FAILURE
        }
    }
}
