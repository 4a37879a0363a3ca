//! What the command line itself can find wrong.

use camino::Utf8PathBuf;
use miette::Diagnostic;

use crate::diagnostics::{Exit, Fault};

/// Errors of the command line.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CliError {
    /// No project.
    #[error("{from} lies in no lemctl project: no folder upwards has compose/ and catalogues/")]
    #[diagnostic(
        code(cli::no_project),
        help("go into the project, or name it: lemctl --root DIR …")
    )]
    NoProject {
        /// Where the search began.
        from: Utf8PathBuf,
    },
    /// A file that was named cannot be read.
    #[error("cannot read {path}: {reason}")]
    #[diagnostic(code(cli::unreadable), help("{fix}"))]
    Unreadable {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        reason: String,
        /// The way out.
        fix: String,
    },
    /// A model cannot be had.
    #[error("{what}")]
    #[diagnostic(code(cli::no_model), help("{fix}"))]
    NoModel {
        /// Why.
        what: String,
        /// The way out.
        fix: String,
    },
    /// A campaign is not finished.
    #[error("campaign {campaign} ({id}) is not finished: {due} runs are due")]
    #[diagnostic(
        code(cli::unfinished),
        help(
            "go on with it: lemctl campaign resume {campaign} (or begin another beside it: --new)"
        )
    )]
    Unfinished {
        /// Its name.
        campaign: String,
        /// Its id.
        id: String,
        /// Runs that are due.
        due: usize,
    },
    /// No campaign of that name or id.
    #[error("there is no campaign {wanted}{near}")]
    #[diagnostic(code(cli::no_campaign), help("lemctl campaign list"))]
    NoCampaign {
        /// What was asked for.
        wanted: String,
        /// What may have been meant, with its lead-in.
        near: String,
    },
    /// No run of that id.
    #[error("campaign {campaign} has no run {wanted}{near}")]
    #[diagnostic(code(cli::no_run), help("lemctl campaign status {campaign}"))]
    NoRun {
        /// The campaign.
        campaign: String,
        /// What was asked for.
        wanted: String,
        /// What may have been meant, with its lead-in.
        near: String,
    },
    /// No experiment of that id.
    #[error("no experiment of campaign {campaign} has {wanted} in its id{near}")]
    #[diagnostic(code(cli::no_experiment), help("lemctl results list {campaign}"))]
    NoExperiment {
        /// The campaign.
        campaign: String,
        /// What was asked for.
        wanted: String,
        /// What may have been meant, with its lead-in.
        near: String,
    },
    /// No such attempt.
    #[error("no such attempt: {what}")]
    #[diagnostic(
        code(cli::no_attempt),
        help("leave --attempt out for the one that stands; lemctl campaign why RUN lists all")
    )]
    NoAttempt {
        /// What there is.
        what: String,
    },
    /// No catalogue of that backend or version.
    #[error("there is no catalogue of {wanted}{near}")]
    #[diagnostic(code(cli::no_catalogue), help("there is: {known}"))]
    NoCatalogue {
        /// What was asked for.
        wanted: String,
        /// What may have been meant, with its lead-in.
        near: String,
        /// What there is.
        known: String,
    },
    /// No parameter of that name.
    #[error("{backend} has no parameter {wanted}{near}")]
    #[diagnostic(
        code(cli::no_parameter),
        help("lemctl params list BACKEND --all lists every name")
    )]
    NoParameter {
        /// What was asked for.
        wanted: String,
        /// The backend and its version.
        backend: String,
        /// What may have been meant, with its lead-in.
        near: String,
    },
    /// No run failed, was skipped or rejected with that code.
    #[error("no run fits --retry {wanted}{near}")]
    #[diagnostic(code(cli::no_such_code), help("{known}"))]
    NoSuchCode {
        /// What was asked for.
        wanted: String,
        /// What may have been meant, with its lead-in.
        near: String,
        /// What there is.
        known: String,
    },
    /// A large campaign was not confirmed.
    #[error(
        "{experiments} experiments and {runs} runs are more than 100 experiments: not begun without a yes"
    )]
    #[diagnostic(
        code(cli::not_confirmed),
        help("look at `lemctl campaign plan`, then add --yes")
    )]
    NotConfirmed {
        /// Experiments.
        experiments: usize,
        /// Runs.
        runs: usize,
    },
    /// A campaign with nothing to run.
    #[error("campaign {campaign} has no valid experiment: all {points} grid points are pruned")]
    #[diagnostic(
        code(cli::nothing_to_run),
        help("lemctl campaign plan says which rule prunes which point")
    )]
    NothingToRun {
        /// Its name.
        campaign: String,
        /// Its grid points.
        points: u64,
    },
    /// The campaign file was edited since.
    #[error("{file} is not what campaign {id} was begun with: {what}")]
    #[diagnostic(
        code(cli::campaign_changed),
        help("add --accept-changes to go on with the edited file, or resume without naming it")
    )]
    CampaignChanged {
        /// The file.
        file: Utf8PathBuf,
        /// The campaign's id.
        id: String,
        /// What differs.
        what: String,
    },
    /// The environment is another one.
    #[error("the environment is not the one of the last session: {what}")]
    #[diagnostic(
        code(cli::environment_changed),
        help("restore it, or add --accept-environment: the journal will say so")
    )]
    EnvironmentChanged {
        /// What differs, each by name.
        what: String,
    },
    /// Containers would run as root, or as somebody else.
    #[error(".env: {detail}")]
    #[diagnostic(code(cli::wrong_user), help("{fix}"))]
    WrongUser {
        /// What is wrong.
        detail: String,
        /// The way out.
        fix: String,
    },
    /// Containers that the Engine did not remove.
    #[error("not removed: {what}")]
    #[diagnostic(
        code(cli::not_removed),
        help(
            "see what the Engine says of them (docker ps -a), then once more: lemctl campaign down"
        )
    )]
    NotRemoved {
        /// Which, and what the Engine said.
        what: String,
    },
    /// The async runtime does not start.
    #[error("the runtime does not start")]
    #[diagnostic(code(cli::runtime))]
    Runtime {
        /// What the system said.
        source: std::io::Error,
    },
    /// Output could not be written.
    #[error("cannot write the output: {reason}")]
    #[diagnostic(
        code(cli::output),
        help("the output is not whole: make room, or write it elsewhere")
    )]
    Output {
        /// What the system said.
        reason: String,
    },
}

