//! A journal: bytes → events → state → the next decision, and what is printed of it.
//!
//! The bytes are read twice: as they are, and again with the chain mended, so that a change of an event comes as far
//! as the transition function. There the campaign's creation stands before the first line.

use std::sync::Arc;

use camino::Utf8PathBuf;
use lemctl::execution::{Event, State, decide};
use lemctl::journal::{FILE, Head, JournalError};
use lemctl::manifest::{over_cycles, validate};
use lemctl::report::{experiment_lines, standing, status_text, status_view, validation_text, why};
use lemctl::runner::{Planned, RunnerError, fingerprint, replayed};
use lemctl::store::{Folders, Inputs};
use serde_json::{Value, json};

use crate::campaigns;

/// The campaign whose journal it is: two engines, and it may grow.
pub const TEXT: &str = "
campaign_name: fuzzed
model: {random: {seed: 1}}
workload:
  synthetic: {input_tokens: 4, output_tokens: 3, prompts: 4}
  arrival: batch
  measure: {min_seconds: 0.5, min_requests: 2}
grid:
  backends: [reference]
  shared: {num_layers: [1, 2], batch_size: [1]}
execution: {cycles: auto, config_gap_seconds: 0, cycle_gap_seconds: 0}
warmup: {min_iterations: 2, max_seconds: 5}
baseline: off
";
/// Its id.
pub const ID: &str = "20261124T120000Z-000000";

/// The campaign on disk, without a journal.
pub struct Bench {
    pub folders: Folders,
    pub planned: Planned,
    created: Event,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let (folder, root) = super::scratch();
        let catalogues = [("reference".to_owned(), campaigns::REFERENCE.to_owned())].into();
        let prompts = campaigns::Prompts::default();
        let planned = Planned::new("fuzzed.yaml", TEXT, &catalogues, &prompts).unwrap();
        let folders = Folders::new(&root, "fuzzed", ID);
        std::fs::create_dir_all(folders.results()).unwrap();
        let texts = planned.catalogues.values().map(String::as_bytes);
        Inputs::new(folders.inputs())
            .keep(texts.chain([TEXT.as_bytes()]))
            .unwrap();
        let created = Event::CampaignCreated(fingerprint(&planned, "fuzzed", ID));
        Self {
            folders,
            planned,
            created,
            _folder: folder,
        }
    }

    pub fn journal(&self) -> Utf8PathBuf {
        self.folders.results().join(FILE)
    }

    /// Does something with this thread's bench.
    pub fn with<T>(each: impl FnOnce(&Self) -> T) -> T {
        thread_local! {
            static BENCH: Bench = Bench::new();
        }
        BENCH.with(each)
    }

    /// The lines as a whole chain, the creation first; what is no event stays as it is.
    pub fn chained(&self, bytes: &[u8]) -> Vec<u8> {
        let mut chain = Vec::new();
        let mut head = Head::EMPTY;
        let created = json!({"event": self.created}).to_string();
        for line in std::iter::once(created.as_bytes()).chain(bytes.split(|byte| *byte == b'\n')) {
            if line.is_empty() {
                continue;
            }
            let mended = serde_json::from_slice::<Value>(line)
                .ok()
                .and_then(|mut value| {
                    let map = value.as_object_mut()?;
                    map.insert("seq".to_owned(), json!(head.events + 1));
                    map.insert("prev".to_owned(), json!(head.sha256));
                    map.entry("at")
                        .or_insert_with(|| json!("2026-11-24T12:00:00.000Z"));
                    serde_json::to_vec(&value).ok()
                })
                .unwrap_or_else(|| line.to_vec());
            head = head.after(&mended);
            chain.extend_from_slice(&mended);
            chain.push(b'\n');
        }
        chain
    }
}

/// The longest whole beginning of a chain that is replayed: what a program that died there left.
fn longest(bench: &Bench, chain: &[u8]) -> Option<(Planned, State)> {
    std::fs::write(bench.journal(), chain).unwrap();
    let error = match replayed(&bench.folders) {
        Ok((planned, state, _)) => return Some((planned, state)),
        Err(error) => error,
    };
    let RunnerError::Journal(JournalError::Damaged { line, .. }) = error else {
        return None;
    };
    let lines: Vec<&[u8]> = chain.split_inclusive(|byte| *byte == b'\n').collect();
    let at = usize::try_from(line).ok()?;
    let whole = lines.get(..at.saturating_sub(1))?.concat();
    std::fs::write(bench.journal(), whole).unwrap();
    let (planned, state, _) = replayed(&bench.folders).ok()?;
    Some((planned, state))
}

pub fn run(bytes: &[u8]) {
    Bench::with(|bench| {
        std::fs::write(bench.journal(), bytes).unwrap();
        let _ = replayed(&bench.folders).map_err(|error| error.to_string());
        let chain = bench.chained(bytes);
        let Some((planned, mut state)) = longest(bench, &chain) else {
            return;
        };
        let rules = planned.campaign.rules;
        let runs = state.plan().runs.len();
        let tally = state.tally();
        let together = tally.due + tally.accepted + tally.rejected + tally.failed + tally.skipped;
        assert_eq!(together, runs, "every run stands somewhere, once");
        if let Ok(validation) = validate(&bench.folders, &state, &rules) {
            let _ = validation_text(&validation);
        }
        for run in 0..runs {
            let _ = (standing(&state, run, false), why(&state, run, None));
        }
        let _ = experiment_lines(&state, over_cycles(&state, &rules));
        let _ = status_text(&status_view(&state, over_cycles(&state, &rules), false));
        let _ = decide(&mut state);
        // The same state under a plan that it was not made for.
        let mut moved = state.migrate(Arc::new(bench.planned.plan.grown()));
        let _ = decide(&mut moved);
    });
}
