//! From a measured window to files: the record's copy, the result beside it, and the verdict.

use std::collections::BTreeMap;

use super::RunnerError;
use super::attempt::Measured;
use super::gpu_energy::Observed;
use super::models::recorded;
use super::session::Runner;
use super::window_notes::{flops, headline, load_seconds, too_short, warmup_marks};
use crate::campaign::{BaselinePolicy, Profiler};
use crate::clock::timestamp;
use crate::containers::ContainerEngine;
use crate::energy::split::PhaseEnergy;
use crate::energy::{
    Baseline, BaselineEvidence, RejectReason, Ruling, RunEvidence, SloFigures, Throttle, codes,
    judge_run, slo_figures,
};
use crate::execution::{Cause, Figures, Reason, ResultFile, Verdict};
use crate::manifest::{
    BaselineNote, EnergyNote, GpuNote, READINGS_FILE, RESULT_FILE, RESULT_SCHEMA_VERSION,
    RecordFile, RunResult, Split, WarmupNote, changes, identities,
};
use crate::store::{Folders, StoreError, make_within, sync_folder, write_durable};
use crate::telemetry::ReadCode;
use crate::units::Digest;

/// What the journal is told of a result on disk.
pub(super) struct Stored {
    pub(super) verdict: Verdict,
    pub(super) file: ResultFile,
    pub(super) headline: Figures,
    pub(super) simulated: bool,
}

impl<E: ContainerEngine> Runner<E> {
    /// Writes record and result; both are on disk when this returns.
    pub(super) fn store(
        &mut self,
        run: usize,
        attempt: u32,
        measured: Measured,
    ) -> Result<Stored, RunnerError> {
        let id = self.opened.planned.plan.runs[run].id.clone();
        let results = self.opened.folders.results();
        let path = Folders::attempt(&id, attempt);
        let folder = results.join(&path);
        make_within(&results, path.as_str().into())?;
        let bytes = measured.collected.bytes.clone();
        let (result, readings) = self.result(run, attempt, measured);
        let headline = headline(&result);
        let verdict = result.verdict.clone();
        let mut text = serde_json::to_vec_pretty(&result).map_err(|error| StoreError {
            action: "encode",
            path: folder.join(RESULT_FILE),
            source: std::io::Error::other(error),
        })?;
        text.push(b'\n');
        write_durable(&folder.join(lem_protocol::RECORD_FILE), &bytes)?;
        if let Some(readings) = &readings {
            write_durable(&folder.join(READINGS_FILE), readings)?;
        }
        write_durable(&folder.join(RESULT_FILE), &text)?;
        for entry in [&folder, &results.join(&id), &results] {
            sync_folder(entry)?;
        }
        let sizes = [
            bytes.len(),
            text.len(),
            readings.map_or(0, |file| file.len()),
        ];
        let written = sizes.iter().sum::<usize>() as u64;
        self.largest_run = self.largest_run.max(written.saturating_mul(2));
        if let Some(loaded) = &mut self.engine {
            loaded.runs += 1;
        }
        Ok(Stored {
            verdict,
            file: ResultFile {
                path: format!("{path}/{RESULT_FILE}"),
                sha256: Digest::of(&text),
            },
            headline,
            simulated: result.simulated,
        })
    }

    fn result(&self, run: usize, attempt: u32, measured: Measured) -> (RunResult, Option<Vec<u8>>) {
        let plan = &self.opened.planned.plan;
        let campaign = &self.opened.planned.campaign;
        let experiment = plan.experiment_of(run);
        let seen = self.seen(&measured);
        let ruling = self.judged(&measured, &seen);
        let slo = self.slo(&measured);
        let changed_parameters = changes(&measured.record.requested, &measured.record.effective);
        let loaded = self.engine.as_ref();
        let mut flags = Vec::new();
        if !changed_parameters.is_empty() {
            flags.push(codes::PARAMETERS_CHANGED.to_owned());
        }
        if measured.record.backend_version != experiment.backend_version {
            flags.push(codes::BACKEND_VERSION_DIFFERS.to_owned());
        }
        let profiled = campaign.execution.profile != Profiler::Off;
        if profiled {
            flags.push(codes::PROFILED.to_owned());
        }
        flags.extend(ruling.flags);
        if measured.leak.leak.is_some() {
            flags.push(codes::GPU_MEMORY_LEAKED.to_owned());
        }
        let mut reasons: Vec<Reason> = ruling
            .reasons
            .into_iter()
            .map(|RejectReason { code, message }| Reason { code, message })
            .collect();
        let stranger = measured.leak.stranger.as_ref();
        // The readings may have told of a lost GPU already.
        let news = |cause: &&Cause| reasons.iter().all(|reason| reason.code != cause.code);
        if let Some(stranger) = stranger.filter(news) {
            reasons.push(Reason {
                code: stranger.code.clone(),
                message: stranger.message.clone(),
            });
        }
        if let Some(what) = &measured.disturbed {
            let message = format!("while it was measured, this was done to its container: {what}");
            reasons.push(Reason {
                code: codes::CONTAINER_DISTURBED.to_owned(),
                message,
            });
        }
        let verdict = if reasons.is_empty() {
            Verdict::Accepted
        } else {
            Verdict::Rejected { reasons }
        };
        let Measured {
            collected,
            record,
            figures,
            gap,
            warmup,
            leak,
            ..
        } = measured;
        let flops = flops(
            &record,
            &figures,
            campaign,
            loaded.map(|loaded| &loaded.report),
        );
        let model = recorded(&self.opened.state, &experiment.backend);
        let result = RunResult {
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
            effective: record.effective,
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
            environment_hash: self
                .setting
                .environment_hash(&campaign.gpus, model.as_ref()),
            model,
            record: RecordFile {
                file: lem_protocol::RECORD_FILE.to_owned(),
                bytes: collected.bytes.len() as u64,
                sha256: collected.sha256,
            },
            load_marks: loaded
                .map(|loaded| loaded.report.marks.clone())
                .unwrap_or_default(),
            load_seconds: loaded.and_then(|loaded| load_seconds(&loaded.report.marks)),
            load: loaded.map_or(plan.runs[run].load, |loaded| loaded.load),
            runs_before_on_load: loaded.map_or(0, |loaded| loaded.runs),
            gap,
            warmup: warmup.map(|warmup| WarmupNote {
                marks: warmup_marks(&record.marks),
                ..warmup
            }),
            flops,
            profile: record.profile.filter(|_| profiled),
            figures,
            slo,
            simulated: seen.simulated,
            energy: seen.energy,
            throttling: seen.throttling,
            split: Split {
                token_timing: record.token_timing,
                energy: seen.split,
            },
            baseline: seen.baseline,
            leak_check: leak.note,
            environment_drift: seen.drift,
            flags,
            verdict,
        };
        (result, seen.readings)
    }

