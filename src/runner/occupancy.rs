//! Who holds the campaign's GPUs: what our containers leave over is swept and their container made anew; a
//! stranger's process is named, stops the campaign, and is never touched.
//!
//! What is a leak is judged in `energy`; whose a process is, in `telemetry`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::RunnerError;
use super::agent;
use super::engines::seconds;
use super::power::Power;
use super::session::Runner;
use crate::containers::ContainerEngine;
use crate::energy::{LeakVerdict, Occupant, OccupantOwner, Occupied};
use crate::execution::{Blame, Cause, FOREIGN_PROCESS, GPU_LOST};
use crate::manifest::LeakNote;
use crate::telemetry::{Occupancy, OwnedProcess, Owner, ReadCode, observe};
use crate::units::Digest;

/// How often it is looked whether memory has come back.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a look between two runs found, and what follows.
#[derive(Debug)]
pub(super) struct Between {
    /// For the result.
    pub(super) note: LeakNote,
    /// Our own leak: why the container must be made anew.
    pub(super) leak: Option<String>,
    /// What stops the campaign: a stranger, or a GPU that is lost.
    pub(super) stranger: Option<Cause>,
}

/// What an ended worker left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Too much, in words.
    pub(super) leak: Option<String>,
    /// How long it took until its memory was back, and what each GPU holds beside what it held when it was empty. Null
    /// without a GPU.
    pub(super) memory: Value,
}

/// What the GPUs held while a load was resident, and which experiments have run on it.
#[derive(Debug, Default)]
pub(super) struct Resident {
    level: Vec<Occupied>,
    experiments: BTreeSet<Digest>,
}

