//! From a campaign on disk to the lines that `results` prints. What is in the files is not trusted: bounded,
//! and only shown where its hash is the one that the journal cites.

use serde::Deserialize;
use serde_json::{Map, Value};

use lem_protocol::Arrival;

use crate::campaign::Campaign;
use crate::execution::{Figures, ResultFile, RunStatus, State};
use crate::manifest::{over_cycles, quality};
use crate::quality::Quality;
use crate::report::{Best, Candidate, ResultLine, attempt_lines, standing};
use crate::store::{Folders, read_regular};
use crate::units::Digest;

/// Largest result file that is read, in bytes: they are some ten kilobytes; readings and records lie beside them.
pub(super) const MAX_RESULT_BYTES: u64 = 64 * 1024 * 1024;

/// Why a result file gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is not there.
    Absent,
    /// It is not what the journal cites.
    Altered,
}

impl Lost {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Altered => "altered",
        }
    }
}

/// The bytes of a result, if they are what was cited.
pub(super) fn bytes(folders: &Folders, cited: &ResultFile) -> Result<Vec<u8>, Lost> {
    let path = camino::Utf8Path::new(&cited.path);
    let plain = |part: camino::Utf8Component<'_>| matches!(part, camino::Utf8Component::Normal(_));
    if !path.components().all(plain) {
        return Err(Lost::Altered);
    }
    let read = read_regular(&folders.results().join(path), MAX_RESULT_BYTES);
    let bytes = read.map_err(|error| match error.source.kind() {
        std::io::ErrorKind::NotFound => Lost::Absent,
        _ => Lost::Altered,
    })?;
    match Digest::of(&bytes) == cited.sha256 {
        true => Ok(bytes),
        false => Err(Lost::Altered),
    }
}

/// A result as a value: whatever this version of lemctl knows of its layout.
pub(super) fn value(bytes: &[u8]) -> Result<Map<String, Value>, Lost> {
    serde_json::from_slice(bytes).map_err(|_| Lost::Altered)
}

/// What a line takes from a result file.
#[derive(Debug, Default, Deserialize)]
struct Glance {
    #[serde(default)]
    flags: Vec<String>,
}

/// A run's line. `live` says whether a lemctl works on the campaign now.
pub(super) fn line(
    folders: &Folders,
    campaign: &Campaign,
    state: &State,
    run: usize,
    live: bool,
) -> ResultLine {
    let planned = &state.plan().runs[run];
    let (verdict, why) = standing(state, run, live);
    let (result, figures) = match state.status(run) {
        RunStatus::Ended {
            result, figures, ..
        } => (result.clone(), figures.clone()),
        RunStatus::Due | RunStatus::Running => (None, Figures::new()),
    };
    let glance = result.as_ref().map(|cited| -> Result<Glance, Lost> {
        serde_json::from_slice(&bytes(folders, cited)?).map_err(|_| Lost::Altered)
    });
    let (flags, file) = match glance {
        Some(Ok(glance)) => (glance.flags, None),
        Some(Err(lost)) => (Vec::new(), Some(lost.word())),
        None => (Vec::new(), None),
    };
    let made = state.made(run);
    ResultLine {
        run: planned.id.clone(),
        experiment: state.plan().experiment_of(run).id.clone(),
        cycle: planned.cycle,
        verdict,
        why,
        quality: quality(campaign, state, &state.plan().experiment_of(run).hash)
            .status
            .word(),
        simulated: made.map(|made| made.simulated),
        engine_load: made.map(|made| made.engine_load),
        attempts: state.attempts(run),
        history: attempt_lines(state, run),
        figures,
        flags,
        result,
        file,
    }
}

/// The campaign's best experiment.
pub(super) fn best(campaign: &Campaign, state: &State) -> Best {
    let cycles = over_cycles(state, &campaign.rules);
    let experiments = &state.plan().experiments;
    let qualities: Vec<Quality> = experiments
        .iter()
        .map(|experiment| quality(campaign, state, &experiment.hash))
        .collect();
    let together = experiments.iter().zip(&cycles).zip(&qualities);
    Best::of(together.map(|((experiment, cycles), quality)| Candidate {
        experiment: &experiment.id,
        cycles,
        quality,
        open_loop: matches!(experiment.workload.arrival, Arrival::OpenLoop { .. }),
    }))
}
