//! Figures of the journal: cost of an append at the beginning and after 100,000 runs, replay of a journal of
//! 100,000 runs into a state. `cargo bench --bench journal`; with `-- --check`, exits 1 above the aims.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark reads the clock and prints"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use lemctl::clock::HostClock;
use lemctl::execution::{Decision, Event, ResultFile, State, Verdict, decide};
use lemctl::journal::{Journal, Lock, replay};
use lemctl::plan::{Plan, Step};
use lemctl::runner::{Planned, fingerprint};
use lemctl::units::Digest;

const CAMPAIGN: &str = "
campaign_name: bench
model: {random: {seed: 1}}
workload:
  synthetic: {input_tokens: 8, output_tokens: 4}
  arrival: batch
  measure: {min_seconds: 0, min_requests: 1}
grid:
  backends: [reference]
  shared: {batch_size: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], num_layers: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}
execution: {cycles: 1000}
";

struct NoFiles;

impl lemctl::campaign::PromptSource for NoFiles {
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

fn planned() -> Planned {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/catalogues/reference-0.1.0.json"
    );
    let catalogue = std::fs::read_to_string(path).unwrap();
    let catalogues = BTreeMap::from([("reference".to_owned(), catalogue)]);
    Planned::new("bench.yaml", CAMPAIGN, &catalogues, &NoFiles).unwrap()
}

fn figures() -> BTreeMap<String, f64> {
    let names = [
        "output_tokens_per_second",
        "requests_per_second",
        "window_seconds",
        "ttft_ms_p50",
        "ttft_ms_p99",
        "itl_ms_p50",
        "itl_ms_p99",
        "e2e_ms_p50",
    ];
    names
        .iter()
        .map(|name| ((*name).to_owned(), 1_234.567))
        .collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Runs the whole plan in memory and journals it: what a real campaign of 100,000 runs leaves.
fn write(plan: &Arc<Plan>, planned: &Planned, folder: &Utf8PathBuf) -> Vec<Duration> {
    let mut journal = Journal::create(folder, Lock::take(folder).unwrap()).unwrap();
    let mut state = State::new(plan.clone());
    let mut times = Vec::new();
    let mut record = |state: &mut State, event: Event| {
        state.apply(&event).unwrap();
        let begun = Instant::now();
        journal.append(&event, &HostClock).unwrap();
        times.push(begun.elapsed());
    };
    record(
        &mut state,
        Event::CampaignCreated(fingerprint(planned, "bench", "id")),
    );
    record(
        &mut state,
        Event::SessionStarted {
            session: 1,
            lemctl: "0".into(),
            boot_id: "b".into(),
            environment_hash: Digest::ZERO,
            environment: serde_json::Value::Null,
        },
    );
    loop {
        match decide(&mut state) {
            Decision::Finished => break,
            Decision::Skip { .. }
            | Decision::Retry { .. }
            | Decision::Assess { .. }
            | Decision::AddCycle { .. } => unreachable!("nothing fails"),
            Decision::Step(Step::Measure { run }) => {
                let id = plan.runs[run].id.clone();
                record(
                    &mut state,
                    Event::AttemptStarted {
                        run: id.clone(),
                        attempt: 1,
                    },
                );
                let result = Some(ResultFile {
                    path: format!("{id}/a1/result.json"),
                    sha256: Digest::of(id.as_bytes()),
                });
                let verdict = Verdict::Accepted;
                let figures = figures();
                record(
                    &mut state,
                    Event::AttemptEnded {
                        run: id,
                        attempt: 1,
                        verdict,
                        result,
                        figures,
                        simulated: false,
                    },
                );
            }
            Decision::Step(step) => {
                let step = plan.step_id(&step);
                record(&mut state, Event::StepStarted { step: step.clone() });
                record(
                    &mut state,
                    Event::StepDone {
                        step,
                        detail: serde_json::Value::Null,
                    },
                );
            }
        }
    }
    times
}

fn main() {
    let check = std::env::args().any(|argument| argument == "--check");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    let begun = Instant::now();
    let planned = planned();
    let plan = planned.plan.clone();
    println!(
        "planning {} runs: {:.3} s",
        plan.runs.len(),
        begun.elapsed().as_secs_f64()
    );

    let times = write(&plan, &planned, &path);
    let first = median(times[..10_000].to_vec());
    let last = median(times[times.len() - 10_000..].to_vec());
    let ratio = last.as_secs_f64() / first.as_secs_f64();
    println!("events appended, each synced: {}", times.len());
    println!(
        "append, median of the first 10,000: {:.1} us",
        first.as_secs_f64() * 1e6
    );
    println!(
        "append, median of the last 10,000:  {:.1} us (ratio {ratio:.2})",
        last.as_secs_f64() * 1e6
    );

    let mut best = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..5 {
        let mut state = State::new(plan.clone());
        let begun = Instant::now();
        let replayed = replay(&path, |entry| {
            state.apply(&entry.event).map_err(|error| error.to_string())
        });
        best = best.min(begun.elapsed());
        bytes = replayed.unwrap().bytes;
        assert_eq!(state.tally().accepted, plan.runs.len());
    }
    println!(
        "replay of {} runs ({} MB), best of 5: {:.3} s",
        plan.runs.len(),
        bytes / 1_000_000,
        best.as_secs_f64()
    );
    if check && (best > Duration::from_millis(500) || ratio > 1.5) {
        println!("above the aims: replay 0.5 s, ratio 1.5");
        std::process::exit(1);
    }
}
