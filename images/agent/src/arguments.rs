//! The command line. Written by hand: four words and two options do not need a parser's weight in
//! every image.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lem_protocol::{EXITS, is_name};

use crate::failure::Failure;

/// What the agent can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Be PID 1.
    Init,
    /// Run a worker and write down how it ended.
    Exec(Worker),
    /// Internal: the process that [`Command::Exec`] starts, which becomes the worker.
    Session(Start),
    /// Kill everything but PID 1.
    Sweep,
    /// Describe the container.
    Probe,
    /// Print the version.
    Version,
}

/// A worker to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its id; a [name](is_name).
    pub id: String,
    /// Folder for the exit record.
    pub exits: PathBuf,
    /// Program and arguments.
    pub argv: Vec<OsString>,
}

/// A worker about to replace the current process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Process id of the wrapper: when that is gone, so is the reason to start.
    pub wrapper: i32,
    /// Where to say why the program could not be started.
    pub trouble: PathBuf,
    /// Program and arguments.
    pub argv: Vec<OsString>,
}

/// Name of the internal subcommand.
pub const SESSION: &str = "session";

impl Command {
    /// Reads the arguments after the program's name.
    pub fn parse(arguments: &[OsString]) -> Result<Self, Failure> {
        let Some((word, rest)) = arguments.split_first() else {
            return Err(Failure::Usage("no subcommand was given".into()));
        };
        let command = match word.to_str() {
            Some("init") => Self::Init,
            Some("sweep") => Self::Sweep,
            Some("probe") => Self::Probe,
            Some("--version") => Self::Version,
            Some("exec") => return Worker::parse(rest).map(Self::Exec),
            Some(SESSION) => return Start::parse(rest).map(Self::Session),
            _ => return Err(Failure::Usage(format!("{word:?} is not a subcommand"))),
        };
        match rest.first() {
            Some(extra) => Err(Failure::Usage(format!(
                "{word:?} takes no argument {extra:?}"
            ))),
            None => Ok(command),
        }
    }
}

impl Worker {
    fn parse(arguments: &[OsString]) -> Result<Self, Failure> {
        let (options, argv) = split(arguments)?;
        let mut id = None;
        let mut exits = None;
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let value = options.next();
            match (option.to_str(), value) {
                (Some("--id"), Some(value)) => id = Some(name(value)?),
                (Some("--exits"), Some(value)) => exits = Some(PathBuf::from(value)),
                (Some("--id" | "--exits"), None) => {
                    return Err(Failure::Usage(format!("{option:?} needs a value")));
                }
                _ => return Err(Failure::Usage(format!("exec knows no option {option:?}"))),
            }
        }
        let id = id.ok_or_else(|| Failure::Usage("exec needs --id ID".into()))?;
        let exits = exits.unwrap_or_else(|| PathBuf::from(EXITS));
        Ok(Self { id, exits, argv })
    }
}

impl Start {
    fn parse(arguments: &[OsString]) -> Result<Self, Failure> {
        let (options, argv) = split(arguments)?;
        let [wrapper, trouble] = options else {
            return Err(Failure::Usage(format!("{SESSION} is internal: use exec")));
        };
        let wrapper = wrapper
            .to_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Failure::Usage(format!("{wrapper:?} is not a process id")))?;
        Ok(Self {
            wrapper,
            trouble: trouble.into(),
            argv,
        })
    }
}

/// Options before `--`, program and arguments behind it.
fn split(arguments: &[OsString]) -> Result<(&[OsString], Vec<OsString>), Failure> {
    let dashes = arguments
        .iter()
        .position(|argument| argument == OsStr::new("--"));
    match dashes {
        Some(at) if at + 1 < arguments.len() => {
            Ok((&arguments[..at], arguments[at + 1..].to_vec()))
        }
        _ => Err(Failure::Usage(
            "the worker's program must follow `--`".into(),
        )),
    }
}

fn name(value: &OsStr) -> Result<String, Failure> {
    match value.to_str() {
        Some(text) if is_name(text) => Ok(text.to_owned()),
        _ => Err(Failure::Usage(format!(
            "{value:?} cannot be an id: 1 to 200 of A-Z a-z 0-9 . _ = -, no leading dot or dash"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Command, Failure> {
        Command::parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_worker_with_defaults_and_with_its_own_dashes() {
        let Ok(Command::Exec(worker)) = parse(&["exec", "--id", "w-1", "--", "/w", "--", "--id"])
        else {
            panic!("not an exec");
        };
        assert_eq!(worker.id, "w-1");
        assert_eq!(worker.exits, PathBuf::from("/outbox/exits"));
        assert_eq!(worker.argv, ["/w", "--", "--id"]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for words in [
            &[][..],
            &["help"],
            &["init", "--force"],
            &["sweep", "1"],
            &["exec", "--id", "w"],
            &["exec", "--id", "w", "--"],
            &["exec", "--", "/w"],
            &["exec", "--id", "../w", "--", "/w"],
            &["exec", "--id", "w", "--root", "/", "--", "/w"],
            &["exec", "--id", "--", "/w"],
            &["session", "--", "/w"],
            &["session", "x", "y", "--", "/w"],
        ] {
            assert!(matches!(parse(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