impl<E: ContainerEngine> Runner<E> {
    /// Refuses to go on beside somebody else's process.
    pub(super) async fn strangers(&self) -> Result<(), Cause> {
        let Some(power) = &self.setting.power else {
            return Ok(());
        };
        if let Some(lost) = lost(power) {
            return Err(lost);
        }
        let (ours, deadline) = (self.our_containers(), self.leak_deadline());
        let rule = self.opened.planned.campaign.leaks.rule(&ours);
        loop {
            let seen: Vec<(String, Occupant)> = occupied(power)
                .iter()
                .flat_map(|gpu| {
                    let strangers = rule.strangers(gpu).into_iter();
                    strangers.map(|stranger| (gpu.gpu.clone(), stranger))
                })
                .collect();
            if seen.is_empty() {
                return Ok(());
            }
            // A process that ends has no owner for a moment: that is no stranger yet.
            let sure =
                |(_, stranger): &(String, Occupant)| stranger.owner != OccupantOwner::Unknown;
            if seen.iter().any(sure) || tokio::time::Instant::now() >= deadline {
                return Err(foreign(&seen));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// At a container's start, before any worker: nobody else is there, and what earlier ones held is back.
    pub(super) async fn empty_gpus(&mut self) -> Result<(), Cause> {
        self.strangers().await?;
        let Some(power) = self.setting.power.clone() else {
            return Ok(());
        };
        let Some(empty) = &self.empty else {
            self.empty = Some(occupied(&power));
            return Ok(());
        };
        let verdicts = self.settle_to(&power, empty).await;
        match grown(&verdicts) {
            None => Ok(()),
            Some(what) => Err(Cause::new(
                Blame::Environment,
                "gpu_memory_left",
                format!(
                    "GPU memory did not come back to what it was at the session's start: {what}"
                ),
            )
            .hint(
                "nvidia-smi names who holds it; a driver that lost track of it needs a GPU reset",
            )),
        }
    }

    /// After a window: a living worker may hold no more than it did when it ran this experiment first.
    pub(super) async fn between_runs(&mut self, run: usize) -> Between {
        let Some(power) = self.setting.power.clone() else {
            return Between {
                note: LeakNote::none(super::idle::NO_GPU),
                leak: None,
                stranger: None,
            };
        };
        let experiment = self.opened.planned.plan.experiment_of(run).hash;
        // Engines keep what their largest batch needed: only growth in a repeated experiment is a leak, unless it
        // came with a process that the load did not have.
        if self.resident.experiments.insert(experiment) {
            self.raise_resident();
        }
        let verdicts = self.settle_to(&power, &self.resident.level).await;
        let stranger = foreigners(&verdicts).or_else(|| lost(&power));
        let leak = stranger.is_none().then(|| grown(&verdicts)).flatten();
        Between {
            note: LeakNote {
                gpus: verdicts.into_iter().collect(),
                reason: None,
            },
            leak,
            stranger,
        }
    }

    /// What the load now holds belongs to it, unless a process came with it that the load did not have.
    pub(super) fn raise_resident(&mut self) {
        let Some(power) = self.setting.power.clone() else {
            return;
        };
        let known = std::mem::take(&mut self.resident.level);
        let ours = self.our_containers();
        let rule = self.opened.planned.campaign.leaks.rule(&ours);
        let raise = |(before, now): (Occupied, Occupied)| match rule.judge(&before, &now) {
            LeakVerdict::Ours { occupants, .. } if !occupants.is_empty() => before,
            LeakVerdict::Foreign { .. } => before,
            LeakVerdict::Clean { .. } | LeakVerdict::Ours { .. } => Occupied {
                used_bytes: before.used_bytes.max(now.used_bytes),
                ..before
            },
        };
        self.resident.level = known.into_iter().zip(occupied(&power)).map(raise).collect();
    }

    /// After a load: which processes belong to it.
    pub(super) fn note_resident(&mut self) {
        let level = self.setting.power.as_ref().map(occupied);
        self.resident = Resident {
            level: level.unwrap_or_default(),
            experiments: BTreeSet::new(),
        };
    }

    /// After a worker has ended, before anything is swept: what of it is still there.
    pub(super) async fn after_worker(&self) -> Result<Left, Cause> {
        let (Some(power), Some(empty)) = (&self.setting.power, &self.empty) else {
            return Ok(Left::default());
        };
        let start = tokio::time::Instant::now();
        let verdicts = self.settle_to(power, empty).await;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(cause) = foreigners(&verdicts) {
            return Err(cause);
        }
        let mib = |gpu: &Occupied| gpu.used_bytes.map(|bytes| bytes >> 20);
        let now = occupied(power);
        let gpus = empty.iter().zip(&now).map(|(empty, now)| {
            json!({ "gpu": now.gpu, "used_mib": mib(now), "used_mib_when_empty": mib(empty) })
        });
        Ok(Left {
            leak: grown(&verdicts),
            memory: json!({ "seconds": seconds, "gpus": gpus.collect::<Vec<_>>() }),
        })
    }

    /// Sweeps the container that leaked and removes it: the next step that needs one starts another.
    pub(super) async fn make_anew(&mut self, backend: &str, what: &str) -> Result<(), RunnerError> {
        self.engine = None;
        if let Some(running) = self.containers.get(backend) {
            let id = running.id.clone();
            let swept = agent::sweep(&self.setting.engine, &id).await;
            let killed = swept.map_or(0, |report| report.swept);
            self.warn(format!(
                "leak on the GPU: {what}; {killed} processes swept, the container of {backend} is made anew"
            ));
        }
        self.drop_container(backend, &format!("gpu_memory_leaked: {what}"))
            .await
    }

    /// Looks until nothing is left above `reference`, or the campaign's deadline.
    async fn settle_to(&self, power: &Power, reference: &[Occupied]) -> Vec<(String, LeakVerdict)> {
        let (ours, deadline) = (self.our_containers(), self.leak_deadline());
        let rule = self.opened.planned.campaign.leaks.rule(&ours);
        loop {
            let now = occupied(power);
            let verdicts: Vec<(String, LeakVerdict)> = reference
                .iter()
                .zip(&now)
                .map(|(before, after)| (after.gpu.clone(), rule.judge(before, after)))
                .collect();
            let clean =
                |(_, verdict): &(String, LeakVerdict)| matches!(verdict, LeakVerdict::Clean { .. });
            if verdicts.iter().all(clean) || tokio::time::Instant::now() >= deadline {
                return verdicts;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn leak_deadline(&self) -> tokio::time::Instant {
        let length = seconds(self.opened.planned.campaign.leaks.deadline_seconds);
        tokio::time::Instant::now() + length.min(Duration::from_secs(3600))
    }

    /// Full ids of the campaign's containers.
    fn our_containers(&self) -> Vec<String> {
        self.containers
            .values()
            .map(|running| running.id.as_str().to_owned())
            .collect()
    }
}

/// What holds each GPU of the campaign now.
fn occupied(power: &Power) -> Vec<Occupied> {
    let look = |gpu: &String| plain(observe(&*power.telemetry, gpu));
    power.uuids().iter().map(look).collect()
}

/// The GPUs that answer nothing any more, as a cause.
fn lost(power: &Power) -> Option<Cause> {
    let is_lost = |gpu: &&String| {
        let read = power.telemetry.memory(gpu);
        read.is_err_and(|error| error.code == ReadCode::GpuLost)
    };
    let gpus: Vec<String> = power.uuids().iter().filter(is_lost).cloned().collect();
    let message = format!("the driver has lost {}", gpus.join(", "));
    let cause = Cause::new(Blame::Environment, GPU_LOST, message);
    (!gpus.is_empty()).then(|| {
        cause.hint("the kernel's log names the Xid; reset the GPU (nvidia-smi --gpu-reset) or reboot, then resume")
    })
}

/// The same in the words of the judge.
fn plain(seen: Occupancy) -> Occupied {
    let occupant = |OwnedProcess { process, owner }| {
        let (owner, command) = match owner {
            Owner::Container { id } => (OccupantOwner::Container(id), None),
            Owner::Host { command } => (OccupantOwner::Host, Some(command)),
            Owner::Unknown => (OccupantOwner::Unknown, None),
        };
        Occupant {
            pid: process.pid,
            owner,
            command,
            used_bytes: process.used_bytes,
        }
    };
    Occupied {
        gpu: seen.gpu,
        used_bytes: seen.used_bytes,
        occupants: seen.processes.into_iter().map(occupant).collect(),
    }
}

fn foreign(strangers: &[(String, Occupant)]) -> Cause {
    let named: Vec<String> = strangers
        .iter()
        .map(|(gpu, stranger)| format!("{} on {gpu}", stranger.describe()))
        .collect();
    Cause::new(
        Blame::Environment,
        FOREIGN_PROCESS,
        format!("somebody else uses the GPU: {}", named.join("; ")),
    )
    .hint("wait for it or end it, or name other GPUs in the campaign; lemctl leaves it alone")
}

fn foreigners(verdicts: &[(String, LeakVerdict)]) -> Option<Cause> {
    let strangers: Vec<(String, Occupant)> = verdicts
        .iter()
        .flat_map(|(gpu, verdict)| {
            let LeakVerdict::Foreign { occupants, .. } = verdict else {
                return Vec::new();
            };
            occupants
                .iter()
                .map(|one| (gpu.clone(), one.clone()))
                .collect()
        })
        .collect();
    (!strangers.is_empty()).then(|| foreign(&strangers))
}

/// What our own containers hold too much of, in words.
fn grown(verdicts: &[(String, LeakVerdict)]) -> Option<String> {
    let words: Vec<String> = verdicts
        .iter()
        .filter_map(|(gpu, verdict)| {
            let LeakVerdict::Ours {
                grown_mib,
                occupants,
            } = verdict
            else {
                return None;
            };
            let memory = grown_mib.map_or_else(
                || "unknown memory".to_owned(),
                |mib| format!("{mib:.0} MiB above the reference"),
            );
            let held: Vec<String> = occupants
                .iter()
                .map(|one| match one.used_bytes {
                    Some(bytes) => format!("{} holds {} MiB", one.describe(), bytes >> 20),
                    None => one.describe(),
                })
                .collect();
            let held = if held.is_empty() {
                String::new()
            } else {
                format!(" ({})", held.join(", "))
            };
            Some(format!("{memory} on {gpu}{held}"))
        })
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}
