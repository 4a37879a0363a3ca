//! Sampled reasons → time under each: a sample stands until the next.

use super::{ReasonSample, ThrottleEvidence, ThrottleMethod, ThrottleTime, reasons};

/// The samples of one window.
pub(super) struct Sampled {
    /// Reasons and the seconds that they stood, in order.
    spans: Vec<(u64, f64)>,
    /// The samples inside the window.
    moments: Vec<ReasonSample>,
    /// All reasons seen inside.
    pub seen: u64,
    /// Number of samples inside.
    pub inside: usize,
    /// Longest time without a sample.
    pub resolution_seconds: Option<f64>,
}

impl Sampled {
    pub fn of(evidence: &ThrottleEvidence<'_>) -> Self {
        let (start, end) = (evidence.start_ns, evidence.end_ns);
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e9;
        let inside: Vec<ReasonSample> = evidence
            .samples
            .iter()
            .filter(|sample| (start..=end).contains(&sample.at_ns))
            .copied()
            .collect();
        let mut spans = Vec::new();
        let mut gaps = Vec::new();
        if let Some(first) = inside.first() {
            gaps.push(seconds(start, first.at_ns));
        }
        for (index, sample) in inside.iter().enumerate() {
            let until = inside.get(index + 1).map_or(end, |next| next.at_ns);
            spans.push((sample.reasons, seconds(sample.at_ns, until)));
            gaps.push(seconds(sample.at_ns, until));
        }
        Self {
            spans,
            seen: inside.iter().fold(0, |all, sample| all | sample.reasons),
            inside: inside.len(),
            resolution_seconds: gaps.into_iter().reduce(f64::max),
            moments: inside,
        }
    }

    /// Time in which any of `bits` was set; none without samples inside the window. A reason that was sampled
    /// once, at the window's very end, still has some time: it was there.
    pub fn time(&self, bits: u64) -> Option<ThrottleTime> {
        if self.inside == 0 {
            return None;
        }
        let whole: f64 = self.spans.iter().map(|(_, seconds)| seconds).sum();
        let held: f64 = self
            .spans
            .iter()
            .filter(|(reasons, _)| reasons & bits != 0)
            .map(|(_, seconds)| seconds)
            .sum();
        let seconds = if self.seen & bits != 0 {
            held.max(1e-9)
        } else {
            held
        };
        Some(ThrottleTime {
            seconds,
            share: if whole > 0.0 { held / whole } else { 0.0 },
            method: ThrottleMethod::Sampled,
        })
    }

    /// The longest stretch between two samples that both, and all between them, showed a hardware slowdown and
    /// neither heat nor brake.
    pub fn longest_lone_slowdown(&self) -> f64 {
        let other = reasons::HARDWARE_THERMAL | reasons::POWER_BRAKE | reasons::SOFTWARE_THERMAL;
        let alone = |bits: u64| bits & reasons::HARDWARE_SLOWDOWN != 0 && bits & other == 0;
        let mut since: Option<u64> = None;
        let mut longest = 0_u64;
        for sample in &self.moments {
            if alone(sample.reasons) {
                let begun = *since.get_or_insert(sample.at_ns);
                longest = longest.max(sample.at_ns.saturating_sub(begun));
            } else {
                since = None;
            }
        }
        longest as f64 / 1e9
    }
}
