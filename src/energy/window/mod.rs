//! The energy of one window on one GPU, from what its sensor said: a value, its intervals, or the reason why
//! there is none. Knows no device, file or clock; docs/measurement.md derives the formulas.

mod absolute;
mod counter;
mod edges;
mod ends;
mod fallback;
mod grid;
mod result;
mod roughness;
mod sources;
mod sparse;
#[cfg(test)]
mod tests;
mod total;

pub use result::{GpuEnergy, Source};
pub use sources::window_energy;
pub use total::{TotalEnergy, total};

use super::readings::GpuReadings;
use super::sensor::{Gain, SensorTraits};

/// What lies outside the window at one of its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// The GPU is idle with the model resident: the load stopped (or had not begun) at the end itself.
    Idle {
        /// Power of the resident state, as the sensor reads it, in watts.
        watts: f64,
        /// Half the width of its 95 % interval, in watts. Two ends with equal figures share one baseline and
        /// so one error; different figures are two measurements.
        half_width_watts: f64,
    },
    /// The load goes on as inside.
    Steady,
}

/// Thresholds of windows; the campaign's `rules` fill them.
#[derive(Debug, Clone, PartialEq)]
pub struct EnergyRules {
    /// Largest |counter − waveform| / counter, dimensionless.
    pub source_agreement: f64,
    /// Shortest window in seconds for which the sources are compared.
    pub agreement_min_seconds: f64,
    /// Fewest updates of the source inside a window; fewer is too short for the sensor.
    pub min_updates: f64,
}

impl Default for EnergyRules {
    fn default() -> Self {
        Self {
            source_agreement: 0.03,
            agreement_min_seconds: 5.0,
            min_updates: 3.0,
        }
    }
}

/// All that the energy of a window depends on.
#[derive(Debug, Clone, Copy)]
pub struct WindowRequest<'a> {
    /// What the sensor said, from well before the window to well after it.
    pub readings: &'a GpuReadings,
    /// Start, CLOCK_MONOTONIC ns.
    pub start_ns: u64,
    /// End, CLOCK_MONOTONIC ns.
    pub end_ns: u64,
    /// What lies before the start and after the end.
    pub ends: (End, End),
    /// Timing of the sensor.
    pub sensor: &'a SensorTraits,
    /// Scale of the sensor.
    pub gain: &'a Gain,
    /// Periods at which the load is known to repeat (from iteration marks), in ns; may be empty.
    pub load_periods_ns: &'a [f64],
    /// Thresholds.
    pub rules: &'a EnergyRules,
}

impl WindowRequest<'_> {
    /// Length of the window in s; not positive if it ends before it starts.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (i128::from(self.end_ns) - i128::from(self.start_ns)) as f64 / 1e9
    }
}
