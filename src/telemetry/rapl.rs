//! Energy of CPU packages and DRAM from the kernel's powercap files (RAPL). A tier of its own: never summed
//! with GPUs. Knows nothing of NVML.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a RAPL zone covers.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RaplDomain {
    /// A CPU package: cores, caches and memory controller; DRAM is not in it.
    Package {
        /// Its number.
        package: u32,
    },
    /// The DRAM of a package.
    Dram {
        /// The package's number.
        package: u32,
    },
}

/// Energy since the meter began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaplReading {
    /// CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// Joules since the meter's first reading; wrap-arounds of the hardware's counter are undone.
    pub joules: f64,
}

/// The readings of one zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaplSeries {
    /// What it covers.
    pub domain: RaplDomain,
    /// Ascending.
    pub readings: Vec<RaplReading>,
    /// Reads that failed.
    pub failed: u64,
}

/// The energy of the host's CPUs, or why there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaplRecording {
    /// One per readable zone.
    pub series: Vec<RaplSeries>,
    /// Why a zone, or all of it, is absent; one sentence each.
    pub absent: Vec<String>,
}

/// Reads all RAPL zones below a folder and undoes their wrap-arounds. Poll it at least every few minutes: a
/// package's counter wraps after about 262 kJ, 20 minutes at 220 W.
#[derive(Debug)]
pub struct RaplMeter {
    recording: RaplRecording,
}

impl RaplMeter {
    /// Finds the zones below `root` (`/sys/class/powercap`). Never fails: what is absent has its reason.
    #[must_use]
    pub fn open(root: &Path) -> Self {
        let _ = root;
        unimplemented!("M0")
    }

    /// Reads every zone once.
    pub fn poll(&mut self, at_ns: u64) {
        let _ = at_ns;
        unimplemented!("M0")
    }

    /// The readings so far.
    #[must_use]
    pub fn recording(&self) -> &RaplRecording {
        &self.recording
    }
}
