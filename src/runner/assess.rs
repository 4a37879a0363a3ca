//! Asking an experiment's engine for its quality: once, after its first accepted run, outside of any window. What the
//! answers are worth is judged in `quality`; what has no record keeps a reason.

use lem_protocol::{Assess, Outcome, QUALITY_FILE, QualityRecord, Request, Weights};

use super::RunnerError;
use super::attempt::Halt;
use super::engines::{seconds, unexpected};
use super::session::Runner;
use super::talk::Go;
use crate::containers::ContainerEngine;
use crate::execution::{Assessed, Blame, Cause, Event, Phase, ResultFile, RunStatus};
use crate::manifest::check_file;
use crate::quality::{Quality, QualityStatus, check, codes, judge};
use crate::store::{Folders, StoreError, read_regular, sync_folder, write_durable};
use crate::units::Digest;
use crate::worker::{collect_quality, printable};

impl<E: ContainerEngine> Runner<E> {
    /// Asks the loaded engine for the quality of the experiment of `run`, which was accepted on one like it. No
    /// trouble with it touches the run's verdict.
    pub(super) async fn assess(&mut self, run: usize) -> Result<(), RunnerError> {
        let attempt = self.opened.state.attempts(run);
        let weights = self.weights(run)?;
        let experiment = self.opened.planned.plan.experiment_of(run).hash;
        let id = self.opened.planned.plan.runs[run].id.clone();
        let assessed = |file: Option<ResultFile>, prompts: Digest, quality: Quality| {
            let (run, attempt) = (id.clone(), attempt);
            Event::QualityAssessed {
                experiment,
                assessed: Assessed {
                    run,
                    attempt,
                    prompts,
                    file,
                    quality,
                },
            }
        };
        let prompts = self.opened.planned.campaign.quality.prompts.digest;
        if weights != Weights::Real {
            let message =
                format!("the worker says that its weights are {weights:?}").to_lowercase();
            let quality = Quality::not_assessed(codes::WEIGHTS, message);
            return self.record(assessed(None, prompts, quality));
        }
        self.phase(run, Phase::Assess);
        let backend = self.opened.planned.plan.experiment_of(run).backend.clone();
        match self.ask(run, attempt).await {
            Ok((file, record)) => {
                self.raise_resident();
                let quality = self.judged_quality(&experiment, &record);
                self.record(assessed(Some(file), prompts, quality))?;
                if self.reference_experiment() == Some(experiment) {
                    self.judge_again()?;
                }
                Ok(())
            }
            Err(Halt::Interrupted) => self.end_worker(&backend, "a stop was asked for").await,
            Err(Halt::Failed { cause, keep_worker }) => {
                let cause = self.or_of_disk(cause);
                // Nothing was found out: it stays to be asked, and the session ends in order.
                if cause.is_of_disk() {
                    return self.trip(&cause);
                }
                let code = match cause.code.as_str() {
                    "record_invalid" => codes::RECORD_INVALID,
                    _ if cause.blame == Blame::Config => codes::ASSESS_REFUSED,
                    _ if cause.blame == Blame::Environment => codes::ASSESS_LOST,
                    _ => codes::ASSESS_FAILED,
                };
                let quality = Quality::not_assessed(code, cause.to_string());
                self.record(assessed(None, prompts, quality))?;
                if cause.blame == Blame::Environment && cause.code == "container_lost" {
                    self.drop_container(&backend, &cause.message).await?;
                } else if !keep_worker {
                    self.end_worker(&backend, &cause.to_string()).await?;
                }
                self.trip(&cause)
            }
            Err(Halt::Fatal(error)) => Err(error),
        }
    }

    /// What the worker said of its weights when it measured `run`.
    fn weights(&self, run: usize) -> Result<Weights, RunnerError> {
        #[derive(serde::Deserialize)]
        struct Said {
            weights: Weights,
        }
        let RunStatus::Ended {
            result: Some(cited),
            ..
        } = self.opened.state.status(run)
        else {
            return Ok(Weights::Real);
        };
        let bytes = check_file(&self.opened.folders, cited)?;
        // The file is what lemctl wrote; one of another layout tells nothing against its weights.
        Ok(serde_json::from_slice::<Said>(&bytes).map_or(Weights::Real, |said| said.weights))
    }

    /// The request, its outcome, and the record: copied, checked and on disk when this returns.
    async fn ask(&mut self, run: usize, attempt: u32) -> Result<(ResultFile, QualityRecord), Halt> {
        let plan = self.opened.planned.plan.clone();
        let campaign = self.opened.planned.campaign.clone();
        let experiment = plan.experiment_of(run);
        let prompts = &campaign.quality.prompts;
        let id = &plan.runs[run].id;
        let name = format!("{id}.a{attempt}");
        let broken = |what: String| Halt::Failed {
            cause: Cause::new(
                Blame::Worker,
                "record_invalid",
                format!("the worker's quality record does not hold: {what}"),
            ),
            keep_worker: false,
        };
        let gone = || broken("its container is gone".to_owned());
        let running = self.containers.get(&experiment.backend).ok_or_else(gone)?;
        running
            .live
            .offer_file(&prompts.file_name(), &prompts.bytes)?;
        // A worker that is asked again may have left half a record.
        running.live.clear(&name);
        let workload = prompts.digest.to_string();
        let request = Request::Assess(Assess {
            workload: workload.clone(),
        });
        let limit = seconds(campaign.execution.timeouts.measure_seconds);
        let (outcome, _) = self
            .converse(experiment, &name, request, limit, Go::Never)
            .await?;
        let Outcome::Assess { sha256, .. } = outcome else {
            return Err(self
                .failed(experiment, &unexpected("assess", &outcome))
                .await);
        };
        let running = self.containers.get(&experiment.backend).ok_or_else(gone)?;
        let collected = collect_quality(&running.live.outbox, &name)
            .map_err(|error| broken(error.to_string()))?;
        if collected.sha256.to_string() != sha256 {
            return Err(broken(format!(
                "its SHA-256 is {}, the worker said {}",
                collected.sha256,
                printable(sha256.as_bytes())
            )));
        }
        let record = check(&collected.bytes, &name, &workload, &prompts.asked).map_err(broken)?;
        running.live.clear(&name);
        let path = format!("{}/{QUALITY_FILE}", Folders::attempt(id, attempt));
        let target = self.opened.folders.results().join(&path);
        write_durable(&target, &collected.bytes)?;
        if let Some(folder) = target.parent() {
            sync_folder(folder)?;
        }
        let file = ResultFile {
            path,
            sha256: collected.sha256,
        };
        Ok((file, record))
    }

