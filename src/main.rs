//! The `lemctl` binary: hands over to [`lemctl::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lemctl::cli::run()
}
