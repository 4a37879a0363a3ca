//! `model` as it is written in a campaign file.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where the model comes from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::campaign) enum ModelSpec {
    /// Weights drawn by a seed. The shape comes from a `config.json`, or from the backend's parameters.
    Random(RandomSpec),
    /// No weights: the engine's own placeholder values.
    Dummy(DummySpec),
    /// A folder of yours.
    Local(LocalSpec),
    /// A repository of a model hub.
    Hub(HubSpec),
}

/// Weights drawn by a seed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct RandomSpec {
    /// Seed of the weights.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// A `config.json` of the transformers kind, relative to the campaign file; without it the shape comes from the backend's parameters.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub config: Option<String>,
}

/// No weights.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct DummySpec {
    /// A `config.json` of the transformers kind, relative to the campaign file.
    #[schemars(length(min = 1, max = 4096))]
    pub config: String,
}

/// A folder of yours.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct LocalSpec {
    /// Path of the folder: absolute, or relative to the campaign file.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// What the model is called in experiments and results; the folder's name by default.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    pub name: Option<String>,
    /// What its weights are: quality is looked at only where they are real.
    #[serde(default)]
    pub weights: LocalWeights,
}

/// What the weights of a folder are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::campaign) enum LocalWeights {
    /// Trained.
    #[default]
    Real,
    /// Drawn from a distribution.
    Random,
}

/// A repository of a model hub.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct HubSpec {
    /// `organisation/name`.
    #[schemars(length(min = 3, max = 200))]
    pub id: String,
    /// Commit, branch or tag. What is not a whole commit hash can move: it is resolved once, and warned about.
    #[serde(default = "main_branch")]
    #[schemars(length(min = 1, max = 200))]
    pub revision: String,
    /// Size of the vocabulary, from the repository's `config.json`; needed for synthetic prompts, which are drawn before anything is fetched.
    #[serde(default)]
    #[schemars(range(min = 16, max = 16_777_216))]
    pub vocab_size: Option<u32>,
}

fn main_branch() -> String {
    "main".to_owned()
}
