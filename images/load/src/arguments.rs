//! The command line: which GPU, or which log for the simulator.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// UUID of the GPU, as NVML writes it; without it the only GPU that the driver shows.
    pub gpu: Option<String>,
    /// Write this load log for the GPU simulator instead of loading a GPU.
    pub simulate: Option<PathBuf>,
}

const USAGE: &str = "usage: lem-load [--gpu UUID] [--simulate LOG]; it reads requests on stdin, one JSON object a line: \
    context, hold, busy, wave, release, quit";

impl Arguments {
    /// Reads the arguments after the program's name.
    pub fn parse(given: &[OsString]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut rest = given.iter();
        while let Some(option) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{option:?} needs a value; {USAGE}"))
            };
            match option.to_str() {
                Some("--gpu") => {
                    let text = value()?.to_str().map(str::to_owned);
                    parsed.gpu = Some(text.ok_or_else(|| format!("a UUID is text; {USAGE}"))?);
                }
                Some("--simulate") => parsed.simulate = Some(value()?.into()),
                _ => return Err(format!("{option:?} is not known; {USAGE}")),
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(&given.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn it_reads_what_it_knows_and_refuses_the_rest() {
        let read = parse(&["--gpu", "GPU-1", "--simulate", "/l"]).unwrap();
        assert_eq!(read.gpu.as_deref(), Some("GPU-1"));
        assert_eq!(read.simulate, Some("/l".into()));
        assert_eq!(parse(&[]).unwrap(), Arguments::default());
        for bad in [&["--gpu"][..], &["x"], &["--help"]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
