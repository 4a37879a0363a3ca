//! Prefill and decode apart, or the reason why not. Every split says how it was had; what cannot be had is refused,
//! never guessed. Knows windows' energies and phases' marks, not engines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interval::{Interval, NORMAL_95};
use super::window::GpuEnergy;

/// How a split was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// Each phase is a window of its own.
    Measured,
    /// A run of one output token taken off a run of many.
    Differential,
    /// A regression over runs. Not offered yet: asking for it is refused.
    Modelled,
}

/// Energy of prefill and of decode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseEnergy {
    /// How it was had; null if refused.
    pub kind: Option<SplitKind>,
    /// Why there is none: a stable code, then words.
    pub reason: Option<String>,
    /// Joules of prefill.
    pub prefill_joules: Option<f64>,
    /// Its 95 % interval from timing (gain 1).
    pub prefill_timing: Option<Interval>,
    /// Joules of decode.
    pub decode_joules: Option<f64>,
    /// Its 95 % interval from timing (gain 1).
    pub decode_timing: Option<Interval>,
}

impl PhaseEnergy {
    fn refused(reason: impl Into<String>) -> Self {
        Self {
            kind: None,
            reason: Some(reason.into()),
            prefill_joules: None,
            prefill_timing: None,
            decode_joules: None,
            decode_timing: None,
        }
    }
}

/// Fewest updates of the source that a measured phase spans.
pub const LEAST_UPDATES: f64 = 10.0;
/// Largest relative difference of the mean SM clocks of two runs that are subtracted.
pub const CLOCK_TOLERANCE: f64 = 0.02;

/// Two phases that were measured as windows of their own.
#[derive(Debug, Clone, Copy)]
pub struct MeasuredPhases<'a> {
    /// Arrival is batch: all requests prefill, then all decode. Under continuous batching no moment parts them.
    pub batch_arrival: bool,
    /// The engine was made to finish every prefill before the first decode step (no chunked mixing).
    pub phases_forced_apart: bool,
    /// The window of the prefill, cut at the mark.
    pub prefill: &'a GpuEnergy,
    /// The window of the decode, from the mark.
    pub decode: &'a GpuEnergy,
    /// Update period of the source that both come from, in s.
    pub update_period_seconds: f64,
}

/// The split by two windows that meet at the mark; refused unless each precondition holds.
#[must_use]
pub fn measured(phases: &MeasuredPhases<'_>) -> PhaseEnergy {
    if !phases.batch_arrival {
        return PhaseEnergy::refused(
            "split_no_global_prefill: under continuous batching prefill and decode overlap",
        );
    }
    if !phases.phases_forced_apart {
        return PhaseEnergy::refused(
            "split_phases_mixed: the engine may decode some requests while others prefill",
        );
    }
    let least = LEAST_UPDATES * phases.update_period_seconds;
    for (name, phase) in [("prefill", phases.prefill), ("decode", phases.decode)] {
        // Not `<`: a period that is no number refuses, too.
        if !(phase.seconds >= least && least > 0.0) {
            return PhaseEnergy::refused(format!(
                "split_phase_too_short: {name} took {:.3} s, and {LEAST_UPDATES} updates take {least:.3} s",
                phase.seconds
            ));
        }
        if phase.joules.is_none() {
            let reason = phase.reason.as_deref().unwrap_or("no reason given");
            return PhaseEnergy::refused(format!("split_without_energy: {name}: {reason}"));
        }
    }
    if phases.prefill.source != phases.decode.source {
        return PhaseEnergy::refused("split_sources_differ: the phases were read from two sources");
    }
    PhaseEnergy {
        kind: Some(SplitKind::Measured),
        reason: None,
        prefill_joules: phases.prefill.joules,
        prefill_timing: phases.prefill.timing,
        decode_joules: phases.decode.joules,
        decode_timing: phases.decode.timing,
    }
}

/// A run and what must be equal in both.
#[derive(Debug, Clone, Copy)]
pub struct DifferentialRun<'a> {
    /// Energy of one batch: from its first request to its last token.
    pub energy: &'a GpuEnergy,
    /// Requests in the batch.
    pub batch_size: u64,
    /// Input tokens of the batch.
    pub input_tokens: u64,
    /// Output tokens of each request.
    pub output_tokens_each: u64,
    /// Mean SM clock over the window, in MHz.
    pub mean_sm_mhz: f64,
}

/// The split by two runs: one output token each (a prefill and nothing more), and m. Refused unless each precondition
/// holds. `chunked` says that prefill chunks were mixed with decode steps in either.
#[must_use]
pub fn differential(
    one: &DifferentialRun<'_>,
    many: &DifferentialRun<'_>,
    chunked: bool,
) -> PhaseEnergy {
    if chunked {
        return PhaseEnergy::refused("split_phases_mixed: prefill was chunked among decode steps");
    }
    if one.output_tokens_each != 1 || many.output_tokens_each < 2 {
        return PhaseEnergy::refused(
            "split_runs_unfit: one run must make 1 output token a request, the other more",
        );
    }
    if one.batch_size != many.batch_size || one.input_tokens != many.input_tokens {
        return PhaseEnergy::refused("split_batches_differ: the runs' batches are not the same");
    }
    let apart = (one.mean_sm_mhz / many.mean_sm_mhz - 1.0).abs();
    if apart.is_nan() || apart > CLOCK_TOLERANCE {
        return PhaseEnergy::refused(format!(
            "split_clocks_differ: mean SM clocks of {:.0} and {:.0} MHz",
            one.mean_sm_mhz, many.mean_sm_mhz
        ));
    }
    let known = |run: &DifferentialRun<'_>| {
        Some((
            run.energy.joules?,
            run.energy.timing?,
            run.energy.timing_sd_joules?,
        ))
    };
    let (Some((prefill, timing, first)), Some((all, _, second))) = (known(one), known(many)) else {
        return PhaseEnergy::refused("split_without_energy: one of the runs has no energy");
    };
    let decode = all - prefill;
    // Two runs, two independent errors: the root of the sum of squares. The gain is common and not in here.
    let half_width = NORMAL_95 * (first * first + second * second).sqrt();
    PhaseEnergy {
        kind: Some(SplitKind::Differential),
        reason: None,
        prefill_joules: Some(prefill),
        prefill_timing: Some(timing),
        decode_joules: Some(decode),
        decode_timing: Some(Interval {
            low_joules: decode - half_width,
            high_joules: decode + half_width,
        }),
    }
}

