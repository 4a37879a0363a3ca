//! How long a GPU was held below the clocks that it would have run at, and by what: from the driver's counters
//! where it has them, else from the reasons that were sampled. Knows no device.

pub mod reasons;
mod sampled;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verdict::{RejectReason, Ruling, VerdictRules, codes};
use sampled::Sampled;

/// Clock event reasons at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonSample {
    /// CLOCK_MONOTONIC ns.
    pub at_ns: u64,
    /// All 64 bits as the driver gave them ([`reasons`]).
    pub reasons: u64,
}

/// The driver's counters of time below the clocks, in nanoseconds since it was loaded. None: not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThrottleCounters {
    /// CLOCK_MONOTONIC ns of the read.
    pub at_ns: u64,
    /// Power cap: field 74, ns.
    pub power_cap_ns: Option<u64>,
    /// Sync boost: field 76, ns.
    pub sync_boost_ns: Option<u64>,
    /// Board limit: field 77, ns.
    pub board_limit_ns: Option<u64>,
    /// Reliability limit: field 79, ns.
    pub reliability_ns: Option<u64>,
    /// Software thermal slowdown: field 269 from driver 580.82, 251 before; ns.
    pub software_thermal_ns: Option<u64>,
    /// Hardware thermal slowdown: field 270, 252 before; ns.
    pub hardware_thermal_ns: Option<u64>,
    /// Power brake: field 271, 253 before; ns.
    pub power_brake_ns: Option<u64>,
    /// All thermal causes together, where the two above are not counted: field 75, ns.
    pub thermal_ns: Option<u64>,
}

/// What was read of one GPU around a window.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleEvidence<'a> {
    /// UUID of the GPU.
    pub gpu: &'a str,
    /// Start of the window, CLOCK_MONOTONIC ns.
    pub start_ns: u64,
    /// End of the window.
    pub end_ns: u64,
    /// Reasons, ascending in time; from before the window to after it.
    pub samples: &'a [ReasonSample],
    /// The last counters read before the window, and the first read after it.
    pub counters: Option<(ThrottleCounters, ThrottleCounters)>,
}

/// Time under one cause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThrottleTime {
    /// Seconds.
    pub seconds: f64,
    /// Share of the time between the two reads of the counters, or of the window where it was sampled.
    pub share: f64,
    /// Where it comes from.
    pub method: ThrottleMethod,
}

/// Where a time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleMethod {
    /// From the growth of the driver's counter.
    Counters,
    /// From sampled reasons, each standing until the next sample.
    Sampled,
}

/// How one GPU was held back during a window. A null time is one that nothing tells of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// UUID of the GPU.
    pub gpu: String,
    /// Software and hardware thermal slowdown together: where both were at work their time counts twice.
    pub thermal: Option<ThrottleTime>,
    /// Power brake.
    pub power_brake: Option<ThrottleTime>,
    /// Power cap: at full load a GPU sits at it.
    pub power_cap: Option<ThrottleTime>,
    /// Sync boost.
    pub sync_boost: Option<ThrottleTime>,
    /// Board limit; only counted.
    pub board_limit: Option<ThrottleTime>,
    /// Reliability limit; only counted.
    pub reliability: Option<ThrottleTime>,
    /// The longest hardware slowdown without a thermal or brake reason beside it, as sampled, in seconds.
    pub longest_hardware_slowdown_seconds: f64,
    /// Every reason that was sampled inside the window, by name.
    pub reasons_seen: Vec<String>,
    /// The same as bits.
    pub reasons_bits: u64,
    /// Samples inside the window.
    pub samples: usize,
    /// The longest time inside the window without a sample: what was shorter may have been missed. None without
    /// samples.
    pub resolution_seconds: Option<f64>,
    /// Thermal or brake reasons were sampled inside the window, whatever the counters say.
    pub hot_reason_sampled: bool,
}

/// A hardware slowdown without another reason must last this long, in seconds: it also shows for a moment when
/// the performance state changes.
const LASTING_SECONDS: f64 = 0.2;

