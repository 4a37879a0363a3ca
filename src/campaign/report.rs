//! The error of an invalid campaign file.

use crate::diagnostics::{Exit, Fault, Problem, ProblemReport};

/// Everything that is wrong with a campaign file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{report}")]
#[diagnostic(code(campaign::invalid))]
pub struct CampaignReport {
    report: ProblemReport,
}

impl CampaignReport {
    pub(super) fn new(file: &str, text: &str, problems: Vec<Problem>) -> Self {
        Self {
            report: ProblemReport::new(file, text, problems),
        }
    }

    /// The problems with their places.
    #[must_use]
    pub fn report(&self) -> &ProblemReport {
        &self.report
    }
}

impl Fault for CampaignReport {
    fn exit(&self) -> Exit {
        Exit::CampaignInvalid
    }
}