/// The split by a regression over runs.
#[must_use]
pub fn modelled() -> PhaseEnergy {
    PhaseEnergy::refused(
        "split_model_not_offered: no model has been validated against a measured split",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::window::Source;

    fn energy(joules: Option<f64>, seconds: f64, sd: f64) -> GpuEnergy {
        GpuEnergy {
            source: Source::Counter,
            joules,
            reason: joules.is_none().then(|| "counter_missing".into()),
            timing: joules.map(|joules| Interval {
                low_joules: joules - NORMAL_95 * sd,
                high_joules: joules + NORMAL_95 * sd,
            }),
            timing_sd_joules: joules.map(|_| sd),
            ..GpuEnergy::nothing("GPU-1", seconds)
        }
    }

    fn code(split: &PhaseEnergy) -> &str {
        split
            .reason
            .as_deref()
            .and_then(|reason| reason.split(':').next())
            .unwrap_or_default()
    }

    #[test]
    fn a_measured_split_needs_each_of_its_preconditions() {
        let (prefill, decode) = (
            energy(Some(700.0), 1.1, 2.0),
            energy(Some(3000.0), 9.0, 3.0),
        );
        let good = MeasuredPhases {
            batch_arrival: true,
            phases_forced_apart: true,
            prefill: &prefill,
            decode: &decode,
            update_period_seconds: 0.1,
        };
        let split = measured(&good);
        assert_eq!(
            (split.kind, split.prefill_joules, split.decode_joules),
            (Some(SplitKind::Measured), Some(700.0), Some(3000.0))
        );
        assert_eq!(
            code(&measured(&MeasuredPhases {
                batch_arrival: false,
                ..good
            })),
            "split_no_global_prefill"
        );
        assert_eq!(
            code(&measured(&MeasuredPhases {
                phases_forced_apart: false,
                ..good
            })),
            "split_phases_mixed"
        );
        let short = energy(Some(600.0), 0.99, 2.0);
        assert_eq!(
            code(&measured(&MeasuredPhases {
                prefill: &short,
                ..good
            })),
            "split_phase_too_short"
        );
        // 50 updates of the 20 ms buffer fit into what is too short for the counter.
        assert!(
            measured(&MeasuredPhases {
                prefill: &short,
                update_period_seconds: 0.02,
                ..good
            })
            .kind
            .is_some()
        );
        for odd in [0.0, f64::NAN] {
            assert_eq!(
                code(&measured(&MeasuredPhases {
                    update_period_seconds: odd,
                    ..good
                })),
                "split_phase_too_short"
            );
        }
        let none = energy(None, 9.0, 0.0);
        let refused = measured(&MeasuredPhases {
            decode: &none,
            ..good
        });
        assert_eq!(
            (code(&refused), refused.prefill_joules),
            ("split_without_energy", None)
        );
        let other = GpuEnergy {
            source: Source::Samples,
            ..energy(Some(1.0), 9.0, 0.1)
        };
        assert_eq!(
            code(&measured(&MeasuredPhases {
                decode: &other,
                ..good
            })),
            "split_sources_differ"
        );
    }

    #[test]
    fn a_differential_split_subtracts_and_adds_errors_by_squares() {
        let (short, long) = (
            energy(Some(700.0), 1.1, 3.0),
            energy(Some(3700.0), 9.0, 4.0),
        );
        let run = |energy, output_tokens_each, mean_sm_mhz| DifferentialRun {
            energy,
            batch_size: 8,
            input_tokens: 4096,
            output_tokens_each,
            mean_sm_mhz,
        };
        let (one, many) = (run(&short, 1, 1700.0), run(&long, 128, 1720.0));
        let split = differential(&one, &many, false);
        assert_eq!(
            (split.kind, split.decode_joules),
            (Some(SplitKind::Differential), Some(3000.0))
        );
        let width = split
            .decode_timing
            .expect("an interval")
            .half_width_joules();
        assert!((width - NORMAL_95 * 5.0).abs() < 1e-9);
        assert_eq!(code(&differential(&one, &many, true)), "split_phases_mixed");
        assert_eq!(
            code(&differential(&run(&short, 2, 1700.0), &many, false)),
            "split_runs_unfit"
        );
        assert_eq!(
            code(&differential(&one, &run(&long, 128, 1750.0), false)),
            "split_clocks_differ"
        );
        assert_eq!(
            code(&differential(&one, &run(&long, 128, f64::NAN), false)),
            "split_clocks_differ"
        );
        let other = DifferentialRun {
            batch_size: 9,
            ..many
        };
        assert_eq!(
            code(&differential(&one, &other, false)),
            "split_batches_differ"
        );
        let none = energy(None, 9.0, 0.0);
        assert_eq!(
            code(&differential(&one, &run(&none, 128, 1720.0), false)),
            "split_without_energy"
        );
    }

    #[test]
    fn a_model_is_refused() {
        assert_eq!(code(&modelled()), "split_model_not_offered");
    }
}
