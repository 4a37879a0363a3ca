//! Sealing: from the journal's state and the files it cites to manifest.json and SHA256SUMS.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use miette::Diagnostic;

use super::cited::cited_files;
use super::cycles::over_cycles;
use super::quality::{quality, quality_record};
use super::sums;
use super::types::{
    CampaignNote, ExperimentEntry, MANIFEST_FILE, MANIFEST_SCHEMA_VERSION, Manifest, RunEntry,
    SUMS_FILE,
};
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::diagnostics::{Exit, Fault};
use crate::execution::{Event, RunStatus, State};
use crate::journal::{Head, Journal, JournalError};
use crate::store::{Folders, StoreError, read_bounded, sync_folder, write_durable};
use crate::units::Digest;

/// Largest file that is read for sealing or verifying, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;

/// Why a campaign cannot be sealed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SealError {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The journal could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
    /// A file is not the one that the journal cites.
    #[error("{path} is not the file that the journal cites")]
    #[diagnostic(
        code(manifest::altered),
        help(
            "restore it from a copy, or measure its run again: lemctl campaign resume --retry lost"
        )
    )]
    Altered {
        /// The file.
        path: Utf8PathBuf,
    },
    /// The manifest of a seal is gone, and what its journal tells would be another one.
    #[error("the manifest {path} is gone, and this lemctl makes another one of the journal")]
    #[diagnostic(
        code(manifest::lost),
        help("bring it back from a copy or from version control: its SHA-256 is {sha256}")
    )]
    Lost {
        /// Where it was.
        path: Utf8PathBuf,
        /// What the journal says of it.
        sha256: Digest,
    },
    /// The state lacks something that every campaign has.
    #[error("the journal has no {what}")]
    #[diagnostic(
        code(manifest::incomplete),
        help("start the campaign anew: lemctl campaign up")
    )]
    Incomplete {
        /// What.
        what: &'static str,
    },
}

impl Fault for SealError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Journal(error) => error.exit(),
            Self::Altered { .. } | Self::Lost { .. } => Exit::VerificationFailed,
            Self::Incomplete { .. } => Exit::ResumeConflict,
        }
    }
}

/// Seals: checks every cited file, writes the manifest, journals its hash, writes SHA256SUMS.
/// Nothing may be due. Repeating it after a crash gives the same files.
///
/// # Errors
/// [`SealError`]; the journal is then unsealed, or sealed without SHA256SUMS, and resuming mends it.
pub fn seal(
    folders: &Folders,
    campaign: &Campaign,
    state: &mut State,
    journal: &mut Journal,
    clock: &dyn Clock,
) -> Result<Manifest, SealError> {
    cited_files(folders, campaign, state)?;
    let (manifest, bytes) = rendered(folders, campaign, state, journal.head())?;
    write_manifest(folders, &bytes)?;
    let manifest_sha256 = Digest::of(&bytes);
    let event = Event::Sealed { manifest_sha256 };
    journal.append(&event, clock)?;
    state.apply(&event).map_err(|_| SealError::Incomplete {
        what: "end of its last session",
    })?;
    write_sums(folders, campaign, state)?;
    Ok(manifest)
}

fn rendered(
    folders: &Folders,
    campaign: &Campaign,
    state: &State,
    head: Head,
) -> Result<(Manifest, Vec<u8>), SealError> {
    let manifest = summarise(campaign, state, head)?;
    let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(|error| StoreError {
        action: "encode",
        path: folders.manifests().join(MANIFEST_FILE),
        source: std::io::Error::other(error),
    })?;
    bytes.push(b'\n');
    Ok((manifest, bytes))
}

fn write_manifest(folders: &Folders, bytes: &[u8]) -> Result<(), SealError> {
    let target = folders.make_manifests()?;
    write_durable(&target.join(MANIFEST_FILE), bytes)?;
    Ok(sync_folder(&target)?)
}

