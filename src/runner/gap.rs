//! The gap before a run: idle until the GPUs are back where they were in the same state, with a floor and a cap.
//! When that is so is judged in `energy`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::attempt::Halt;
use super::session::Runner;
use crate::containers::ContainerEngine;
use crate::energy::{GapReading, GapSeries, GapState};
use crate::execution::{Notice, Phase};
use crate::manifest::{GapGpu, GapNote};

/// How often it is looked whether the gap is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl<E: ContainerEngine> Runner<E> {
    /// Waits before `run`, telling how long is left of the floor.
    pub(super) async fn gap(&mut self, run: usize) -> Result<GapNote, Halt> {
        let planned = self.opened.planned.plan.runs[run].gap_seconds;
        let wanted = self.opened.state.longer_gap(run).unwrap_or(0.0);
        let floor = planned.max(wanted);
        let rule = self.opened.planned.campaign.execution.gap.rule(floor);
        let mut note = GapNote {
            floor_seconds: rule.floor_seconds,
            seconds: 0.0,
            ended: GapState::Settled,
            gpus: Vec::new(),
        };
        if rule.floor_seconds == 0.0 {
            // Nothing ran just before: the engine has been loaded, or the campaign asks for no gap.
            return Ok(note);
        }
        self.phase(run, Phase::Gap);
        let start = tokio::time::Instant::now();
        let mut series: BTreeMap<String, GapSeries> = BTreeMap::new();
        loop {
            note.seconds = start.elapsed().as_secs_f64();
            // Looked at from the start: whether a GPU moves is seen over time.
            note.gpus = self.gap_readings();
            let mut states = vec![rule.judge(note.seconds, None, None, false)];
            for gpu in &note.gpus {
                let series = series.entry(gpu.gpu.clone()).or_default();
                series.push(note.seconds, gpu.reading);
                states.push(rule.judge(note.seconds, gpu.reading, gpu.reference, series.flat()));
            }
            note.ended = GapState::of_all(states);
            if note.ended != GapState::Wait {
                return Ok(note);
            }
            let left = (rule.floor_seconds - note.seconds).max(0.0);
            self.tell(&Notice::GapLeft { seconds: left });
            let pause = if left > 0.0 {
                LOOK_EVERY.min(super::engines::seconds(left))
            } else {
                LOOK_EVERY
            };
            tokio::select! {
                () = self.setting.stop.wait() => return Err(Halt::Interrupted),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What each GPU reads now, beside its reference.
    fn gap_readings(&self) -> Vec<GapGpu> {
        let Some(power) = &self.setting.power else {
            return Vec::new();
        };
        let read = |gpu: String| {
            let temperature = power.telemetry.state(&gpu).value.temperature_celsius;
            let watts = power.telemetry.power_average_watts(&gpu).ok();
            let reading = temperature.zip(watts).map(|(celsius, watts)| GapReading {
                temperature_celsius: f64::from(celsius),
                watts,
            });
            GapGpu {
                reference: self.reference.get(&gpu).copied(),
                reading,
                gpu,
            }
        };
        power.uuids().into_iter().map(read).collect()
    }
}
