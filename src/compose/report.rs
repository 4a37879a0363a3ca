//! Everything that is wrong with a Compose file, in one report.

use std::fmt;

use miette::Diagnostic;

use crate::diagnostics::{Exit, Fault};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong: names the key or the value.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// All problems of one file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[diagnostic(code(compose::invalid))]
pub struct ComposeReport {
    /// Path of the file.
    pub file: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ComposeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let Problem {
                line,
                column,
                message,
                help,
            } = problem;
            write!(f, "{}:{line}:{column}: {message}", self.file)?;
            if let Some(help) = help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl Fault for ComposeReport {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}
