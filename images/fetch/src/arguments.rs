//! The command line: where the store is, where a token may lie, and for how long a hub may be silent. All have their
//! usual values in a container.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How it is called.
const USAGE: &str = "usage: lem-fetch [--root DIR] [--token FILE] [--patience SECONDS]   (a request as one line of JSON on stdin)";

/// How the program was called.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Folder that all others are below.
    pub root: PathBuf,
    /// File with a hub's token; it may be absent.
    pub token: PathBuf,
    /// Longest silence of a hub.
    pub patience: Duration,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// How it is called, if that was not it.
    pub fn parse(given: &[OsString]) -> Result<Self, String> {
        let mut arguments = Self {
            root: lem_protocol::MODELS.into(),
            token: lem_protocol::TOKEN.into(),
            patience: Duration::from_secs(60),
        };
        let mut rest = given.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or(USAGE)?;
            match name.to_str() {
                Some("--root") => arguments.root = value.into(),
                Some("--token") => arguments.token = value.into(),
                Some("--patience") => {
                    let seconds = value.to_str().and_then(|text| text.parse().ok());
                    let seconds = seconds.filter(|seconds| (1..=3600).contains(seconds));
                    arguments.patience = Duration::from_secs(seconds.ok_or(USAGE)?);
                }
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[&str]) -> Result<Arguments, String> {
        let given: Vec<_> = given.iter().map(OsString::from).collect();
        Arguments::parse(&given)
    }

    #[test]
    fn a_container_needs_no_arguments() {
        let arguments = parse(&[]).unwrap();
        assert_eq!(arguments.root, PathBuf::from("/models"));
        assert_eq!(arguments.token, PathBuf::from("/run/lem/token"));
        let arguments = parse(&["--root", "m", "--patience", "2"]).unwrap();
        assert_eq!(arguments.root, PathBuf::from("m"));
        assert_eq!(arguments.patience, Duration::from_secs(2));
        for bad in [
            &["--root"][..],
            &["x", "y"],
            &["--patience", "0"],
            &["--help", "--root"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