    /// At a session's start, and once the reference is known: every experiment that was asked, judged by the
    /// campaign's present words. What comes out as before is not told again.
    pub(super) fn judge_again(&mut self) -> Result<(), RunnerError> {
        let campaign = self.opened.planned.campaign.clone();
        if campaign.unassessed().is_some() {
            return Ok(());
        }
        let plan = self.opened.planned.plan.clone();
        // The reference first: the others are held against it.
        let reference = self.reference_experiment();
        let others = plan.experiments.iter().map(|experiment| experiment.hash);
        let others = others.filter(|hash| Some(*hash) != reference);
        for experiment in reference.into_iter().chain(others) {
            let Some(known) = self.opened.state.quality(&experiment).cloned() else {
                continue;
            };
            if known.file.is_none() || known.prompts != campaign.quality.prompts.digest {
                continue;
            }
            let mut now = known.clone();
            match self.quality_record(&known) {
                Ok(record) => now.quality = self.judged_quality(&experiment, &record),
                Err(what) => {
                    self.warn(format!(
                        "the quality record of {} counts no more: {what}",
                        known.run
                    ));
                    now.file = None;
                    now.quality = Quality::not_assessed(codes::RECORD_INVALID, what);
                }
            }
            if now != known {
                self.record(Event::QualityAssessed {
                    experiment,
                    assessed: now,
                })?;
            }
        }
        Ok(())
    }

    fn reference_experiment(&self) -> Option<Digest> {
        let experiments = &self.opened.planned.plan.experiments;
        let campaign = &self.opened.planned.campaign;
        // That it names one was checked when the file was read.
        campaign.quality_reference(experiments).ok().flatten()
    }

    /// The record of an experiment on disk, if it is still what the journal cites.
    fn quality_record(&self, known: &Assessed) -> Result<QualityRecord, String> {
        let Some(file) = &known.file else {
            return Err("there is none".to_owned());
        };
        let prompts = &self.opened.planned.campaign.quality.prompts;
        let path = self.opened.folders.results().join(&file.path);
        let bytes = read_regular(&path, lem_protocol::MAX_QUALITY_BYTES)
            .map_err(|error: StoreError| error.to_string())?;
        if Digest::of(&bytes) != file.sha256 {
            return Err(format!("{path} is not the file that the journal cites"));
        }
        let attempt = format!("{}.a{}", known.run, known.attempt);
        check(
            &bytes,
            &attempt,
            &prompts.digest.to_string(),
            &prompts.asked,
        )
    }

    fn judged_quality(&self, experiment: &Digest, record: &QualityRecord) -> Quality {
        let gate = &self.opened.planned.campaign.quality;
        let (asked, limits) = (&gate.prompts.asked, gate.policy.limits());
        let alone = judge(record, asked, None, limits);
        let reference = self.reference_experiment();
        let judged = match reference {
            Some(reference) if reference == *experiment => alone,
            Some(reference) => match self.sound_reference(&reference) {
                Ok(reference) => judge(record, asked, Some(&reference), limits),
                Err((code, message)) => sound_at_most(alone, code, message),
            },
            None => {
                let message = "sound by itself, and the campaign names no experiment to hold it against (`quality.reference`)";
                sound_at_most(alone, codes::NO_REFERENCE, message.to_owned())
            }
        };
        Quality {
            reference,
            ..judged
        }
    }

    /// What the reference made of the prompts; else code and message of why nothing can be held against it.
    fn sound_reference(&self, reference: &Digest) -> Result<QualityRecord, (&'static str, String)> {
        let known = self.opened.state.quality(reference);
        let Some(known) = known.filter(|known| known.file.is_some()) else {
            let message = "the reference experiment has no record yet";
            return Err((codes::REFERENCE_MISSING, message.to_owned()));
        };
        if known.quality.status == QualityStatus::Failed {
            let message = format!("the reference experiment is {}", known.quality.line());
            return Err((codes::REFERENCE_FAILED, message));
        }
        self.quality_record(known)
            .map_err(|what| (codes::REFERENCE_MISSING, what))
    }
}

/// What fails by itself fails beside any reference; what does not is unknown without one.
fn sound_at_most(alone: Quality, code: &str, message: String) -> Quality {
    match alone.status {
        QualityStatus::Failed => alone,
        QualityStatus::Passed | QualityStatus::NotAssessed => Quality {
            seen: alone.seen,
            ..Quality::not_assessed(code, message)
        },
    }
}
