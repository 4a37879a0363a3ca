//! Sealing: from the journal's state and the files it cites to manifest.json and SHA256SUMS.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use miette::Diagnostic;
use serde::Deserialize;

use super::READINGS_FILE;
use super::cycles::over_cycles;
use super::quality::{quality, quality_record};
use super::run_result::RecordFile;
use super::sums;
use super::types::{
    CampaignNote, ExperimentEntry, MANIFEST_FILE, MANIFEST_SCHEMA_VERSION, Manifest, RunEntry,
    SUMS_FILE,
};
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::diagnostics::{Exit, Fault};
use crate::execution::{Event, ResultFile, RunStatus, State};
use crate::journal::{Head, Journal, JournalError};
use crate::store::{Folders, StoreError, read_bounded, read_regular, sync_folder, write_durable};
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
            Self::Altered { .. } => Exit::VerificationFailed,
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
    cited_files(folders, state)?;
    let manifest = summarise(campaign, state, journal.head())?;
    let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(|error| StoreError {
        action: "encode",
        path: folders.manifests().join(MANIFEST_FILE),
        source: std::io::Error::other(error),
    })?;
    bytes.push(b'\n');
    let target = folders.make_manifests()?;
    write_durable(&target.join(MANIFEST_FILE), &bytes)?;
    sync_folder(&target)?;
    let manifest_sha256 = Digest::of(&bytes);
    let event = Event::Sealed { manifest_sha256 };
    journal.append(&event, clock)?;
    state.apply(&event).map_err(|_| SealError::Incomplete {
        what: "end of its last session",
    })?;
    write_sums(folders, state)?;
    Ok(manifest)
}

/// Writes SHA256SUMS of a sealed campaign from what its journal cites: part of sealing, and repeated where
/// a crash came between the seal and the list.
///
/// # Errors
/// If a cited file is not what it was, or the list cannot be written.
pub fn write_sums(folders: &Folders, state: &State) -> Result<(), SealError> {
    let manifest = state
        .sealed()
        .ok_or(SealError::Incomplete { what: "seal" })?;
    let mut files = cited_files(folders, state)?;
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

/// Every file below the results folder that the journal cites, with its hash, checked.
fn cited_files(folders: &Folders, state: &State) -> Result<BTreeMap<String, Digest>, SealError> {
    let results = folders.results();
    let mut files = BTreeMap::new();
    let retired = state.retired().into_iter().flat_map(|run| run.attempts);
    let runs = (0..state.plan().runs.len()).flat_map(|run| state.history(run));
    for cited in runs.chain(retired).filter_map(|attempt| attempt.result) {
        files.extend(check_result(folders, &cited)?);
        files.insert(cited.path, cited.sha256);
    }
    for experiment in &state.plan().experiments {
        let assessed = state.quality(&experiment.hash);
        if let Some(cited) = assessed.and_then(|assessed| assessed.file.clone()) {
            check_file(folders, &cited)?;
            files.insert(cited.path, cited.sha256);
        }
    }
    let fingerprint = state
        .fingerprint()
        .ok_or(SealError::Incomplete { what: "campaign" })?;
    let inputs = fingerprint
        .catalogues
        .values()
        .chain(fingerprint.prompts.values());
    let experiments = state.plan().experiments.iter();
    let scores = experiments.flat_map(|experiment| state.scores(&experiment.hash));
    let scores = scores.map(|scores| &scores.sha256);
    for digest in inputs.chain([&fingerprint.file_sha256]).chain(scores) {
        let path = format!("inputs/{digest}");
        if Digest::of(&read_bounded(&results.join(&path), MAX_FILE_BYTES)?) != *digest {
            return Err(SealError::Altered {
                path: results.join(path),
            });
        }
        files.insert(path, *digest);
    }
    Ok(files)
}

/// The files that a result names: all that its check needs, so that one of another layout is no altered one.
#[derive(Deserialize)]
struct Named {
    record: RecordFile,
    energy: Option<NamedByEnergy>,
}

#[derive(Deserialize)]
struct NamedByEnergy {
    readings: Option<RecordFile>,
}

/// The bytes of a file that the journal cites, if they are what was cited.
///
/// # Errors
/// [`SealError::Altered`] if they are not, [`SealError::Store`] if it cannot be read.
pub fn check_file(folders: &Folders, cited: &ResultFile) -> Result<Vec<u8>, SealError> {
    let path = folders.results().join(&cited.path);
    let plain = |part: camino::Utf8Component<'_>| matches!(part, camino::Utf8Component::Normal(_));
    if !camino::Utf8Path::new(&cited.path).components().all(plain) {
        return Err(SealError::Altered { path });
    }
    let bytes = read_regular(&path, MAX_FILE_BYTES)?;
    match Digest::of(&bytes) == cited.sha256 {
        true => Ok(bytes),
        false => Err(SealError::Altered { path }),
    }
}

/// Checks a cited result and the files that it names; gives their paths and hashes.
///
/// # Errors
/// [`SealError::Altered`] for the file that is not what was cited.
pub fn check_result(
    folders: &Folders,
    cited: &ResultFile,
) -> Result<Vec<(String, Digest)>, SealError> {
    let altered = || SealError::Altered {
        path: folders.results().join(&cited.path),
    };
    let bytes = check_file(folders, cited)?;
    let result: Named = serde_json::from_slice(&bytes).map_err(|_| altered())?;
    let folder = cited.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let named = [
        (Some(&result.record), lem_protocol::RECORD_FILE),
        (
            result
                .energy
                .as_ref()
                .and_then(|energy| energy.readings.as_ref()),
            READINGS_FILE,
        ),
    ];
    let mut files = Vec::new();
    for (file, name) in named {
        let Some(file) = file else { continue };
        if file.file != name {
            return Err(altered());
        }
        let relative = format!("{folder}/{name}");
        let path = folders.results().join(&relative);
        if Digest::of(&read_regular(&path, MAX_FILE_BYTES)?) != file.sha256 {
            return Err(SealError::Altered { path });
        }
        files.push((relative, file.sha256));
    }
    Ok(files)
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
