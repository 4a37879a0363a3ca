//! Which source a window's energy comes from, and what the others say of it.

use super::absolute::absolute;
use super::counter::{CounterEnergy, counter_energy};
use super::fallback::{GAP_PERIODS, Wave, wave_energy};
use super::{GpuEnergy, Source, WindowRequest};
use crate::energy::aliasing::{Coherence, Sight, apparent_alias, coherence, load_period};
use crate::energy::integrate::integrate;
use crate::energy::interval::{Mixture, Part};
use crate::energy::readings::PowerReading;
use crate::energy::sensor::SourceTraits;
use crate::energy::waveform::{Point, Stamps, even_run, waveform};

/// The energy of a window. Never panics: energy that cannot be had is None with its reason.
///
/// Sources in order: counter, buffer of samples, average power, instantaneous power. Instantaneous power is refused
/// for a load that is coherent with the sensor: it can be off by more than the energy itself.
#[must_use]
pub fn window_energy(request: &WindowRequest<'_>) -> GpuEnergy {
    let mut found = GpuEnergy::nothing(&request.readings.gpu, request.seconds());
    if found.seconds <= 0.0 {
        found.reason = Some("window_empty: it ends before it begins".into());
        return found;
    }
    let readings = request.readings;
    let wave = |list: &[PowerReading], stamps, traits: &SourceTraits| {
        waveform(list, request.start_ns, stamps, traits)
    };
    let samples = wave(&readings.samples, Stamps::Made, &request.sensor.samples);
    found.describe(request, &samples);
    let by_samples = wave_energy(
        request,
        &Wave {
            points: &samples,
            traits: &request.sensor.samples,
            partial: false,
        },
    );
    found.waveform_joules = by_samples.as_ref().ok().map(Mixture::mean);
    let mut periods = request.load_periods_ns.to_vec();
    let seen = even_run(&samples, 0.0, found.seconds);
    periods.extend(
        seen.and_then(|(watts, step)| load_period(&watts, step))
            .map(|s| s * 1e9),
    );

    let counter = if readings.counter.is_empty() {
        Err("counter_missing: it was not read".into())
    } else {
        counter_energy(request, &samples)
    };
    let mut refused = Vec::new();
    match counter {
        Ok(CounterEnergy {
            energy,
            source,
            period,
            flags,
        }) => {
            found.flags.extend(flags);
            found.coherence = worst(&periods, period * 1e9, found.seconds, Sight::Accumulating);
            found.take(source, &energy, request);
            found.reconcile(request);
            return found;
        }
        Err(reason) => refused.push(("counter", reason)),
    }
    let traits = &request.sensor.samples;
    found.coherence = worst(
        &periods,
        request.sensor.counter.update_period_ns.value,
        found.seconds,
        Sight::Accumulating,
    );
    match by_samples {
        Ok(energy) if !readings.samples.is_empty() && traits.update_period_ns.value > 0.0 => {
            found.fall(refused);
            found.take(Source::Samples, &energy, request);
            return found;
        }
        Ok(_) => {}
        Err(reason) => refused.push(("samples", missing_or(&readings.samples, reason))),
    }
    let average = wave(&readings.average, Stamps::Polled, &request.sensor.average);
    let by_average = wave_energy(
        request,
        &Wave {
            points: &average,
            traits: &request.sensor.average,
            partial: false,
        },
    );
    match by_average {
        Ok(energy) => {
            found.fall(refused);
            found.flags.push("average_power_lags".into());
            found.take(Source::Average, &energy, request);
            return found;
        }
        Err(reason) => refused.push(("average", missing_or(&readings.average, reason))),
    }
    match instant(
        request,
        &wave(&readings.instant, Stamps::Polled, &request.sensor.instant),
        &periods,
    ) {
        Ok((energy, beat)) => {
            found.coherence = beat;
            found.fall(refused);
            found.flags.push("instant_power_undersampled".into());
            found.take(Source::Instant, &energy, request);
        }
        Err((reason, beat)) => {
            found.coherence = beat.or(found.coherence);
            refused.push(("instant", missing_or(&readings.instant, reason)));
            found.reason = refused
                .first()
                .map(|(source, reason)| format!("{reason} ({source})"));
            found.fall(refused);
        }
    }
    found
}