    /// What the host's sensors say of the window.
    fn seen(&self, measured: &Measured) -> Seen {
        let campaign = &self.opened.planned.campaign;
        let rules = campaign.rules.energy_rules();
        let power = self.setting.power.as_ref();
        let Some(observed) = Observed::of(measured, power, &self.bare, rules) else {
            let reason = super::idle::NO_GPU;
            return Seen {
                simulated: false,
                energy: EnergyNote::none(reason),
                throttling: Vec::new(),
                baseline: BaselineNote {
                    reasons: vec![reason.to_owned()],
                    ..BaselineNote::default()
                },
                split: BTreeMap::new(),
                drift: Vec::new(),
                readings: None,
            };
        };
        let mut baseline = observed.baseline();
        if campaign.baseline == BaselinePolicy::Off {
            baseline
                .reasons
                .push("the campaign asks for none".to_owned());
        }
        let mut energy = observed.energy(&measured.record, &measured.figures, &baseline);
        let readings = match observed.recording.encode() {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                energy.reason.get_or_insert(error.to_string());
                None
            }
        };
        energy.readings = readings.as_ref().map(|bytes| RecordFile {
            file: READINGS_FILE.to_owned(),
            bytes: bytes.len() as u64,
            sha256: Digest::of(bytes),
        });
        Seen {
            simulated: observed.recording.library.simulated,
            throttling: observed.throttling(&measured.figures),
            split: observed.split(&measured.record, &baseline),
            drift: self.setting.drift(),
            energy,
            baseline,
            readings,
        }
    }

    /// How the window kept the campaign's service level, if it has one.
    fn slo(&self, measured: &Measured) -> Option<SloFigures> {
        let slo = self.opened.planned.campaign.slo?;
        Some(slo_figures(&measured.record, &measured.figures, slo))
    }

    /// The rules of a run, applied.
    fn judged(&self, measured: &Measured, seen: &Seen) -> Ruling {
        let campaign = &self.opened.planned.campaign;
        let BaselineNote { before, after, .. } = &seen.baseline;
        let around: Vec<(Baseline, Baseline)> = before
            .iter()
            .filter_map(|first| {
                let again = after.iter().find(|again| again.gpu == first.gpu)?;
                Some((first.clone(), again.clone()))
            })
            .collect();
        let notes = &seen.energy.gpus;
        let xids: Vec<(String, u64)> = notes
            .iter()
            .flat_map(|note| note.xid.iter().map(|event| (event.gpu.clone(), event.xid)))
            .collect();
        let lost = |note: &&GpuNote| {
            let mut errors = note.errors.values();
            errors.any(|error| error.first.code == ReadCode::GpuLost)
        };
        let lost_gpus: Vec<String> = notes
            .iter()
            .filter(lost)
            .map(|note| note.gpu.clone())
            .collect();
        let missing = seen.baseline.reasons.join("; ");
        judge_run(
            &RunEvidence {
                energy: seen.energy.window.as_ref(),
                figures: identities(&measured.figures, &seen.energy, &seen.baseline),
                throttles: &seen.throttling,
                warmup: measured.warmup.as_ref().map(|warmup| warmup.ended),
                strict: campaign.warmup.strict,
                gap: Some(measured.gap.ended),
                baseline: BaselineEvidence {
                    required: campaign.baseline == BaselinePolicy::Required,
                    missing: seen.baseline.resident_watts.is_none().then_some(&*missing),
                    around: &around,
                },
                window_too_short: too_short(&measured.figures, measured.record.arrival),
                xids: &xids,
                lost_gpus: &lost_gpus,
                environment_drift: &seen.drift,
                simulated: seen.simulated,
                saturated: measured
                    .figures
                    .open_loop
                    .is_some_and(|open| open.saturated == Some(true)),
                latencies_incomplete: measured
                    .figures
                    .open_loop
                    .is_some_and(|open| open.without_latency > 0),
                slo_missed: self.slo(measured).is_some_and(|slo| !slo.kept),
                parent_gpu: notes.iter().any(|note| note.scope_warning.is_some()),
            },
            &campaign.rules,
        )
    }
}

/// What the host's sensors say of one window.
struct Seen {
    simulated: bool,
    energy: EnergyNote,
    throttling: Vec<Throttle>,
    baseline: BaselineNote,
    split: BTreeMap<String, PhaseEnergy>,
    drift: Vec<String>,
    /// The readings file.
    readings: Option<Vec<u8>>,
}
