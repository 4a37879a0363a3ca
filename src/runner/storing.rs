//! From a measured window to files: the record's copy, the result beside it, and the verdict.

use std::collections::BTreeMap;

use super::RunnerError;
use super::attempt::Measured;
use super::session::Runner;
use crate::campaign::BaselinePolicy;
use crate::clock::timestamp;
use crate::containers::ContainerEngine;
use crate::energy::{Convergence, WindowFigures, WindowKind};
use crate::execution::{Figures, Reason, ResultFile, Verdict};
use crate::manifest::{
    BaselineNote, LeakNote, RESULT_FILE, RESULT_SCHEMA_VERSION, RecordFile, RunResult, Split,
    changes,
};
use crate::store::{Folders, StoreError, sync_folder, write_durable};
use crate::units::Digest;

/// Why a result has no energy and a baseline no watts.
pub(super) const NO_POWER_SOURCE: &str =
    "no power source: this version of lemctl reads no power sensor";
/// Why nothing was checked for leaks.
const NO_GPU: &str = "the campaign names no GPU";

impl<E: ContainerEngine> Runner<E> {
    /// Writes record and result; both are on disk when this returns.
    pub(super) fn store(
        &mut self,
        run: usize,
        attempt: u32,
        measured: Measured,
    ) -> Result<(Verdict, ResultFile, Figures), RunnerError> {
        let id = self.opened.planned.plan.runs[run].id.clone();
        let results = self.opened.folders.results();
        let path = Folders::attempt(&id, attempt);
        let folder = results.join(&path);
        std::fs::create_dir_all(&folder).map_err(StoreError::at("make", &folder))?;
        let headline = headline(&measured.figures);
        let bytes = measured.collected.bytes.clone();
        let result = self.result(run, attempt, measured);
        let verdict = result.verdict.clone();
        let mut text = serde_json::to_vec_pretty(&result).map_err(|error| StoreError {
            action: "encode",
            path: folder.join(RESULT_FILE),
            source: std::io::Error::other(error),
        })?;
        text.push(b'\n');
        write_durable(&folder.join(lem_protocol::RECORD_FILE), &bytes)?;
        write_durable(&folder.join(RESULT_FILE), &text)?;
        for entry in [&folder, &results.join(&id), &results] {
            sync_folder(entry)?;
        }
        if let Some(loaded) = &mut self.engine {
            loaded.runs += 1;
        }
        let file = ResultFile {
            path: format!("{path}/{RESULT_FILE}"),
            sha256: Digest::of(&text),
        };
        Ok((verdict, file, headline))
    }

    fn result(&self, run: usize, attempt: u32, measured: Measured) -> RunResult {
        let plan = &self.opened.planned.plan;
        let campaign = &self.opened.planned.campaign;
        let experiment = plan.experiment_of(run);
        let Measured {
            collected,
            record,
            figures,
            gap_seconds,
            warmup,
        } = measured;
        let changed_parameters = changes(&record.requested, &record.effective);
        let loaded = self.engine.as_ref();
        let mut flags = Vec::new();
        if !changed_parameters.is_empty() {
            flags.push("parameters_changed".to_owned());
        }
        if record.backend_version != experiment.backend_version {
            flags.push("backend_version_differs".to_owned());
        }
        if warmup
            .as_ref()
            .is_some_and(|warmup| warmup.ended == Convergence::Capped)
        {
            flags.push("warmup_capped".to_owned());
        }
        if figures.window == WindowKind::WholeRun {
            flags.push("window_too_short".to_owned());
        }
        let mut reasons = Vec::new();
        if campaign.baseline == BaselinePolicy::Required {
            reasons.push(Reason {
                code: "baseline_missing".to_owned(),
                message: format!(
                    "the campaign requires a baseline and there is none: {NO_POWER_SOURCE}"
                ),
            });
        }
        let verdict = if reasons.is_empty() {
            Verdict::Accepted
        } else {
            Verdict::Rejected { reasons }
        };
        RunResult {
            schema_version: RESULT_SCHEMA_VERSION,
            lemctl: env!("CARGO_PKG_VERSION").to_owned(),
            campaign: self.opened.folders.campaign.clone(),
            campaign_id: self.opened.folders.id.clone(),
            run: plan.runs[run].id.clone(),
            attempt,
            session: self.opened.state.session(),
            ended_at: timestamp(self.setting.clock.wall()),
            experiment: experiment.id.clone(),
            experiment_hash: experiment.hash,
            config: experiment.canonical(),
            changed_parameters,
            backend_version: record.backend_version,
            packages: loaded
                .map(|loaded| loaded.hello.packages.clone())
                .unwrap_or_default(),
            device: record.device,
            weights: record.weights,
            model_parameters: loaded.map_or(0, |loaded| loaded.report.model_parameters),
            image: self
                .opened
                .state
                .images()
                .get(&experiment.backend)
                .cloned()
                .unwrap_or_default(),
            host: self.setting.host.id.clone(),
            environment_hash: self.setting.environment_hash(&campaign.gpus),
            record: RecordFile {
                file: lem_protocol::RECORD_FILE.to_owned(),
                bytes: collected.bytes.len() as u64,
                sha256: collected.sha256,
            },
            load_marks: loaded
                .map(|loaded| loaded.report.marks.clone())
                .unwrap_or_default(),
            load: loaded.map_or(plan.runs[run].load, |loaded| loaded.load),
            runs_before_on_load: loaded.map_or(0, |loaded| loaded.runs),
            gap_seconds,
            warmup,
            figures,
            energy_joules: None,
            energy_reason: Some(NO_POWER_SOURCE.to_owned()),
            split: Split {
                token_timing: record.token_timing,
            },
            baseline: BaselineNote {
                resident_watts: None,
                reason: Some(match campaign.baseline {
                    BaselinePolicy::Off => "the campaign asks for none".to_owned(),
                    BaselinePolicy::Optional | BaselinePolicy::Required => {
                        NO_POWER_SOURCE.to_owned()
                    }
                }),
            },
            leak_check: LeakNote {
                gpus: Vec::new(),
                reason: Some(NO_GPU.to_owned()),
            },
            flags,
            verdict,
        }
    }
}

/// The figures that tables, journal and manifest carry; the unit is in the name.
fn headline(figures: &WindowFigures) -> Figures {
    let latency = |value: Option<f64>| value.filter(|value| value.is_finite());
    let all = [
        (
            "output_tokens_per_second",
            Some(figures.output_tokens_per_second),
        ),
        ("requests_per_second", Some(figures.requests_per_second)),
        ("window_seconds", Some(figures.seconds)),
        ("ttft_ms_p50", latency(figures.ttft.map(|ttft| ttft.p50_ms))),
        ("ttft_ms_p99", latency(figures.ttft.map(|ttft| ttft.p99_ms))),
        ("itl_ms_p50", latency(figures.itl.map(|itl| itl.p50_ms))),
        ("itl_ms_p99", latency(figures.itl.map(|itl| itl.p99_ms))),
        ("e2e_ms_p50", latency(figures.e2e.map(|e2e| e2e.p50_ms))),
    ];
    let named = all
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    named.collect::<BTreeMap<_, _>>()
}
