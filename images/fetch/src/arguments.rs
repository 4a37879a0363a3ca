//! The command line: where the store is and where a token may lie. Both have their place in a container.

use std::ffi::OsString;
use std::path::PathBuf;

/// How the program was called.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Folder that all others are below.
    pub root: PathBuf,
    /// File with a hub's token; it may be absent.
    pub token: Option<PathBuf>,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// How it is called, if that was not it.
    pub fn parse(given: &[OsString]) -> Result<Self, String> {
        const USAGE: &str = "usage: lem-fetch [--root DIR] [--token FILE]   (a request as one line of JSON on stdin)";
        let mut arguments = Self {
            root: lem_protocol::MODELS.into(),
            token: Some(lem_protocol::TOKEN.into()),
        };
        let mut rest = given.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or(USAGE)?;
            match name.to_str() {
                Some("--root") => arguments.root = value.into(),
                Some("--token") => arguments.token = Some(value.into()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_needs_no_arguments() {
        let arguments = Arguments::parse(&[]).unwrap();
        assert_eq!(arguments.root, PathBuf::from("/models"));
        assert_eq!(arguments.token, Some("/run/lem/token".into()));
        let given = ["--root", "m"].map(OsString::from);
        assert_eq!(Arguments::parse(&given).unwrap().root, PathBuf::from("m"));
        for bad in [&["--root"][..], &["x", "y"], &["--root", "m", "--help"]] {
            let bad: Vec<_> = bad.iter().map(OsString::from).collect();
            assert!(Arguments::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
