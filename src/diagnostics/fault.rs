//! The trait that every error type of the library carries, and its rendering in a few lines.

use std::fmt;

use miette::Diagnostic;

use super::Exit;

/// An error that a user can see: it has a code, a message that names the cause and the place, a help
/// text that names the fix, and the exit code it leads to.
pub trait Fault: Diagnostic + Send + Sync {
    /// The exit code of a command that ends with this error.
    fn exit(&self) -> Exit;
}

/// Any [`Fault`], for the command layer.
pub struct Failure(Box<dyn Fault>);

impl<F: Fault + 'static> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self(Box::new(fault))
    }
}

impl Failure {
    /// The exit code it leads to.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.0.exit()
    }

    /// The fault itself.
    #[must_use]
    pub fn fault(&self) -> &dyn Fault {
        &*self.0
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `error[code]: cause: deeper cause` and, on the next line, `  fix: …`. Never a backtrace. Several lines
/// of message (a report on a campaign file) are kept as they are.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error")?;
        if let Some(code) = self.0.code() {
            write!(f, "[{code}]")?;
        }
        let mut told = self.0.to_string();
        write!(f, ": {told}")?;
        let mut source = std::error::Error::source(&*self.0);
        while let Some(cause) = source {
            let text = cause.to_string();
            // Messages that stand alone elsewhere name their cause already: not twice.
            if !told.ends_with(&text) {
                write!(f, ": {text}")?;
                told = text;
            }
            source = cause.source();
        }
        if let Some(help) = self.0.help() {
            write!(f, "\n  fix: {help}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("cannot write x: {source}")]
    #[diagnostic(code(test::cannot_write), help("make room"))]
    struct Inner {
        source: std::io::Error,
    }

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("the campaign stopped")]
    #[diagnostic(code(test::stopped), help("make room"))]
    struct Outer(#[source] Inner);

    impl Fault for Inner {
        fn exit(&self) -> Exit {
            Exit::Internal
        }
    }

    impl Fault for Outer {
        fn exit(&self) -> Exit {
            Exit::Internal
        }
    }

    #[test]
    fn every_cause_is_told_once() {
        let inner = || Inner {
            source: std::io::Error::other("no room"),
        };
        assert_eq!(
            Failure::from(inner()).to_string(),
            "error[test::cannot_write]: cannot write x: no room\n  fix: make room"
        );
        assert_eq!(
            Failure::from(Outer(inner())).to_string(),
            "error[test::stopped]: the campaign stopped: cannot write x: no room\n  fix: make room"
        );
    }
}
