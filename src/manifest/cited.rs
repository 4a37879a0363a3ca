//! The files that a journal cites, held against their hashes: results with what they name, quality records, inputs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::READINGS_FILE;
use super::quality::quality_record;
use super::run_result::RecordFile;
use super::seal::{MAX_FILE_BYTES, SealError};
use crate::campaign::Campaign;
use crate::execution::{ResultFile, State};
use crate::store::{Folders, read_bounded, read_regular};
use crate::units::Digest;

/// Every file below the results folder that the seal stands for, with its hash, checked. A quality record that the
/// manifest does not rest on (other prompts, quality that is off by now) is none of them: it may be gone.
pub(super) fn cited_files(
    folders: &Folders,
    campaign: &Campaign,
    state: &State,
) -> Result<BTreeMap<String, Digest>, SealError> {
    let results = folders.results();
    let mut files = BTreeMap::new();
    let retired = state.retired().into_iter().flat_map(|run| run.attempts);
    let runs = (0..state.plan().runs.len()).flat_map(|run| state.history(run));
    for cited in runs.chain(retired).filter_map(|attempt| attempt.result) {
        files.extend(check_result(folders, &cited)?);
        files.insert(cited.path, cited.sha256);
    }
    for experiment in &state.plan().experiments {
        if let Some(cited) = quality_record(campaign, state, &experiment.hash) {
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
