//! The sensors of a campaign's GPUs in a session: who reads them, what is known of each, and a sampler for
//! an attempt. Knows nothing of containers or verdicts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::energy::sensor::Sensor;
use crate::execution::{Blame, Cause};
use crate::telemetry::{
    GpuSnapshot, GpuTelemetry, LibraryInfo, Sampler, SamplerSettings, SamplerView, TelemetryError,
};

/// How long a step of an energy counter is awaited.
pub(super) const EDGE_LIMIT: Duration = Duration::from_secs(1);
/// Seconds between readings where nothing long is measured.
pub(super) const FINE_SECONDS: f64 = 0.1;
/// Where the kernel shows the CPUs' energy counters.
const POWERCAP: &str = "/sys/class/powercap";

/// The GPUs of a campaign, readable.
#[derive(Clone)]
pub struct Power {
    /// Reads them.
    pub telemetry: Arc<dyn GpuTelemetry>,
    /// Who answers.
    pub library: LibraryInfo,
    /// What they are, in the campaign's order.
    pub gpus: Vec<GpuSnapshot>,
    /// What is known of their sensors, by UUID.
    pub sensors: BTreeMap<String, Sensor>,
}

impl Power {
    /// Looks the campaign's GPUs up. `sensor` says what is known of one's sensor under a driver.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownGpu`] if this machine has one of them not, with those that it has.
    pub fn open(
        telemetry: Arc<dyn GpuTelemetry>,
        gpus: &[String],
        sensor: impl Fn(&GpuSnapshot, &LibraryInfo) -> Sensor,
    ) -> Result<Self, TelemetryError> {
        let library = telemetry.library();
        let mut snapshots = Vec::new();
        for gpu in gpus {
            let Ok(snapshot) = telemetry.snapshot(gpu) else {
                let listed = telemetry.gpus();
                let mut known: Vec<String> = listed
                    .value
                    .into_iter()
                    .flat_map(|entry| {
                        std::iter::once(entry.uuid).chain(entry.mig.into_iter().map(|mig| mig.uuid))
                    })
                    .collect();
                // One that is lost is in no list.
                let unread = listed.errors.iter();
                known.extend(unread.map(|error| format!("one that cannot be read ({error})")));
                return Err(TelemetryError::UnknownGpu {
                    gpu: gpu.clone(),
                    available: if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    },
                });
            };
            snapshots.push(snapshot.value);
        }
        let sensors = snapshots
            .iter()
            .map(|snapshot| (snapshot.uuid.clone(), sensor(snapshot, &library)))
            .collect();
        Ok(Self {
            telemetry,
            library,
            gpus: snapshots,
            sensors,
        })
    }

    /// UUIDs, in the campaign's order.
    #[must_use]
    pub fn uuids(&self) -> Vec<String> {
        self.gpus.iter().map(|gpu| gpu.uuid.clone()).collect()
    }

    /// What the environment's hash and snapshot say of the GPUs.
    #[must_use]
    pub fn environment(&self) -> serde_json::Value {
        serde_json::json!({
            "driver": self.library.driver_version,
            "nvml": self.library.nvml_version,
            "cuda_driver": self.library.cuda_driver_version,
            "simulated": self.library.simulated,
            "gpus": self.gpus,
        })
    }

    /// What differs now from what the session began with: a limit, a mode, a clock that somebody set.
    #[must_use]
    pub fn drift(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for before in &self.gpus {
            let Ok(now) = self.telemetry.snapshot(&before.uuid) else {
                differences.push(format!("{}.readable", before.uuid));
                continue;
            };
            let fields =
                |snapshot: &GpuSnapshot| serde_json::to_value(snapshot).unwrap_or_default();
            let (before_fields, now) = (fields(before), fields(&now.value));
            let names = before_fields.as_object().into_iter().flatten();
            for (name, value) in names {
                if now.get(name) != Some(value) {
                    differences.push(format!("{}.{name}", before.uuid));
                }
            }
        }
        differences
    }

    /// Starts to sample. `reading_seconds` is the time between two readings of power.
    ///
    /// # Errors
    /// A cause of the environment.
    pub(super) fn sample(&self, reading_seconds: f64) -> Result<Sampler, Cause> {
        let slowest = self
            .sensors
            .values()
            .map(|sensor| sensor.traits.counter.update_period_ns.value)
            .fold(0.0, f64::max);
        let settings = SamplerSettings {
            reading_interval_ns: nanoseconds(reading_seconds),
            update_period_ns: if slowest > 0.0 {
                slowest as u64
            } else {
                SamplerSettings::default().update_period_ns
            },
            rapl_root: Some(POWERCAP.to_owned()),
            ..SamplerSettings::default()
        };
        Sampler::start(self.telemetry.clone(), &self.uuids(), settings).map_err(|error| {
            let cause = Cause::new(Blame::Environment, "telemetry", error.to_string());
            match miette::Diagnostic::help(&error) {
                Some(help) => cause.hint(help.to_string()),
                None => cause,
            }
        })
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).clamp(0.0, 1e15) as u64
}

/// Waits off the async thread until every GPU's counter has stepped `steps` times from now, or `limit` passed.
pub(super) async fn edges(view: &SamplerView, steps: u32, limit: Duration) {
    let view = view.clone();
    let waited = tokio::task::spawn_blocking(move || {
        for _ in 0..steps {
            if view.wait_edge(limit).is_none() {
                return;
            }
        }
    });
    // A panic in there would be a bug of ours; the window is then judged by what was recorded.
    let _ = waited.await;
}