/// Energy by instantaneous power, unless the load is coherent with it: by its known periods, or by its log alone.
fn instant(
    request: &WindowRequest<'_>,
    points: &[Point],
    periods: &[f64],
) -> Result<(Mixture, Option<Coherence>), (String, Option<Coherence>)> {
    let traits = &request.sensor.instant;
    let update = traits.update_period_ns.value;
    let partial = traits.averaging_window_ns.value < 0.9 * update;
    let known = worst(periods, update, request.seconds(), Sight::Partial);
    let beat = known
        .filter(|found| found.coherent)
        .or_else(|| apparent_alias(&request.readings.instant, request.start_ns, request.end_ns));
    if let Some(beat) = beat.filter(|_| partial) {
        let reason = format!(
            "load_coherent_with_sensor: a load of {:.1} ms against updates of {:.1} ms",
            beat.load_period_ns / 1e6,
            beat.update_period_ns / 1e6
        );
        return Err((reason, Some(beat)));
    }
    wave_energy(
        request,
        &Wave {
            points,
            traits,
            partial,
        },
    )
    .map(|energy| (energy, known))
    .map_err(|reason| (reason, known))
}

/// The period that beats worst with the sensor: a coherent one with the largest term, else the first.
fn worst(periods: &[f64], update_ns: f64, seconds: f64, sight: Sight) -> Option<Coherence> {
    let judged = periods
        .iter()
        .filter_map(|period| coherence(*period, update_ns, seconds * 1e9, sight));
    judged.reduce(|a, b| if b.term > a.term { b } else { a })
}

fn missing_or(readings: &[PowerReading], reason: String) -> String {
    if readings.is_empty() {
        "samples_missing: it was not read".into()
    } else {
        reason
    }
}

impl GpuEnergy {
    /// Power inside, by the waveform.
    fn describe(&mut self, request: &WindowRequest<'_>, samples: &[Point]) {
        let period = request.sensor.samples.update_period_ns.value / 1e9;
        if let Some(inside) = integrate(samples, 0.0, self.seconds, GAP_PERIODS * period) {
            self.waveform_max_watts = Some(inside.max_watts);
            self.waveform_min_watts = Some(inside.min_watts);
        }
    }

    /// Why better sources were not used.
    fn fall(&mut self, refused: Vec<(&str, String)>) {
        self.fallbacks = refused
            .into_iter()
            .map(|(source, reason)| format!("{source}: {reason}"))
            .collect();
    }

    /// Takes an energy, with what a coherent load adds to it.
    fn take(&mut self, source: Source, energy: &Mixture, request: &WindowRequest<'_>) {
        let joules = energy.mean();
        if !joules.is_finite() {
            self.reason = Some("readings_senseless: the energy is no finite number".into());
            return;
        }
        let beat = self.coherence.filter(|found| found.coherent);
        let aliased;
        let energy = match beat {
            Some(beat) => {
                self.flags.push("load_coherent_with_sensor".into());
                aliased = energy.blurred((beat.term * joules).powi(2));
                &aliased
            }
            None => energy,
        };
        self.source = source;
        self.joules = Some(joules);
        self.mean_watts = Some(joules / self.seconds);
        self.timing = energy.interval();
        self.timing_sd_joules = Some(energy.variance().sqrt());
        if let Some(found) = absolute(energy, self.seconds, request.gain) {
            self.absolute_joules = Some(found.joules);
            self.absolute = Some(found.interval);
            self.absolute_sd_joules = Some(found.sd_joules);
        } else {
            self.flags.push("gain_senseless".into());
        }
    }

    /// Compares counter and waveform. That they agree is consistency, not validation: they share a sensor.
    fn reconcile(&mut self, request: &WindowRequest<'_>) {
        let (Some(counter), Some(wave)) = (self.joules, self.waveform_joules) else {
            return;
        };
        if counter <= 0.0 {
            return;
        }
        let disagreement = (counter - wave).abs() / counter;
        self.disagreement = Some(disagreement);
        let long = self.seconds >= request.rules.agreement_min_seconds;
        if long && disagreement > request.rules.source_agreement {
            self.flags.push("energy_sources_disagree".into());
        }
    }
}

impl Mixture {
    /// With an independent normal error of that variance added.
    fn blurred(&self, variance: f64) -> Self {
        Self::of(self.parts().iter().map(|part| Part {
            variance: part.variance + variance,
            ..*part
        }))
    }
}
