//! What `lemctl gpu characterise` found of one GPU with one driver: the file's content, and whether it may be used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Estimate, Gain, MeanOf, Origin, Sensor, SensorTraits, SourceTraits};

/// Version of the file's layout.
pub const SENSOR_FILE_VERSION: u32 = 1;

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SensorFile {
    /// [`SENSOR_FILE_VERSION`].
    pub schema_version: u32,
    /// UUID of the GPU.
    pub gpu: String,
    /// Its product name.
    pub name: String,
    /// Driver version that it was found with: with another one it is stale.
    pub driver_version: String,
    /// Whether it is of the GPU simulator.
    pub simulated: bool,
    /// When, RFC 3339.
    pub measured_at: String,
    /// Version of lemctl that found it.
    pub lemctl_version: String,
    /// Length of its steady phases, seconds.
    pub phase_seconds: f64,
    /// The energy counter.
    pub counter: Finding,
    /// The sample buffer.
    pub samples: Finding,
    /// Field 185, or power usage.
    pub average: Finding,
    /// Field 186.
    pub instant: Finding,
    /// Power at idle, by state.
    pub idle: Vec<IdleState>,
    /// Idle with a context minus idle without, watts; null if either is missing.
    pub context_above_bare_watts: Option<Estimate>,
    /// Sample buffer against counter, one for every stretch of load of 5 s or more.
    pub agreement: Vec<Agreement>,
    /// Gain and offset against a meter; null if there was none.
    pub gain: Option<Gain>,
    /// What a reader must know: one sentence each.
    pub remarks: Vec<String>,
}

/// What was found of one source. Null: not found, and `reasons` says why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// See [`SourceTraits`].
    pub update_period_ns: Option<Estimate>,
    /// See [`SourceTraits`].
    pub averaging_window_ns: Option<Estimate>,
    /// See [`SourceTraits`].
    pub latency_ns: Option<Estimate>,
    /// Readings that window and latency were fitted to.
    pub readings: usize,
    /// Share of those readings' variance that the fit explains; null without a fit.
    pub explained: Option<f64>,
    /// Why something is null: one sentence each.
    pub reasons: Vec<String>,
}

/// Power of an idle GPU in one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdleState {
    /// Which.
    pub state: IdleKind,
    /// Memory that the load program held, bytes.
    pub held_bytes: u64,
    /// Mean power, watts.
    pub watts: Estimate,
    /// Source of that mean.
    pub source: MeanOf,
    /// SM clock at its end, MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Temperature at its end, °C.
    pub temperature_celsius: Option<i32>,
    /// Length, seconds.
    pub seconds: f64,
}

/// States of an idle GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdleKind {
    /// No process holds it.
    Bare,
    /// A context is held, nothing runs.
    Context,
    /// A context and memory are held, nothing runs.
    Memory,
}

impl IdleKind {
    /// Its name in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Context => "context",
            Self::Memory => "memory",
        }
    }
}

/// Sample buffer against counter over one stretch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// What ran: `bare`, `context`, `memory`, `busy` or `wave`.
    pub load: String,
    /// Length, seconds.
    pub seconds: f64,
    /// Sample buffer's mean by the counter's, minus 1.
    pub samples_above_counter: Estimate,
}

impl SensorFile {
    /// Why it must not be used for that GPU with that driver; none if it may.
    #[must_use]
    pub fn refused(&self, gpu: &str, driver_version: &str) -> Option<String> {
        if self.schema_version != SENSOR_FILE_VERSION {
            return Some(format!(
                "its schema_version is {}, not {SENSOR_FILE_VERSION}",
                self.schema_version
            ));
        }
        if self.gpu != gpu {
            return Some(format!("it is of {}", self.gpu));
        }
        if self.driver_version != driver_version {
            return Some(format!(
                "it is stale: found with driver {}, and the driver is {driver_version} now",
                self.driver_version
            ));
        }
        None
    }