impl Fault for CliError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoProject { .. }
            | Self::Unreadable { .. }
            | Self::NoCampaign { .. }
            | Self::NoRun { .. }
            | Self::NoExperiment { .. }
            | Self::NoAttempt { .. }
            | Self::NoCatalogue { .. }
            | Self::NoParameter { .. }
            | Self::NoSuchCode { .. }
            | Self::NotConfirmed { .. } => Exit::Usage,
            Self::NothingToRun { .. } => Exit::CampaignInvalid,
            Self::Unfinished { .. }
            | Self::CampaignChanged { .. }
            | Self::EnvironmentChanged { .. } => Exit::ResumeConflict,
            Self::WrongUser { .. } | Self::NoModel { .. } | Self::NotRemoved { .. } => {
                Exit::EnvironmentNotReady
            }
            Self::Runtime { .. } | Self::Output { .. } => Exit::Internal,
        }
    }
}

impl CliError {
    /// `wanted` is no run of the campaign, whose names these are.
    pub(super) fn no_run<'a>(
        campaign: String,
        wanted: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Self {
        Self::NoRun {
            campaign,
            near: near(wanted, names),
            wanted: wanted.to_owned(),
        }
    }
}

/// `: did you mean X?`, if something near exists.
pub(super) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!(": did you mean {name}?"))
        .unwrap_or_default()
}
