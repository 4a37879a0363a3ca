//! The manifest's layout.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cycles::ExperimentCycles;
use super::seal::MAX_FILE_BYTES;
use crate::energy::Summary;
use crate::execution::{Attempt, Figures, Made, ResultFile, Retired, Tally, Tries, Verdict};
use crate::journal::Head;
use crate::quality::{Quality, Scores};
use crate::store::{Folders, read_regular};
use crate::units::Digest;

/// Name of the manifest's file.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of the list of hashes beside it.
pub const SUMS_FILE: &str = "SHA256SUMS";
/// Version of the manifest's layout that is written. Earlier ones are still read: version 1 had mean and deviation over
/// the cycles in `figures`, and no `cycles` and no `measured_on`; version 2 had no `tries` and no `because`.
pub const MANIFEST_SCHEMA_VERSION: u32 = 3;

/// A sealed campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this layout.
    pub schema_version: u32,
    /// Version of lemctl that sealed it.
    pub lemctl: String,
    /// The campaign.
    pub campaign: CampaignNote,
    /// SHA-256 of the manifest that this one replaces, if runs were reopened after a seal.
    pub previous_manifest: Option<Digest>,
    /// Where the journal stood when it was sealed.
    pub journal: Head,
    /// Lives of lemctl that it took.
    pub sessions: u32,
    /// Hash of the last session's environment.
    pub environment_hash: Digest,
    /// The last session's environment.
    pub environment: Value,
    /// Identities of the images, by backend.
    pub images: BTreeMap<String, Value>,
    /// The model's files, by backend; empty where the shape came from parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, Value>,
    /// Differences of the environment between sessions that the user let pass.
    pub overrides: Vec<String>,
    /// How many runs ended how.
    pub tally: Tally,
    /// How often they were tried, and by whose wish; null before version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<Tries>,
    /// The experiments, in the grid's order.
    pub experiments: Vec<ExperimentEntry>,
    /// The runs, in the plan's order.
    pub runs: Vec<RunEntry>,
    /// Runs that edits of the campaign removed after they were tried.
    pub retired: Vec<Retired>,
}

impl Manifest {
    /// Reads a campaign's manifest, bounded; whether it is the one that was sealed is for `verify` to say.
    ///
    /// # Errors
    /// Why there is none that can be read, in one sentence.
    pub fn read(folders: &Folders) -> Result<Self, String> {
        let bytes = read_regular(&folders.manifests().join(MANIFEST_FILE), MAX_FILE_BYTES)
            .map_err(|error| error.source.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}

/// The campaign in its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignNote {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The campaign hash: experiments, cycles, order, gaps, rules.
    pub hash: Digest,
    /// The campaign file as it was run.
    pub file: String,
    /// SHA-256 of that text.
    pub file_sha256: Digest,
    /// Hash of the run ids in order, as the campaign began: cycles that were added are in the journal.
    pub plan_hash: Digest,
    /// SHA-256 of the catalogues, by backend.
    pub catalogues: BTreeMap<String, Digest>,
    /// SHA-256 of the prompt files, by path.
    pub prompts: BTreeMap<String, Digest>,
}

/// An experiment in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentEntry {
    /// Its id.
    pub id: String,
    /// Its hash: of `config` in RFC 8785 form.
    pub hash: Digest,
    /// The fully resolved configuration.
    pub config: Value,
    /// Grid points that are this experiment too, by what their axes set.
    pub aliases: Vec<BTreeMap<String, Value>>,
    /// Its accepted runs over the cycles; null in version 1.
    #[serde(default)]
    pub cycles: Option<ExperimentCycles>,
    /// Whether its outputs can be believed: only what passed may be called best. Null before quality was judged.
    #[serde(default)]
    pub quality: Option<Quality>,
    /// The engine's answers that quality was judged on, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_record: Option<ResultFile>,
    /// A harness's scores that the user attached; each file lies among the inputs under its hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Scores>,
    /// Version 1 only: its accepted runs' headline figures over the cycles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Summary>,
}

impl ExperimentEntry {
    /// Size, mean and deviation of a headline figure over the accepted runs.
    #[must_use]
    pub fn summary(&self, figure: &str) -> Option<Summary> {
        match &self.cycles {
            Some(cycles) => cycles.figures.get(figure).map(|figure| Summary {
                n: figure.n,
                mean: figure.mean,
                sd: figure.sd,
            }),
            None => self.figures.get(figure).copied(),
        }
    }
}

/// Under which conditions a result was made: what tells whether results may be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasuredOn {
    /// The session.
    pub session: u32,
    /// Which load of an engine since the campaign began, from 1: runs of one number shared it.
    pub engine_load: u32,
    /// UUIDs of the session's GPUs.
    pub gpus: Vec<String>,
    /// Whether they were simulated: such results are never compared with real ones.
    pub simulated: bool,
}

impl From<&Made> for MeasuredOn {
    fn from(made: &Made) -> Self {
        Self {
            session: made.session,
            engine_load: made.engine_load,
            gpus: made.gpus.to_vec(),
            simulated: made.simulated,
        }
    }
}

/// A run in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunEntry {
    /// Its id.
    pub run: String,
    /// Id of its experiment.
    pub experiment: String,
    /// Hash of its experiment.
    pub experiment_hash: Digest,
    /// Its cycle, from 1.
    pub cycle: u32,
    /// Every attempt at it, in order.
    pub attempts: Vec<Attempt>,
    /// The verdict that stands.
    pub verdict: Verdict,
    /// The result that stands.
    pub result: Option<ResultFile>,
    /// Under which conditions it was made; null without a result, and in version 1.
    #[serde(default)]
    pub measured_on: Option<MeasuredOn>,
    /// Its headline figures.
    pub figures: Figures,
}
