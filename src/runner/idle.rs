//! Times at which nothing is asked of the GPUs: the baselines `bare` (once a container, before any worker) and
//! `resident` (after every load, which gaps then compare with, and around every window).
//!
//! What a baseline is worth is judged in `energy`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::attempt;
use super::engines::seconds;
use super::session::{Halt, Runner};
use crate::containers::ContainerEngine;
use crate::energy::{Baseline, BaselineRequest, GapReading, IdleState};
use crate::execution::{Blame, Cause};
use crate::plan::BaselineState;
use crate::telemetry::{GpuRecording, Recording};

/// Why a baseline has no watts where the campaign names no GPU.
pub(super) const NO_GPU: &str = "the campaign names no GPU";

/// From when to when nothing was asked, CLOCK_MONOTONIC ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// The idle spans around a window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around {
    pub(super) before: Option<Span>,
    pub(super) after: Option<Span>,
}

impl<E: ContainerEngine> Runner<E> {
    /// Lets the GPUs settle, then leaves them idle for the length of a baseline.
    pub(super) async fn stay_idle(&mut self) -> Result<Span, attempt::Halt> {
        let policy = self.opened.planned.campaign.energy;
        self.rest(policy.settle_seconds).await?;
        let start_ns = self.setting.clock.monotonic_ns();
        self.rest(policy.baseline_seconds).await?;
        let end_ns = self.setting.clock.monotonic_ns();
        Ok(Span { start_ns, end_ns })
    }

    async fn rest(&mut self, length: f64) -> Result<(), attempt::Halt> {
        tokio::select! {
            () = self.setting.stop.wait() => Err(attempt::Halt::Interrupted),
            () = tokio::time::sleep(seconds(length)) => Ok(()),
        }
    }

    /// The step that takes a baseline: what the session keeps of it is the bare power, and after a load what
    /// gaps compare with.
    pub(super) async fn take_baseline(&mut self, state: BaselineState) -> Result<Value, Halt> {
        let Some(power) = self.setting.power.clone() else {
            return Ok(json!({ "watts": null, "reason": NO_GPU }));
        };
        self.strangers().await?;
        let sampler = power.sample(super::power::FINE_SECONDS)?;
        let span = match self.stay_idle().await {
            Ok(span) => span,
            Err(_) => {
                let message = "a stop was asked for while a baseline was taken";
                return Err(Cause::new(Blame::Worker, "interrupted", message).into());
            }
        };
        let recording = sampler.stop();
        let (baselines, reasons) = baselines(&recording, state, span);
        if state == BaselineState::Bare {
            self.bare = baselines.clone();
        } else {
            self.reference = references(&baselines);
        }
        let total: f64 = baselines.iter().map(|baseline| baseline.watts).sum();
        let watts = reasons.is_empty().then_some(total);
        Ok(json!({ "watts": watts, "gpus": baselines, "reasons": reasons }))
    }
}

/// One baseline per GPU, and why a GPU has none.
pub(super) fn baselines(
    recording: &Recording,
    state: BaselineState,
    span: Span,
) -> (Vec<Baseline>, Vec<String>) {
    let (mut taken, mut reasons) = (Vec::new(), Vec::new());
    for gpu in &recording.gpus {
        match baseline(gpu, state, span) {
            Ok(one) => taken.push(one),
            Err(reason) => reasons.push(reason),
        }
    }
    (taken, reasons)
}

fn baseline(gpu: &GpuRecording, state: BaselineState, span: Span) -> Result<Baseline, String> {
    let states = gpu.states.iter();
    let temperature: Vec<(u64, f64)> = states
        .clone()
        .filter_map(|read| Some((read.at_ns, f64::from(read.state.temperature_celsius?))))
        .collect();
    let sm_clock: Vec<(u64, f64)> = states
        .filter_map(|read| Some((read.at_ns, f64::from(read.state.sm_clock_mhz?))))
        .collect();
    Baseline::of(&BaselineRequest {
        state: match state {
            BaselineState::Bare => IdleState::Bare,
            BaselineState::Resident => IdleState::Resident,
        },
        start_ns: span.start_ns,
        end_ns: span.end_ns,
        readings: &gpu.readings,
        temperature: &temperature,
        sm_clock: &sm_clock,
    })
}

/// What gaps compare with, by GPU; a GPU whose temperature could not be read has none.
fn references(baselines: &[Baseline]) -> BTreeMap<String, GapReading> {
    let of = |baseline: &Baseline| {
        let reading = GapReading {
            temperature_celsius: baseline.temperature_celsius?,
            watts: baseline.watts,
        };
        Some((baseline.gpu.clone(), reading))
    };
    baselines.iter().filter_map(of).collect()
}
