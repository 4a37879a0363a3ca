//! The sealed, hashed summary of a campaign, and the result of a run that it links to.
//!
//! Sealing reads the state that the journal gave and the files it cites; verifying needs the files
//! alone. Neither knows how anything was run.

mod cited;
mod cycles;
mod energy_note;
mod finding;
mod identities;
mod quality;
mod run_result;
mod seal;
mod sums;
mod types;
mod validate;
mod verify;

pub use cited::{check_file, check_result};
pub use cycles::{ExperimentCycles, MIXED_SIMULATED, MIXED_SLO, SLO_ITL, SLO_TTFT, over_cycles};
pub use energy_note::{CpuEnergy, DomainEnergy, EnergyNote, GpuNote, Spread};
pub use finding::{Finding, FindingKind, Verification};
pub use identities::identities;
pub use quality::quality;
pub use run_result::{
    BaselineNote, GapGpu, GapNote, LeakNote, ParameterChange, RESULT_SCHEMA_VERSION, RecordFile,
    RunResult, Split, WarmupNote, changes,
};
pub use seal::{SealError, mend_seal, seal};
pub use types::{
    CampaignNote, ExperimentEntry, MANIFEST_FILE, Manifest, MeasuredOn, RunEntry, SUMS_FILE,
};
pub use validate::{RunRules, Validation, validate};
pub use verify::{compare, verify};

/// Name of a result's file in its attempt's folder.
pub const RESULT_FILE: &str = "result.json";
/// Name of the sensor readings in their attempt's folder.
pub const READINGS_FILE: &str = "readings.parquet";
