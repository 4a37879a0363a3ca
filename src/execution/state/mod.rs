//! The state of a campaign: what it holds. [`State::apply`] moves it on, the queries look at it.

mod assessing;
mod effects;
mod grow;
mod history;
mod migrate;
mod queries;
mod transition;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Assessed, Cause, Figures, Fingerprint, ResultFile, Verdict};
use crate::plan::{Plan, Step};
use crate::quality::Scores;
use crate::units::Digest;

use history::{Ended, RunState};

pub use effects::MODEL_DIFFERENCE;
pub use history::{Made, Placed};
pub use migrate::Retired;
pub use transition::IllegalEvent;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum RunStatus {
    /// To be measured.
    Due,
    /// An attempt is in progress.
    Running,
    /// A verdict was given.
    Ended {
        /// The verdict.
        verdict: Verdict,
        /// The result file, if there is one.
        result: Option<ResultFile>,
        /// Headline figures.
        figures: Figures,
    },
}

/// How many runs stand where.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// To be measured, the running one included.
    pub due: usize,
    /// Accepted.
    pub accepted: usize,
    /// Rejected.
    pub rejected: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execution) enum Container {
    Absent,
    Started,
    Probed,
}

/// What is known of a backend in this session.
#[derive(Debug, Clone)]
pub(in crate::execution) struct BackendState {
    pub(in crate::execution) image: bool,
    pub(in crate::execution) model: bool,
    pub(in crate::execution) container: Container,
    pub(in crate::execution) bare_baseline: bool,
    /// Why nothing more can be done with it in this session.
    pub(in crate::execution) down: Option<(String, Cause)>,
    pub(in crate::execution) due: usize,
}

/// The state of a campaign under one plan.
#[derive(Debug)]
pub struct State {
    plan: Arc<Plan>,
    index: HashMap<String, usize>,
    steps: HashMap<String, Step>,
    runs: Vec<RunState>,
    tally: Tally,
    cursor: usize,
    fingerprint: Option<Fingerprint>,
    session: u32,
    in_session: bool,
    running: Option<usize>,
    environment: Option<(Digest, serde_json::Value)>,
    /// UUIDs of the session's GPUs.
    gpus: Arc<[String]>,
    /// Engines loaded since the campaign began.
    engine_loads: u32,
    sealed: Option<Digest>,
    previous_seal: Option<Digest>,
    images: BTreeMap<String, serde_json::Value>,
    models: BTreeMap<String, serde_json::Value>,
    retired: BTreeMap<(Digest, u32), (String, RunState)>,
    overrides: Vec<String>,
    /// Quality by experiment hash.
    quality: HashMap<Digest, Assessed>,
    /// Attached scores by experiment hash.
    scores: HashMap<Digest, Vec<Scores>>,
    pub(in crate::execution) backends: HashMap<String, BackendState>,
    pub(in crate::execution) loaded: Option<usize>,
    /// Whether an attempt was made on what is loaded.
    pub(in crate::execution) used: bool,
    pub(in crate::execution) resident_baseline: bool,
    pub(in crate::execution) load_failures: HashMap<usize, Cause>,
    /// Engine keys and experiments whose config was refused, with the id that showed it.
    pub(in crate::execution) refused_keys: HashMap<Digest, (String, Cause)>,
    pub(in crate::execution) refused: HashMap<Digest, (String, Cause)>,
    /// Runs that ended so that lemctl tries them again by itself.
    pub(in crate::execution) again: BTreeSet<usize>,
    /// Experiments whose quality was not asked for yet, each with an accepted run.
    pub(in crate::execution) unasked: BTreeMap<usize, usize>,
    /// How often the environment cost an answer that is still to be had, by experiment hash.
    asked_in_vain: HashMap<Digest, u32>,
    environment_failures: u32,
    pub(in crate::execution) breaker: Option<Cause>,
    pub(in crate::execution) stopping: Option<String>,
}

impl State {
    /// The state before the first event.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let mut state = Self::empty(plan.clone());
        state.enter(&plan, 0);
        state
    }

    /// The state of a campaign of no run.
    fn empty(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            index: HashMap::new(),
            steps: HashMap::new(),
            runs: Vec::new(),
            tally: Tally::default(),
            cursor: 0,
            fingerprint: None,
            session: 0,
            in_session: false,
            running: None,
            environment: None,
            gpus: Arc::default(),
            engine_loads: 0,
            sealed: None,
            previous_seal: None,
            images: BTreeMap::new(),
            models: BTreeMap::new(),
            retired: BTreeMap::new(),
            overrides: Vec::new(),
            quality: HashMap::new(),
            scores: HashMap::new(),
            backends: HashMap::new(),
            loaded: None,
            used: false,
            resident_baseline: false,
            load_failures: HashMap::new(),
            refused_keys: HashMap::new(),
            refused: HashMap::new(),
            again: BTreeSet::new(),
            unasked: BTreeMap::new(),
            asked_in_vain: HashMap::new(),
            environment_failures: 0,
            breaker: None,
            stopping: None,
        }
    }
}
