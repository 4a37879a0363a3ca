//! From bollard's errors to ours.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use bollard::errors::Error;
use camino::{Utf8Path, Utf8PathBuf};

use super::socket::connection_error;
use crate::containers::{ContainerId, EngineError};

/// What was asked of whom: the place in a message.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    socket: Utf8PathBuf,
    what: String,
    timeout: Duration,
}

impl Asked {
    /// `what` was asked on `socket`, and waits for at most `timeout`.
    pub fn of(socket: impl Into<Utf8PathBuf>, what: impl Into<String>, timeout: Duration) -> Self {
        Self {
            socket: socket.into(),
            what: what.into(),
            timeout,
        }
    }

    /// How long it may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The Engine said something that cannot be used.
    pub fn broken(&self, message: &str) -> EngineError {
        EngineError::Broken {
            what: self.what.clone(),
            message: message.to_owned(),
        }
    }

    /// The connection broke before the answer was whole.
    pub fn cut(&self, message: &str) -> EngineError {
        EngineError::Cut {
            what: self.what.clone(),
            message: message.to_owned(),
        }
    }

    /// Not even a ping was answered.
    pub fn silent(&self, waited: Duration) -> EngineError {
        EngineError::TimedOut {
            what: self.what.clone(),
            seconds: waited.as_secs(),
        }
    }

    /// No answer in time.
    pub fn timed_out(&self) -> EngineError {
        EngineError::TimedOut {
            what: self.what.clone(),
            seconds: self.timeout.as_secs(),
        }
    }
}

/// Says in the user's terms what bollard says in HTTP's.
pub(super) fn translate(asked: &Asked, error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => refusal(asked, status_code, one_line(&message)),
        Error::RequestTimeoutError => asked.timed_out(),
        Error::SocketNotFoundError(_) => {
            unanswered(asked, &io::Error::from(io::ErrorKind::NotFound))
        }
        Error::DockerStreamError { error } => asked.broken(&one_line(&error)),
        Error::IOError { err } => asked.cut(&err.to_string()),
        other => match connecting(&other) {
            Some(kind) => unanswered(asked, &io::Error::from(kind)),
            None if is_transport(&other) => asked.cut(&one_line(&with_causes(&other))),
            None => asked.broken(&one_line(&with_causes(&other))),
        },
    }
}

fn unanswered(asked: &Asked, error: &io::Error) -> EngineError {
    connection_error(Utf8Path::new(&asked.socket), error)
}

fn refusal(asked: &Asked, status: u16, message: String) -> EngineError {
    let what = asked.what.clone();
    if let Some(reference) = missing_image(status, &message) {
        return EngineError::ImageMissing { reference };
    }
    match status {
        404 => EngineError::NotFound { what, message },
        409 => EngineError::Conflict { what, message },
        _ => EngineError::Api {
            what,
            status,
            message,
        },
    }
}

/// A start that the Engine refused, with the command that mends it where the message says enough.
pub(super) fn start_failed(id: &ContainerId, error: EngineError) -> EngineError {
    let message = match error {
        EngineError::Api { message, .. } => message,
        // The Engine also answers 404 for a program that is missing inside the container.
        EngineError::NotFound { message, .. } if !message.contains("o such container") => message,
        other => return other,
    };
    let fix = if message.contains("could not select device driver") {
        "install the NVIDIA Container Toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker \
         (without the toolkit: LEM_COMPOSE_VARIANT=device-nodes in .env, docs/containers.md)"
            .to_owned()
    } else if message.contains("rlimit") {
        "lower the service's `ulimits` in its Compose file, or raise the daemon's own limits"
            .to_owned()
    } else if message.contains("no space left") {
        "free space under the Engine's data root: docker system df".to_owned()
    } else {
        format!("docker inspect {id}")
    };
    EngineError::StartFailed {
        container: id.to_string(),
        message,
        fix,
    }
}

/// The reference in `No such image: reference`.
fn missing_image(status: u16, message: &str) -> Option<String> {
    let (_, reference) = message.split_once("o such image: ")?;
    (status == 404).then(|| reference.trim().to_owned())
}

/// Whether the connection is what failed, rather than what came over it.
fn is_transport(error: &Error) -> bool {
    matches!(
        error,
        Error::HyperLegacyError { .. } | Error::HyperResponseError { .. }
    )
}

/// The kind of the I/O error that kept the client from connecting, if that is what went wrong.
fn connecting(error: &Error) -> Option<io::ErrorKind> {
    let Error::HyperLegacyError { err } = error else {
        return None;
    };
    if !err.is_connect() {
        return None;
    }
    let mut cause = err.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// An Engine's message as one line of bounded length: it may quote what a container printed.
pub(super) fn one_line(message: &str) -> String {
    const LONGEST: usize = 600;
    let mut line = String::new();
    for word in message.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if line.len() + word.len() > LONGEST {
            line.push_str(" …");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status_code: u16, message: &str) -> EngineError {
        let asked = Asked::of("/s", "creating container x", Duration::from_secs(9));
        translate(
            &asked,
            Error::DockerResponseServerError {
                status_code,
                message: message.into(),
            },
        )
    }

    #[test]
    fn a_missing_image_is_told_from_a_missing_container() {
        assert_eq!(
            answered(404, "No such image: lemctl/reference:0.1.0"),
            EngineError::ImageMissing {
                reference: "lemctl/reference:0.1.0".into()
            }
        );
        assert!(matches!(
            answered(404, "No such container: x"),
            EngineError::NotFound { .. }
        ));
        assert!(matches!(
            answered(409, "Conflict. The name is in use"),
            EngineError::Conflict { .. }
        ));
        assert!(matches!(
            answered(500, "boom"),
            EngineError::Api { status: 500, .. }
        ));
    }

    #[test]
    fn an_engines_message_stays_one_bounded_line() {
        let long = format!("first\nsecond\t\u{1b}[31m{}", "word ".repeat(1000));
        let line = one_line(&long);
        assert!(line.starts_with("first second [31m"), "{line}");
        assert!(line.len() < 700 && !line.contains(['\n', '\u{1b}']));
    }
}
