//! Everything that is wrong with a Compose file or a `.env`, in one report.

use miette::Diagnostic;

use crate::diagnostics::{Exit, Fault, Problem, ProblemReport};

/// All problems of one file, each with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{0}")]
#[diagnostic(code(compose::invalid))]
pub struct ComposeReport(pub ProblemReport);

impl ComposeReport {
    pub(super) fn new(file: &str, text: &str, problems: Vec<Problem>) -> Self {
        Self(ProblemReport::new(file, text, problems))
    }
}

impl Fault for ComposeReport {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}
