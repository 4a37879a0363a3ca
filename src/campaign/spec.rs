//! The campaign file as it is written: the one source of its JSON Schema, which both editors and lemctl
//! check files against. Keys here are the keys of the file; comments here are what editors show.
#![expect(
    dead_code,
    reason = "the grid's types are read for their schema; `load` walks the tree for the places"
)]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::model::ModelSpec;
use super::policy::{
    BaselinePolicy, EnergyPolicy, ExecutionPolicy, LeakPolicy, QualityPolicy, WarmupPolicy,
};
use super::workload::WorkloadSpec;
use crate::energy::{Slo, VerdictRules};

/// A measurement campaign of lemctl.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("title" = "lemctl campaign"))]
pub(super) struct CampaignFile {
    /// Name of the campaign: names its folders and containers.
    #[schemars(length(max = 64), extend("pattern" = NAME))]
    campaign_name: String,
    /// The model.
    model: ModelSpec,
    /// What the model works on.
    workload: WorkloadSpec,
    /// Axes that expand into grid points.
    #[schemars(default)]
    grid: Option<GridSpec>,
    /// Single experiments besides the grid.
    #[schemars(default, length(min = 1))]
    experiments: Option<Vec<ExperimentSpec>>,
    /// Versions of backends that are not the pinned ones: `{vllm: 0.32.0}`. Each needs its catalogue.
    #[schemars(default)]
    versions: Option<BTreeMap<String, VersionText>>,
    /// How runs are ordered and paced.
    #[schemars(default)]
    execution: ExecutionPolicy,
    /// How runs are warmed up.
    #[schemars(default)]
    warmup: WarmupPolicy,
    /// Whether the idle power is measured.
    #[schemars(default)]
    baseline: BaselinePolicy,
    /// What is read of the GPUs, and how baselines are taken.
    #[schemars(default)]
    energy: EnergyPolicy,
    /// What a run may leave on a GPU.
    #[schemars(default)]
    leaks: LeakPolicy,
    /// Thresholds by which runs and the campaign are judged.
    #[schemars(default)]
    rules: VerdictRules,
    /// How outputs are judged.
    #[schemars(default)]
    quality: QualityPolicy,
    /// Refuse to load an engine of another version than the catalogue's, instead of flagging its results.
    #[schemars(default)]
    strict_versions: bool,
    /// Latencies that a service has to keep: gives goodput.
    #[schemars(default)]
    slo: Option<Slo>,
    /// UUIDs of the GPUs to run on.
    #[schemars(default, extend("uniqueItems" = true))]
    gpus: Vec<GpuUuid>,
}

/// What a campaign's name looks like.
pub(super) const NAME: &str = "^[a-z0-9][a-z0-9._-]*$";
/// What the UUID of a GPU looks like.
const GPU: &str = "^(GPU|MIG)-[0-9a-f-]+$";

/// Version of an engine's package, as its catalogue says it.
#[derive(JsonSchema)]
#[schemars(transparent, extend("minLength" = 1, "maxLength" = 80))]
struct VersionText(String);

/// UUID of a GPU, as `nvidia-smi -L` prints it.
#[derive(JsonSchema)]
#[schemars(transparent, extend("pattern" = GPU, "maxLength" = 80))]
struct GpuUuid(String);

/// Axes that expand into grid points: for each backend the product of its axes.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GridSpec {
    /// The backends to run.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    backends: Vec<String>,
    /// Axes of every backend: each name with its value or values.
    #[schemars(default)]
    shared: BTreeMap<String, AxisValues>,
    /// Axes of single backends.
    #[schemars(default)]
    per_backend: BTreeMap<String, BTreeMap<String, AxisValues>>,
    /// Each group is one axis whose members set several parameters together.
    #[schemars(default)]
    groups: Vec<Group>,
    /// Points to leave out.
    #[schemars(default)]
    exclude: Vec<ExcludeSpec>,
    /// Further parameters per backend, passed on as they are; names are checked.
    #[schemars(default)]
    extra: BTreeMap<String, BTreeMap<String, Value>>,
    /// Further parameters per backend whose names its catalogue does not know.
    #[schemars(default)]
    extra_unchecked: BTreeMap<String, BTreeMap<String, Value>>,
}

/// The members of one group.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Group(#[schemars(length(min = 1))] Vec<Member>);

/// Parameters that are set together.
#[derive(JsonSchema)]
#[schemars(transparent, extend("minProperties" = 1))]
struct Member(BTreeMap<String, Scalar>);

/// Points to leave out.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ExcludeSpec {
    /// Condition: names with a value, a list of values or comparisons (eq, ne, lt, le, gt, ge, in, divisible_by).
    #[schemars(extend("minProperties" = 1))]
    when: serde_json::Map<String, Value>,
    /// Why; shown for each point that is left out.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// One experiment besides the grid.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ExperimentSpec {
    /// Its backend.
    backend: String,
    /// Its parameters; the others have their defaults.
    #[schemars(default)]
    parameters: BTreeMap<String, Scalar>,
}

/// A single value.
struct Scalar;

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A single value.", "type": ["boolean", "number", "string", "null"] })
    }
}

/// One value or a list of values.
struct AxisValues;

impl JsonSchema for AxisValues {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AxisValues".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One value or a list of values.",
            "oneOf": [
                { "type": ["boolean", "number", "string", "null"] },
                { "type": "array", "minItems": 1, "items": generator.subschema_for::<Scalar>() },
            ],
        })
    }
}
