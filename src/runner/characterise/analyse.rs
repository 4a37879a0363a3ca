//! From what was read and what ran to findings: which readings of which phase go to which estimator.

use crate::energy::sensor::{
    Agreement, Block, Estimate, Finding, Gain, IdleKind, IdleState, KnownLoad, Observation,
    SENSOR_FILE_VERSION, SensorFile, agreement, calibrate, difference, response, steady,
    update_period,
};
use crate::energy::{CounterEdge, PowerReading};

use super::phases::{Phases, Stretch};
use super::watch::Watched;

/// Shortest stretch over which sources are compared, ns.
const LEAST_COMPARED_NS: u64 = 5_000_000_000;
/// A poll this many times as late as a prompt one (the first quarter) tells little about when a value changed; but
/// at least half of them are taken.
const LATE: u64 = 2;
/// Above it the load was two levels of power, whatever limit it may have touched.
const WELL_EXPLAINED: f64 = 0.98;
/// Clock event reasons under which a load is not two levels of power: software power cap, hardware slowdown,
/// software thermal, hardware thermal, power brake.
const LIMITED: u64 = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

/// All findings. What names the GPU and the moment is the caller's to fill in.
pub(super) fn analyse(watched: &Watched, phases: &Phases) -> SensorFile {
    let refused = |call: &str| {
        let errors = watched
            .errors
            .iter()
            .filter(|error| error.call.contains(call));
        errors.map(ToString::to_string).collect::<Vec<_>>()
    };
    let instant = changes(&watched.instant, phases.fields);
    let average = changes(&watched.average, phases.fields);
    let samples = stamped(
        &watched.readings.samples,
        (phases.fields.0, phases.counter.1),
    );
    let (counter_times, counter) = counted(&watched.readings.counter, phases.counter);
    let mut file = SensorFile {
        schema_version: SENSOR_FILE_VERSION,
        gpu: String::new(),
        name: String::new(),
        driver_version: String::new(),
        simulated: false,
        measured_at: String::new(),
        lemctl_version: env!("CARGO_PKG_VERSION").to_owned(),
        phase_seconds: 0.0,
        counter: finding(&counter_times, &counter, &phases.load, refused("energy")),
        samples: finding(&times(&samples), &samples, &phases.load, refused("samples")),
        average: finding(&times(&average), &average, &phases.load, refused("average")),
        instant: finding(&times(&instant), &instant, &phases.load, refused("instant")),
        idle: Vec::new(),
        context_above_bare_watts: None,
        agreement: Vec::new(),
        gain: None,
        remarks: Vec::new(),
    };
    let period_ns = file.counter.update_period_ns;
    let stretches = phases.stretches.iter();
    file.idle = stretches
        .filter_map(|stretch| idle(watched, period_ns, stretch))
        .collect();
    let watts = |kind| {
        file.idle
            .iter()
            .find(|idle| idle.state == kind)
            .map(|idle| idle.watts)
    };
    file.context_above_bare_watts = watts(IdleKind::Bare)
        .zip(watts(IdleKind::Context))
        .map(|(bare, context)| difference(bare, context));
    let long = phases
        .stretches
        .iter()
        .filter(|stretch| stretch.end_ns - stretch.start_ns >= LEAST_COMPARED_NS);
    file.agreement = long
        .filter_map(|stretch| compared(watched, period_ns, stretch))
        .collect();
    let sources = [&file.counter, &file.samples, &file.average, &file.instant];
    let explained = sources.iter().filter_map(|found| found.explained);
    if explained.fold(1.0, f64::min) < WELL_EXPLAINED {
        file.remarks.extend(limited(watched, phases));
    }
    file
}

/// Gain and offset from the meter's readings beside all steady stretches.
pub(super) fn gain(
    watched: &Watched,
    phases: &Phases,
    period_ns: Option<Estimate>,
    meter: &[PowerReading],
    file: &str,
) -> Result<Gain, String> {
    let stretches = phases.stretches.iter();
    let blocks: Vec<Block> = stretches
        .filter_map(|stretch| {
            steady(
                &watched.readings,
                period_ns,
                stretch.start_ns,
                stretch.end_ns,
            )
        })
        .flat_map(|(_, _, blocks)| blocks)
        .collect();
    calibrate(&blocks, meter, file)
}

fn finding(
    times_ns: &[f64],
    readings: &[Observation],
    load: &KnownLoad,
    mut reasons: Vec<String>,
) -> Finding {
    let period = update_period(times_ns);
    let response = response(readings, load);
    reasons.extend(
        period
            .as_ref()
            .err()
            .map(|reason| format!("update period: {reason}")),
    );
    reasons.extend(
        response
            .as_ref()
            .err()
            .map(|reason| format!("window and latency: {reason}")),
    );
    let response = response.ok();
    Finding {
        update_period_ns: period.ok(),
        averaging_window_ns: response.map(|found| found.window_ns),
        latency_ns: response.map(|found| found.latency_ns),
        readings: response.map_or(0, |found| found.readings),
        explained: response.map(|found| found.explained),
        reasons,
    }
}

fn times(readings: &[Observation]) -> Vec<f64> {
    readings
        .iter()
        .map(|reading| (reading.before_ns as f64 + reading.after_ns as f64) / 2.0)
        .collect()
}