/// Writes what a sealed campaign lacks of its seal, where a crash came in between or somebody removed it: the manifest,
/// made again of the journal, whose last event before the seal is `head`; and the list of hashes.
///
/// # Errors
/// If a cited file is not what it was, the manifest would not be the one that was sealed, or something cannot be written.
pub fn mend_seal(
    folders: &Folders,
    campaign: &Campaign,
    state: &State,
    head: Head,
) -> Result<(), SealError> {
    let sha256 = state
        .sealed()
        .ok_or(SealError::Incomplete { what: "seal" })?;
    let path = folders.manifests().join(MANIFEST_FILE);
    if !path.exists() {
        let (_, bytes) = rendered(folders, campaign, state, head)?;
        if Digest::of(&bytes) != sha256 {
            return Err(SealError::Lost { path, sha256 });
        }
        write_manifest(folders, &bytes)?;
    }
    if !folders.manifests().join(SUMS_FILE).exists() {
        write_sums(folders, campaign, state)?;
    }
    Ok(())
}

/// Writes SHA256SUMS of a sealed campaign from what its journal cites: part of sealing, and repeated where
/// a crash came between the seal and the list.
fn write_sums(folders: &Folders, campaign: &Campaign, state: &State) -> Result<(), SealError> {
    let manifest = state
        .sealed()
        .ok_or(SealError::Incomplete { what: "seal" })?;
    let mut files = cited_files(folders, campaign, state)?;
    let journal = folders.results().join(sums::journal_path());
    files.insert(
        sums::journal_path(),
        Digest::of(&read_bounded(&journal, MAX_FILE_BYTES)?),
    );
    let target = folders.manifests();
    write_durable(
        &target.join(SUMS_FILE),
        sums::render(folders, manifest, &files).as_bytes(),
    )?;
    Ok(sync_folder(&target)?)
}

/// What the journal's events come to, as they stand before the seal: a function of them and of the inputs alone.
pub(super) fn summarise(
    campaign: &Campaign,
    state: &State,
    head: Head,
) -> Result<Manifest, SealError> {
    let fingerprint = state
        .fingerprint()
        .ok_or(SealError::Incomplete { what: "campaign" })?;
    let (environment_hash, environment) = state
        .environment()
        .ok_or(SealError::Incomplete { what: "session" })?;
    let plan = state.plan();
    let runs: Vec<RunEntry> = (0..plan.runs.len())
        .map(|run| {
            run_entry(state, run).ok_or(SealError::Incomplete {
                what: "verdict for every run",
            })
        })
        .collect::<Result<_, _>>()?;
    let experiments = plan
        .experiments
        .iter()
        .zip(over_cycles(state, &campaign.rules))
        .map(|(experiment, cycles)| ExperimentEntry {
            id: experiment.id.clone(),
            hash: experiment.hash,
            config: experiment.canonical(),
            aliases: experiment
                .aliases
                .iter()
                .map(|point| campaign.settings(*point))
                .collect(),
            cycles: Some(cycles),
            quality: Some(quality(campaign, state, &experiment.hash)),
            quality_record: quality_record(campaign, state, &experiment.hash),
            scores: state.scores(&experiment.hash).to_vec(),
            figures: BTreeMap::new(),
        })
        .collect();
    Ok(Manifest {
        schema_version: MANIFEST_SCHEMA_VERSION,
        lemctl: env!("CARGO_PKG_VERSION").to_owned(),
        campaign: CampaignNote {
            name: fingerprint.campaign.clone(),
            id: fingerprint.id.clone(),
            hash: fingerprint.campaign_hash,
            file: campaign.text.clone(),
            file_sha256: fingerprint.file_sha256,
            plan_hash: fingerprint.plan_hash,
            catalogues: fingerprint.catalogues.clone(),
            prompts: fingerprint.prompts.clone(),
        },
        previous_manifest: state.previous_seal(),
        journal: head,
        sessions: state.session(),
        environment_hash: *environment_hash,
        environment: environment.clone(),
        images: state.images().clone(),
        models: state.models().clone(),
        tally: state.tally(),
        tries: Some(state.tries()),
        experiments,
        runs,
        retired: state.retired(),
        overrides: state.overrides().to_vec(),
    })
}

fn run_entry(state: &State, run: usize) -> Option<RunEntry> {
    let planned = &state.plan().runs[run];
    let experiment = state.plan().experiment_of(run);
    let RunStatus::Ended {
        verdict,
        result,
        figures,
    } = state.status(run)
    else {
        return None;
    };
    Some(RunEntry {
        run: planned.id.clone(),
        experiment: experiment.id.clone(),
        experiment_hash: experiment.hash,
        cycle: planned.cycle,
        attempts: state.history(run).collect(),
        verdict: verdict.clone(),
        result: result.clone(),
        measured_on: state.made(run).map(Into::into),
        figures: figures.clone(),
    })
}
