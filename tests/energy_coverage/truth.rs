//! True power of a simulated GPU: pieces of constant power, and their exact energy.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What the load does while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// The same power throughout.
    Constant,
    /// On for a share of each period, from a random phase.
    Periodic { period: f64, on: f64 },
    /// Levels that last 20 to 200 ms each, without memory.
    Random,
    /// A slow wave of 0.7 s and one of 2.3 s, in steps of 5 ms.
    Smooth,
}

/// Power over time, in s and W.
pub struct Truth {
    /// Start of each piece, its power, and the energy up to its start.
    pieces: Vec<(f64, f64, f64)>,
}

impl Truth {
    /// Idle before `on` and after `off`, with the load between them.
    pub fn new(rng: &mut ChaCha8Rng, load: Load, idle: f64, on: f64, off: f64) -> Self {
        let mut truth = Self { pieces: Vec::new() };
        truth.push(on - 60.0, idle);
        let (low, high) = (
            rng.random_range(200.0..350.0),
            rng.random_range(450.0..700.0),
        );
        match load {
            Load::Constant => truth.push(on, high),
            Load::Periodic { period, on: share } => {
                let mut at = on - rng.random_range(0.0..period);
                while at < off {
                    truth.push(at.max(on), high);
                    let fall = at + share * period;
                    if fall > on && fall < off {
                        truth.push(fall, low);
                    }
                    at += period;
                }
            }
            Load::Random => {
                let mut at = on;
                while at < off {
                    truth.push(at, rng.random_range(low..high));
                    at += rng.random_range(0.02..0.2);
                }
            }
            Load::Smooth => {
                let (a, b) = (rng.random_range(0.0..6.3), rng.random_range(0.0..6.3));
                let (middle, swing) = ((low + high) / 2.0, (high - low) / 4.0);
                let mut at = on;
                while at < off {
                    let wave = (at * std::f64::consts::TAU / 0.7 + a).sin()
                        + (at * std::f64::consts::TAU / 2.3 + b).sin();
                    truth.push(at, middle + swing * wave);
                    at += 0.005;
                }
            }
        }
        truth.push(off, idle);
        truth
    }

    fn push(&mut self, at: f64, watts: f64) {
        let energy = self
            .pieces
            .last()
            .map_or(0.0, |(start, power, sum)| sum + power * (at - start));
        self.pieces.push((at, watts, energy));
    }

    /// Energy up to a time, in J.
    pub fn energy(&self, at: f64) -> f64 {
        let piece = self.pieces.partition_point(|piece| piece.0 <= at) - 1;
        let (start, watts, sum) = self.pieces[piece];
        sum + watts * (at - start)
    }
}
