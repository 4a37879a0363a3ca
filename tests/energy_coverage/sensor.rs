//! A simulated counter and the sampler that polls it. Shares nothing with the estimator but the readings' types.

use lemctl::energy::{CounterEdge, PowerReading};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use super::truth::Truth;

/// How the updates stray from a regular beat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Jitter {
    /// Each about its own place on the beat.
    White,
    /// Each after the one before it.
    Accumulating,
}

/// How the counter is polled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Polling {
    /// Every 25 ms, whatever the counter does.
    Free,
    /// From 4 ms before the expected update until it is seen.
    Locked,
}

/// What the estimator is not told.
#[derive(Debug, Clone, Copy)]
pub struct Sensor {
    pub period: f64,
    pub latency: f64,
    pub jitter: f64,
    pub kind: Jitter,
    pub polling: Polling,
    pub gain: f64,
}

impl Sensor {
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            period: rng.random_range(0.0998..0.1000),
            latency: rng.random_range(0.0..0.040),
            jitter: rng.random_range(0.0..0.0015),
            kind: if rng.random() {
                Jitter::White
            } else {
                Jitter::Accumulating
            },
            polling: if rng.random() {
                Polling::Free
            } else {
                Polling::Locked
            },
            gain: 1.0,
        }
    }

    /// Edges between two times, in s from `origin_ns`.
    pub fn edges(
        &self,
        rng: &mut ChaCha8Rng,
        truth: &Truth,
        from: f64,
        to: f64,
        origin_ns: u64,
    ) -> Vec<CounterEdge> {
        let noise = Normal::new(0.0, self.jitter).unwrap();
        let mut beat = from + rng.random_range(0.0..self.period);
        let mut updates = Vec::new();
        while beat < to {
            let stray = noise.sample(rng);
            updates.push(match self.kind {
                Jitter::White => beat + stray,
                Jitter::Accumulating => {
                    beat += stray;
                    beat
                }
            });
            beat += self.period;
        }
        let base = truth.energy(from - 1.0);
        let counter = |update: f64| {
            let joules = (truth.energy(update - self.latency) - base) * self.gain;
            (joules * 1e3).floor() as u64
        };
        let stamp = |at: f64| (origin_ns as f64 + at * 1e9).round() as u64;
        let mut edges = Vec::new();
        // The next update that no call has shown yet, and the start of the last call.
        let mut next = 0;
        let mut call = from + rng.random_range(0.0..0.025);
        let mut last = f64::NEG_INFINITY;
        while next < updates.len() {
            let took = rng.random_range(0.0034..0.0044);
            let seen_at = call + took * rng.random::<f64>();
            let mut seen = next;
            while seen < updates.len() && updates[seen] <= seen_at {
                seen += 1;
            }
            if seen > next {
                if last.is_finite() {
                    edges.push(CounterEdge {
                        before_ns: stamp(last),
                        after_ns: stamp(call + took),
                        millijoules: counter(updates[seen - 1]),
                    });
                }
                next = seen;
            }
            last = call;
            call = match self.polling {
                Polling::Free => call + 0.025,
                Polling::Locked
                    if seen > 0 && next == seen && updates[seen - 1] > seen_at - 0.02 =>
                {
                    (seen_at + self.period - 0.006).max(call + took)
                }
                Polling::Locked => call + took,
            };
        }
        edges
    }

    /// The buffer of samples: the mean power of each 20 ms, stamped at its end after the latency.
    pub fn samples(&self, truth: &Truth, from: f64, to: f64, origin_ns: u64) -> Vec<PowerReading> {
        let count = ((to - from) / 0.02) as usize;
        (0..count)
            .map(|index| {
                let at = from + 0.02 * index as f64;
                let energy =
                    truth.energy(at - self.latency) - truth.energy(at - 0.02 - self.latency);
                PowerReading {
                    at_ns: (origin_ns as f64 + at * 1e9).round() as u64,
                    watts: energy / 0.02 * self.gain,
                }
            })
            .collect()
    }
}
