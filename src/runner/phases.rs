//! The energy of prefill and of decode in a measured window, GPU by GPU. Which splits may be trusted is judged in
//! `energy`; here the phases are found in the record.

use lem_protocol::{Arrival, Record, RequestRecord};

use crate::energy::GpuEnergy;
use crate::energy::interval::{Interval, NORMAL_95};
use crate::energy::split::{MeasuredPhases, PhaseEnergy, measured};

/// One batch: when it was queued, when its last prefill ended, when its last token existed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) start_ns: u64,
    pub(super) mark_ns: u64,
    pub(super) end_ns: u64,
    /// Every prefill ended before any second token existed.
    pub(super) apart: bool,
}

/// The whole batches of a record, in order; none under continuous batching.
pub(super) fn batches(record: &Record) -> Vec<Batch> {
    if !matches!(record.arrival, Arrival::Batch {}) {
        return Vec::new();
    }
    let mut requests: Vec<&RequestRecord> = record.requests.iter().collect();
    requests.sort_by_key(|request| request.queued_ns);
    requests
        .chunk_by(|left, right| left.queued_ns == right.queued_ns)
        .filter_map(|batch| {
            let mark_ns = batch.iter().map(|one| one.first_token_ns).max()?;
            let seconds = batch.iter().filter_map(|one| {
                let gap = one.token_gaps_ns.first()?;
                Some(one.first_token_ns.saturating_add(*gap))
            });
            Some(Batch {
                start_ns: batch.first()?.queued_ns,
                mark_ns,
                end_ns: batch.iter().map(|one| one.last_token_ns()).max()?,
                apart: seconds.min().is_none_or(|second| mark_ns <= second),
            })
        })
        .collect()
}

/// The split of one GPU over all batches. `energy` gives the energy from one moment to another; whether the window
/// before the first and after the last is idle is told to it.
pub(super) fn split(
    batches: &[Batch],
    update_period_seconds: f64,
    energy: impl Fn(u64, u64, (bool, bool)) -> GpuEnergy,
) -> PhaseEnergy {
    let missing = GpuEnergy::missing("", 0.0, "no batch");
    let mut parts = Vec::new();
    let last = batches.len().saturating_sub(1);
    for (index, batch) in batches.iter().enumerate() {
        let prefill = energy(batch.start_ns, batch.mark_ns, (index == 0, false));
        let decode = energy(batch.mark_ns, batch.end_ns, (false, index == last));
        let part = measured(&MeasuredPhases {
            batch_arrival: true,
            phases_forced_apart: batch.apart,
            prefill: &prefill,
            decode: &decode,
            update_period_seconds,
        });
        if part.kind.is_none() {
            return part;
        }
        parts.push(part);
    }
    let Some(first) = parts.first() else {
        return measured(&MeasuredPhases {
            batch_arrival: false,
            phases_forced_apart: false,
            prefill: &missing,
            decode: &missing,
            update_period_seconds,
        });
    };
    let sum = |of: fn(&PhaseEnergy) -> Option<f64>| parts.iter().map(of).sum::<Option<f64>>();
    let prefill_joules = sum(|part| part.prefill_joules);
    let decode_joules = sum(|part| part.decode_joules);
    let around = |joules: Option<f64>, of: fn(&PhaseEnergy) -> Option<Interval>| {
        let squares = parts.iter().map(|part| {
            let sd = of(part)?.half_width_joules() / NORMAL_95;
            Some(sd * sd)
        });
        let (joules, half) = (joules?, NORMAL_95 * squares.sum::<Option<f64>>()?.sqrt());
        Some(Interval {
            low_joules: joules - half,
            high_joules: joules + half,
        })
    };
    PhaseEnergy {
        kind: first.kind,
        reason: None,
        prefill_timing: around(prefill_joules, |part| part.prefill_timing),
        decode_timing: around(decode_joules, |part| part.decode_timing),
        prefill_joules,
        decode_joules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::window::Source;

    fn seconds(value: f64) -> u64 {
        (value * 1e9) as u64
    }

    fn batch(start: f64, mark: f64, end: f64, apart: bool) -> Batch {
        Batch {
            start_ns: seconds(start),
            mark_ns: seconds(mark),
            end_ns: seconds(end),
            apart,
        }
    }

    /// 100 W, known to 1 J.
    fn steady(from: u64, to: u64, _: (bool, bool)) -> GpuEnergy {
        let length = (to - from) as f64 / 1e9;
        GpuEnergy {
            source: Source::Counter,
            joules: Some(100.0 * length),
            reason: None,
            timing: Some(Interval {
                low_joules: 100.0 * length - 1.0,
                high_joules: 100.0 * length + 1.0,
            }),
            ..GpuEnergy::missing("GPU-a", length, "")
        }
    }

    #[test]
    fn phases_of_all_batches_add_up_and_their_errors_by_squares() {
        let two = [batch(0.0, 2.0, 5.0, true), batch(5.0, 7.0, 10.0, true)];
        let found = split(&two, 0.1, steady);
        assert_eq!(found.prefill_joules, Some(400.0));
        assert_eq!(found.decode_joules, Some(600.0));
        let timing = found.decode_timing.expect("there is one");
        assert!((timing.half_width_joules() - 2.0_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_phase_too_short_mixed_phases_and_no_batches_are_refused() {
        for (batches, code) in [
            (vec![batch(0.0, 0.5, 5.0, true)], "split_phase_too_short"),
            (vec![batch(0.0, 2.0, 5.0, false)], "split_phases_mixed"),
            (vec![], "split_no_global_prefill"),
        ] {
            let found = split(&batches, 0.1, steady);
            assert!(found.reason.expect("refused").starts_with(code));
            assert_eq!(found.prefill_joules, None);
        }
    }
}
