//! What is said of one window's energy on one GPU.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::energy::aliasing::Coherence;
use crate::energy::interval::Interval;

/// Where an energy comes from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The energy counter between its own edges.
    Counter,
    /// The energy counter read now and then; its edges were not seen.
    CounterSparse,
    /// The driver's buffer of power samples, integrated.
    Samples,
    /// Average power (a trailing mean), integrated.
    Average,
    /// Instantaneous power, integrated: under-samples a load that varies.
    Instant,
    /// None.
    None,
}

/// The energy of one window on one GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuEnergy {
    /// UUID of the GPU or MIG device.
    pub gpu: String,
    /// Length of the window, in seconds.
    pub seconds: f64,
    /// Where `joules` comes from.
    pub source: Source,
    /// Why better sources were not used: one sentence each, best source first.
    pub fallbacks: Vec<String>,
    /// Energy as the sensor's scale has it, in joules: gain 1, as the field publishes it. Null: see `reason`.
    pub joules: Option<f64>,
    /// Why there is no energy: a stable code, then words.
    pub reason: Option<String>,
    /// 95 % interval of `joules` from timing alone (gain 1): this window's edges, latency, flanks, interpolation, aliasing.
    pub timing: Option<Interval>,
    /// Standard deviation behind `timing`, in joules.
    pub timing_sd_joules: Option<f64>,
    /// Energy after the sensor's gain and offset, in joules.
    pub absolute_joules: Option<f64>,
    /// 95 % interval of the true energy: timing, gain and offset combined.
    pub absolute: Option<Interval>,
    /// Standard deviation behind `absolute`, in joules.
    pub absolute_sd_joules: Option<f64>,
    /// `joules` / `seconds`, in watts.
    pub mean_watts: Option<f64>,
    /// Energy from the buffer of power samples, in joules.
    pub waveform_joules: Option<f64>,
    /// Highest sample inside, in watts.
    pub waveform_max_watts: Option<f64>,
    /// Lowest sample inside, in watts.
    pub waveform_min_watts: Option<f64>,
    /// |counter − waveform| / counter, dimensionless.
    pub disagreement: Option<f64>,
    /// The load's period against the sensor's, if the load is periodic.
    pub coherence: Option<Coherence>,
    /// What must be known of it: stable codes.
    pub flags: Vec<String>,
}

impl GpuEnergy {
    /// No energy of `gpu`, and why: a stable code, then words.
    #[must_use]
    pub fn missing(gpu: &str, seconds: f64, reason: &str) -> Self {
        Self {
            reason: Some(reason.to_owned()),
            ..Self::nothing(gpu, seconds)
        }
    }

    /// Nothing is known yet of a window of `seconds` on `gpu`.
    pub(in crate::energy) fn nothing(gpu: &str, seconds: f64) -> Self {
        Self {
            gpu: gpu.to_owned(),
            seconds,
            source: Source::None,
            fallbacks: Vec::new(),
            joules: None,
            reason: None,
            timing: None,
            timing_sd_joules: None,
            absolute_joules: None,
            absolute: None,
            absolute_sd_joules: None,
            mean_watts: None,
            waveform_joules: None,
            waveform_max_watts: None,
            waveform_min_watts: None,
            disagreement: None,
            coherence: None,
            flags: Vec::new(),
        }
    }
}