/// Changes inside, without those that a late poll blurred.
fn changes(seen: &[Observation], (start_ns, end_ns): (u64, u64)) -> Vec<Observation> {
    let inside = |change: &&Observation| change.before_ns >= start_ns && change.after_ns <= end_ns;
    let mut widths: Vec<u64> = seen
        .iter()
        .filter(inside)
        .map(|change| change.after_ns - change.before_ns)
        .collect();
    widths.sort_unstable();
    let quantile = |parts: usize| widths.get(widths.len() / parts).copied().unwrap_or(0);
    let widest = (LATE * quantile(4)).max(quantile(2));
    let sharp = |change: &&Observation| change.after_ns - change.before_ns <= widest;
    seen.iter().filter(inside).filter(sharp).copied().collect()
}

/// Samples inside, each at its stamp.
fn stamped(samples: &[PowerReading], (start_ns, end_ns): (u64, u64)) -> Vec<Observation> {
    let inside = samples
        .iter()
        .filter(|sample| (start_ns..=end_ns).contains(&sample.at_ns));
    inside
        .map(|sample| Observation {
            before_ns: sample.at_ns,
            after_ns: sample.at_ns,
            watts: sample.watts,
        })
        .collect()
}

/// Steps of the counter inside: their moments, and the mean power between neighbours. The time between two steps
/// is taken from the update period, since the moment of a single step is blurred by the length of a call.
fn counted(edges: &[CounterEdge], (start_ns, end_ns): (u64, u64)) -> (Vec<f64>, Vec<Observation>) {
    let steps: Vec<Observation> = edges
        .iter()
        .map(|edge| Observation {
            before_ns: edge.before_ns,
            after_ns: edge.after_ns,
            watts: edge.millijoules as f64,
        })
        .collect();
    let steps = changes(&steps, (start_ns, end_ns));
    let moments = times(&steps);
    let Ok(period) = update_period(&moments) else {
        return (moments, Vec::new());
    };
    let mut readings = Vec::new();
    for (pair, at) in steps.windows(2).zip(moments.windows(2)) {
        let periods = ((at[1] - at[0]) / period.value).round();
        let energy = pair[1].watts - pair[0].watts;
        // Over several periods it is another window, and a counter that went backwards was reset.
        if periods == 1.0 && energy >= 0.0 {
            readings.push(Observation {
                watts: energy * 1e6 / period.value,
                ..pair[1]
            });
        }
    }
    (moments, readings)
}

fn idle(watched: &Watched, period_ns: Option<Estimate>, stretch: &Stretch) -> Option<IdleState> {
    let (state, held_bytes) = stretch.idle?;
    let (source, watts, _) = steady(
        &watched.readings,
        period_ns,
        stretch.start_ns,
        stretch.end_ns,
    )?;
    let last = watched
        .states
        .iter()
        .rev()
        .find(|(at_ns, _)| *at_ns <= stretch.end_ns);
    Some(IdleState {
        state,
        held_bytes,
        watts,
        source,
        sm_clock_mhz: last.and_then(|(_, state)| state.sm_clock_mhz),
        temperature_celsius: last.and_then(|(_, state)| state.temperature_celsius),
        seconds: stretch.seconds(),
    })
}

fn compared(
    watched: &Watched,
    period_ns: Option<Estimate>,
    stretch: &Stretch,
) -> Option<Agreement> {
    Some(Agreement {
        load: stretch.load.to_owned(),
        seconds: stretch.seconds(),
        samples_above_counter: agreement(
            &watched.readings,
            period_ns,
            stretch.start_ns,
            stretch.end_ns,
        )?,
    })
}

/// A remark if the load ran into a limit: then its power was not the two levels that the estimators assume.
fn limited(watched: &Watched, phases: &Phases) -> Option<String> {
    let loaded = watched
        .states
        .iter()
        .filter(|(at_ns, _)| *at_ns >= phases.fields.0);
    let reasons = loaded
        .filter_map(|(_, state)| state.event_reasons)
        .fold(0, |all, some| all | some);
    (reasons & LIMITED != 0).then(|| {
        format!("the load ran into a limit of clocks or power (clock event reasons {reasons:#x}): window and latency may be off")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_power_is_between_neighbours_only() {
        let edge = |at_ms: u64, millijoules| CounterEdge {
            before_ns: at_ms * 1_000_000 - 2_000_000,
            after_ns: at_ms * 1_000_000 + 2_000_000,
            millijoules,
        };
        let mut edges: Vec<CounterEdge> = (1..=40).map(|n| edge(100 * n, 10_000 * n)).collect();
        edges.remove(20);
        let (moments, readings) = counted(&edges, (0, u64::MAX));
        assert_eq!((moments.len(), readings.len()), (39, 37));
        assert!(
            readings
                .iter()
                .all(|reading| (reading.watts - 100.0).abs() < 1e-6)
        );
        assert!(counted(&edges[..5], (0, u64::MAX)).1.is_empty());
        assert!(counted(&edges, (0, 1)).0.is_empty());
    }

    #[test]
    fn a_late_poll_is_left_out() {
        let change = |at: u64, width: u64| Observation {
            before_ns: at,
            after_ns: at + width,
            watts: at as f64,
        };
        let seen: Vec<Observation> = (1..=10)
            .map(|n| change(n * 100, if n == 5 { 50 } else { 10 }))
            .collect();
        assert_eq!(changes(&seen, (0, 10_000)).len(), 9);
        assert_eq!(changes(&seen, (0, 350)).len(), 3);
    }
}
