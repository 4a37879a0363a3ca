//! The command line: where workloads and the outbox are, and what a worker tells its successor.

use std::ffi::OsString;
use std::path::PathBuf;

use lem_protocol::{OUTBOX, WORKLOADS};

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// Folder of workload files.
    pub workloads: PathBuf,
    /// Folder of records.
    pub outbox: PathBuf,
    /// Internal: the load request that this process was started to carry out.
    pub loading: Option<Loading>,
}

/// A load request on its way through exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loading {
    /// The request's line.
    pub line: String,
    /// When it was read.
    pub start_ns: u64,
}

const USAGE: &str = "usage: lem-reference [--workloads DIR] [--outbox DIR]; it speaks the worker protocol on stdin and stdout";

impl Arguments {
    /// Reads the arguments after the program's name.
    pub fn parse(arguments: &[OsString]) -> Result<Self, String> {
        let mut parsed = Self {
            workloads: WORKLOADS.into(),
            outbox: OUTBOX.into(),
            loading: None,
        };
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{option:?} needs a value; {USAGE}"))
            };
            match option.to_str() {
                Some("--workloads") => parsed.workloads = value()?.into(),
                Some("--outbox") => parsed.outbox = value()?.into(),
                Some("--loading") => {
                    let start_ns = value()?.to_str().and_then(|text| text.parse().ok());
                    let line = value()?.to_str().map(str::to_owned);
                    let (Some(start_ns), Some(line)) = (start_ns, line) else {
                        return Err("--loading is internal".to_owned());
                    };
                    parsed.loading = Some(Loading { line, start_ns });
                }
                _ => return Err(format!("{option:?} is not known; {USAGE}")),
            }
        }
        Ok(parsed)
    }

    /// The arguments for the successor that loads.
    pub fn to_load(&self, line: &str, start_ns: u64) -> Vec<OsString> {
        vec![
            "--workloads".into(),
            self.workloads.clone().into(),
            "--outbox".into(),
            self.outbox.clone().into(),
            "--loading".into(),
            start_ns.to_string().into(),
            line.into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_reads_what_it_was_told() {
        let arguments = Arguments {
            workloads: "/w".into(),
            outbox: "/o".into(),
            loading: None,
        };
        let successor = Arguments::parse(&arguments.to_load("{\"id\":1}", 77)).unwrap();
        assert_eq!(
            (&successor.workloads, &successor.outbox),
            (&arguments.workloads, &arguments.outbox)
        );
        assert_eq!(
            successor.loading,
            Some(Loading {
                line: "{\"id\":1}".into(),
                start_ns: 77
            })
        );
    }

    #[test]
    fn unknown_options_are_refused() {
        for bad in [
            &["--help"][..],
            &["--outbox"],
            &["x"],
            &["--loading", "x", "y"],
            &["--loading", "1"],
        ] {
            let bad: Vec<OsString> = bad.iter().map(OsString::from).collect();
            assert!(Arguments::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