impl Throttle {
    /// From what was read.
    #[must_use]
    pub fn of(evidence: &ThrottleEvidence<'_>) -> Self {
        let sampled = Sampled::of(evidence);
        let by = |bits: u64| sampled.time(bits);
        // Both or neither: half of the thermal causes says nothing of the other half.
        let thermal = grown(evidence, |counters| {
            match (counters.software_thermal_ns, counters.hardware_thermal_ns) {
                (Some(software), Some(hardware)) => software.checked_add(hardware),
                _ => counters.thermal_ns,
            }
        });
        let counted = |of: fn(&ThrottleCounters) -> Option<u64>| grown(evidence, of);
        Self {
            gpu: evidence.gpu.to_owned(),
            thermal: thermal.or_else(|| by(reasons::SOFTWARE_THERMAL | reasons::HARDWARE_THERMAL)),
            power_brake: counted(|counters| counters.power_brake_ns)
                .or_else(|| by(reasons::POWER_BRAKE)),
            power_cap: counted(|counters| counters.power_cap_ns).or_else(|| by(reasons::POWER_CAP)),
            sync_boost: counted(|counters| counters.sync_boost_ns)
                .or_else(|| by(reasons::SYNC_BOOST)),
            board_limit: counted(|counters| counters.board_limit_ns),
            reliability: counted(|counters| counters.reliability_ns),
            longest_hardware_slowdown_seconds: sampled.longest_lone_slowdown(),
            reasons_seen: reasons::names(sampled.seen),
            reasons_bits: sampled.seen,
            samples: sampled.inside,
            resolution_seconds: sampled.resolution_seconds,
            hot_reason_sampled: sampled.seen & HOT != 0,
        }
    }

    /// What follows for the run.
    #[must_use]
    pub fn judge(&self, rules: &VerdictRules) -> Ruling {
        let mut ruling = Ruling::default();
        if self.power_cap.is_some_and(|time| time.seconds > 0.0) {
            ruling.flag(codes::POWER_CAPPED);
        }
        let hot: Vec<(&str, ThrottleTime)> = [
            ("thermal slowdown", self.thermal),
            ("power brake", self.power_brake),
        ]
        .into_iter()
        .filter_map(|(what, time)| Some((what, time?)))
        .collect();
        if hot.is_empty() {
            ruling.flag(codes::THROTTLING_UNKNOWN);
        }
        let limit = rules.thermal_share;
        let counted: f64 = hot
            .iter()
            .filter(|(_, time)| time.method == ThrottleMethod::Counters)
            .map(|(_, time)| time.share)
            .sum();
        if counted > limit {
            let message = format!(
                "{}: {} of the window in thermal slowdown or power brake by the driver's counters; at most {} is allowed",
                self.gpu,
                percent(counted),
                percent(limit)
            );
            ruling.reject(RejectReason::new(codes::THERMAL_THROTTLING, message));
        }
        for (what, _) in hot
            .iter()
            .filter(|(_, time)| time.method == ThrottleMethod::Sampled && time.seconds > 0.0)
        {
            let message = format!(
                "{}: {what} was sampled, and the driver does not count it; samples are {} apart at most",
                self.gpu,
                self.resolution()
            );
            ruling.reject(RejectReason::new(codes::THERMAL_THROTTLING, message));
        }
        if self.longest_hardware_slowdown_seconds >= LASTING_SECONDS {
            let message = format!(
                "{}: hardware slowdown lasted {:.1} s; samples are {} apart at most",
                self.gpu,
                self.longest_hardware_slowdown_seconds,
                self.resolution()
            );
            ruling.reject(RejectReason::new(codes::THERMAL_THROTTLING, message));
        }
        if self.hot_reason_sampled && counted == 0.0 && ruling.reasons.is_empty() {
            ruling.flag(codes::THROTTLING_SOURCES_DISAGREE);
        }
        ruling
    }

    fn resolution(&self) -> String {
        self.resolution_seconds.map_or_else(
            || "an unknown time".to_owned(),
            |seconds| format!("{seconds:.2} s"),
        )
    }
}

/// Reasons that reject.
const HOT: u64 = reasons::SOFTWARE_THERMAL | reasons::HARDWARE_THERMAL | reasons::POWER_BRAKE;

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// The growth of a counter between the two reads; none where it is not counted, went back (the driver was loaded
/// anew), or no time lies between them.
fn grown(
    evidence: &ThrottleEvidence<'_>,
    of: impl Fn(&ThrottleCounters) -> Option<u64>,
) -> Option<ThrottleTime> {
    let (before, after) = evidence.counters?;
    let between = after.at_ns.checked_sub(before.at_ns).filter(|ns| *ns > 0)? as f64 / 1e9;
    let seconds = of(&after)?.checked_sub(of(&before)?)? as f64 / 1e9;
    // The reads may lie outside the window: of more than the window all of it is taken to be inside.
    let window = evidence.end_ns.saturating_sub(evidence.start_ns) as f64 / 1e9;
    let whole = if window > 0.0 {
        window.min(between)
    } else {
        between
    };
    Some(ThrottleTime {
        seconds,
        share: (seconds / whole).min(1.0),
        method: ThrottleMethod::Counters,
    })
}
