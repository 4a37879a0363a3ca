//! What is known of a GPU's power sensor: how often each source changes, over which time it averages, how
//! late it is, and how far its scale can be trusted. Assumed from others' boards, or found on the one at hand.
//!
//! Pure: knows neither how readings are taken nor where files lie.

mod calibrate;
mod file;
mod gain;
mod known_load;
mod least_squares;
mod period;
mod response;
mod steady;
mod traits;

pub use calibrate::{calibrate, meter_mean};
pub use file::{Agreement, Finding, IdleKind, IdleState, SENSOR_FILE_VERSION, SensorFile};
pub use gain::{Gain, Spread};
pub use known_load::KnownLoad;
pub use period::update_period;
pub use response::{Observation, Response, response};
pub use steady::{
    Block, MeanOf, agreement, counter_blocks, difference, mean_of, power_blocks, steady,
};
pub use traits::{Estimate, Origin, SensorTraits, SourceTraits};

/// All that windows need to know of one GPU's sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Timing of its sources.
    pub traits: SensorTraits,
    /// Its scale.
    pub gain: Gain,
    /// Why it is only assumed, or what else a result must say of it: one sentence each.
    pub remarks: Vec<String>,
}

impl Sensor {
    /// What is assumed of a GPU of that name, such as `NVIDIA H100 80GB HBM3`.
    #[must_use]
    pub fn assumed(gpu_name: &str) -> Self {
        Self {
            traits: SensorTraits::assumed(gpu_name),
            gain: Gain::assumed(gpu_name),
            remarks: Vec::new(),
        }
    }
}
