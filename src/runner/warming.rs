//! Work that is not measured: warming up until throughput, power and, if asked for, temperature have settled,
//! and warming again after an idle baseline.

use std::time::Duration;

use lem_protocol::{Outcome, Request, Work};

use super::attempt::Halt;
use super::engines::{seconds, unexpected};
use super::session::Runner;
use super::talk::Go;
use crate::campaign::Experiment;
use crate::containers::ContainerEngine;
use crate::energy::{Convergence, Iteration, PowerTrend, mean_watts};
use crate::manifest::WarmupNote;
use crate::telemetry::{GpuRecording, Sampler};
use crate::worker::Limit;

/// Most iterations of one warm-up: all of them stand in the result.
const MAX_ITERATIONS: usize = 10_000;
/// How often the trend of the power is looked at: every look copies what was recorded so far.
const TREND_EVERY: Duration = Duration::from_secs(1);

impl<E: ContainerEngine> Runner<E> {
    pub(super) async fn warm_up(
        &mut self,
        experiment: &Experiment,
        name: &str,
        work: &Work,
        sampler: Option<&Sampler>,
    ) -> Result<WarmupNote, Halt> {
        let campaign = self.opened.planned.campaign.clone();
        let policy = &campaign.warmup;
        let rule = policy.rule();
        // By lemctl's own clock: what the worker says of its time must not keep it warming for ever.
        let cap = Limit::from_now(seconds(policy.max_seconds));
        let start_ns = self.setting.clock.monotonic_ns();
        let mut series = Vec::new();
        let mut trend = sampler.map(|_| PowerTrend {
            relative: None,
            temperature_span_celsius: None,
        });
        let mut look = Limit::from_now(TREND_EVERY);
        loop {
            series.push(self.iteration(experiment, name, work).await?);
            if let Some(sampler) = sampler
                && look.has_passed()
            {
                trend = self.trend(sampler, start_ns, policy.power_window_seconds);
                look = Limit::from_now(TREND_EVERY);
            }
            let ended = match rule.judge(&series, trend.as_ref()) {
                Convergence::NotYet if cap.has_passed() || series.len() >= MAX_ITERATIONS => {
                    Convergence::Capped
                }
                Convergence::NotYet => continue,
                ended => ended,
            };
            return Ok(WarmupNote {
                ended,
                criteria: rule.criteria(&series, trend.as_ref()),
                series,
                marks: Vec::new(),
            });
        }
    }

    /// Keeps the GPUs busy for as long as the campaign asks for after an idle baseline.
    pub(super) async fn warm_again(
        &mut self,
        experiment: &Experiment,
        name: &str,
        work: &Work,
    ) -> Result<(), Halt> {
        let length = seconds(self.opened.planned.campaign.energy.rewarm_seconds);
        if length.is_zero() {
            return Ok(());
        }
        let enough = Limit::from_now(length);
        while !enough.has_passed() {
            self.iteration(experiment, name, work).await?;
        }
        Ok(())
    }

    async fn iteration(
        &mut self,
        experiment: &Experiment,
        name: &str,
        work: &Work,
    ) -> Result<Iteration, Halt> {
        let timeouts = &self.opened.planned.campaign.execution.timeouts;
        let limit = seconds(timeouts.warmup_seconds);
        let request = Request::Warmup(work.clone());
        let (outcome, _) = self
            .converse(experiment, name, request, limit, Go::Never)
            .await?;
        match outcome {
            Outcome::Warmup {
                output_tokens,
                elapsed_ns,
            } => Ok(Iteration {
                output_tokens,
                elapsed_ns,
            }),
            other => Err(self.failed(experiment, &unexpected("warmup", &other)).await),
        }
    }

    /// How the power of the GPUs moved since the warm-up began; none if no GPU's power can be read.
    fn trend(&self, sampler: &Sampler, start_ns: u64, window_seconds: f64) -> Option<PowerTrend> {
        let now_ns = self.setting.clock.monotonic_ns();
        let of = |gpu: &GpuRecording| {
            let (power, temperature) = series(gpu, start_ns);
            (!power.is_empty())
                .then(|| PowerTrend::of(&power, &temperature, window_seconds, now_ns))
        };
        let trends: Vec<PowerTrend> = sampler.recording().gpus.iter().filter_map(of).collect();
        PowerTrend::worst(&trends)
    }
}

type Series = Vec<(u64, f64)>;

/// Power, between the counter's steps where there are any, and temperature, both since `start_ns`.
fn series(gpu: &GpuRecording, start_ns: u64) -> (Series, Series) {
    let steps: Vec<(u64, u64)> = gpu
        .readings
        .counter
        .iter()
        .filter(|edge| edge.before_ns >= start_ns)
        .map(|edge| {
            let middle = edge.before_ns / 2 + edge.after_ns / 2;
            (middle, edge.millijoules)
        })
        .collect();
    let mut power = mean_watts(&steps);
    if power.is_empty() {
        let average = gpu.readings.average.iter();
        power = average
            .filter(|reading| reading.at_ns >= start_ns)
            .map(|reading| (reading.at_ns, reading.watts))
            .collect();
    }
    let temperature = gpu
        .states
        .iter()
        .filter(|reading| reading.at_ns >= start_ns)
        .filter_map(|reading| {
            let celsius = reading.state.temperature_celsius?;
            Some((reading.at_ns, f64::from(celsius)))
        })
        .collect();
    (power, temperature)
}