    /// What windows use of it. What was not found is assumed, with a remark.
    #[must_use]
    pub fn sensor(&self, file: &str) -> Sensor {
        let mut sensor = Sensor::assumed(&self.name);
        let mut remarks = self.remarks.clone();
        let SensorTraits {
            counter,
            samples,
            average,
            instant,
            origin,
        } = &mut sensor.traits;
        for (name, finding, traits) in [
            ("counter", &self.counter, counter),
            ("samples", &self.samples, samples),
            ("average", &self.average, average),
            ("instant", &self.instant, instant),
        ] {
            finding.fill(traits);
            if !finding.is_whole() {
                remarks.push(format!(
                    "{name}: partly assumed: {}",
                    finding.reasons.join("; ")
                ));
            }
        }
        *origin = Origin::Characterised {
            file: file.to_owned(),
        };
        if let Some(gain) = &self.gain {
            sensor.gain = Gain {
                origin: Origin::Metered {
                    file: file.to_owned(),
                },
                ..gain.clone()
            };
        }
        sensor.remarks = remarks;
        sensor
    }
}

impl Finding {
    /// Whether everything was found.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.update_period_ns.is_some()
            && self.averaging_window_ns.is_some()
            && self.latency_ns.is_some()
    }

    fn fill(&self, traits: &mut SourceTraits) {
        for (found, place) in [
            (self.update_period_ns, &mut traits.update_period_ns),
            (self.averaging_window_ns, &mut traits.averaging_window_ns),
            (self.latency_ns, &mut traits.latency_ns),
        ] {
            // A file can be edited: what cannot be a time is not taken for one.
            if let Some(found) =
                found.filter(|found| found.value.is_finite() && found.half_width >= 0.0)
            {
                *place = found;
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file of a GPU of which only the instantaneous field was found.
    pub(crate) fn sample() -> SensorFile {
        let missing = || Finding {
            reasons: vec!["not supported".to_owned()],
            ..Finding::default()
        };
        SensorFile {
            schema_version: SENSOR_FILE_VERSION,
            gpu: "GPU-1".into(),
            name: "NVIDIA H100 80GB HBM3".into(),
            driver_version: "580.159.03".into(),
            simulated: false,
            measured_at: "2026-11-24T09:00:00.000Z".into(),
            lemctl_version: "0.1.0".into(),
            phase_seconds: 10.0,
            counter: missing(),
            samples: missing(),
            average: missing(),
            instant: Finding {
                update_period_ns: Some(Estimate::new(99.9e6, 0.1e6)),
                averaging_window_ns: Some(Estimate::new(24.8e6, 0.3e6)),
                latency_ns: Some(Estimate::new(14e6, 1e6)),
                readings: 200,
                explained: Some(0.99),
                reasons: Vec::new(),
            },
            idle: Vec::new(),
            context_above_bare_watts: None,
            agreement: Vec::new(),
            gain: None,
            remarks: Vec::new(),
        }
    }

    #[test]
    fn another_driver_or_gpu_makes_it_useless() {
        let file = sample();
        assert_eq!(file.refused("GPU-1", "580.159.03"), None);
        let stale = file.refused("GPU-1", "590.1").unwrap_or_default();
        assert!(stale.contains("stale") && stale.contains("580.159.03") && stale.contains("590.1"));
        assert!(file.refused("GPU-2", "580.159.03").is_some());
        let future = SensorFile {
            schema_version: 2,
            ..file
        };
        assert!(future.refused("GPU-1", "580.159.03").is_some());
    }

    #[test]
    fn what_was_not_found_is_assumed_and_said() {
        let mut file = sample();
        file.gain = Some(Gain {
            factor: 0.97,
            ..Gain::assumed("")
        });
        let sensor = file.sensor("sensors/x.json");
        assert_eq!(sensor.traits.instant.averaging_window_ns.value, 24.8e6);
        assert_eq!(sensor.traits.counter.update_period_ns.value, 100e6);
        assert_eq!(
            sensor.traits.origin,
            Origin::Characterised {
                file: "sensors/x.json".into()
            }
        );
        assert_eq!(sensor.gain.factor, 0.97);
        assert_eq!(
            sensor.gain.origin,
            Origin::Metered {
                file: "sensors/x.json".into()
            }
        );
        assert_eq!(sensor.remarks.len(), 3);
    }

    #[test]
    fn it_reads_as_it_was_written() {
        let text = serde_json::to_string(&sample()).expect("writes");
        assert_eq!(
            serde_json::from_str::<SensorFile>(&text).expect("reads"),
            sample()
        );
        assert!(serde_json::from_str::<SensorFile>(&text.replace("\"name\"", "\"nome\"")).is_err());
    }
}
