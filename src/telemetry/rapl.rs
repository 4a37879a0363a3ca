//! Energy of CPU packages and DRAM from the kernel's powercap files (RAPL). A tier of its own: never summed
//! with GPUs. Knows nothing of NVML.
//!
//! The files count µJ and wrap at `max_energy_range_uj`; since 2020 (CVE-2020-8694) only root may read them.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Readings kept per zone: 8 hours at one a second, and more.
const READINGS: usize = 100_000;

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

impl RaplDomain {
    /// `package-0` or `dram-0`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Package { package } => format!("package-{package}"),
            Self::Dram { package } => format!("dram-{package}"),
        }
    }
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
    /// Reads that failed, or that were not kept since the series is full.
    pub failed: u64,
}

impl RaplSeries {
    /// Joules between two moments, linear between readings; none when a moment is outside the readings.
    #[must_use]
    pub fn joules_between(&self, start_ns: u64, end_ns: u64) -> Option<f64> {
        Some(self.joules_at(end_ns)? - self.joules_at(start_ns)?)
    }

    fn joules_at(&self, at_ns: u64) -> Option<f64> {
        let next = self
            .readings
            .partition_point(|reading| reading.at_ns < at_ns);
        let after = self.readings.get(next)?;
        if after.at_ns == at_ns {
            return Some(after.joules);
        }
        let before = self.readings.get(next.checked_sub(1)?)?;
        let share = (at_ns - before.at_ns) as f64 / (after.at_ns - before.at_ns) as f64;
        Some(before.joules + share * (after.joules - before.joules))
    }
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
    zones: Vec<Zone>,
    recording: RaplRecording,
}

#[derive(Debug)]
struct Zone {
    file: PathBuf,
    range_microjoules: u64,
    last_microjoules: u64,
    total_microjoules: u64,
}

impl RaplMeter {
    /// Finds the zones below `root` (`/sys/class/powercap`). Never fails: what is absent has its reason.
    #[must_use]
    pub fn open(root: &Path) -> Self {
        let mut meter = Self {
            zones: Vec::new(),
            recording: RaplRecording::default(),
        };
        let mut folders: Vec<PathBuf> = match std::fs::read_dir(root) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => {
                let what = format!("no CPU energy: {}: {error}", root.display());
                meter.recording.absent.push(what);
                return meter;
            }
        };
        folders.sort();
        for folder in folders {
            meter.add(&folder);
        }
        if meter.zones.is_empty() && meter.recording.absent.is_empty() {
            let what = format!("no CPU energy: no RAPL zone in {}", root.display());
            meter.recording.absent.push(what);
        }
        meter
    }

    fn add(&mut self, folder: &Path) {
        let name = folder.file_name().and_then(|name| name.to_str());
        let Some(domain) = name.and_then(|name| domain_of(name, folder)) else {
            return;
        };
        match Zone::open(folder) {
            Ok(zone) => {
                self.zones.push(zone);
                self.recording.series.push(RaplSeries {
                    domain,
                    readings: Vec::new(),
                    failed: 0,
                });
            }
            Err(reason) => self
                .recording
                .absent
                .push(format!("no energy of {}: {reason}", domain.name())),
        }
    }

    /// Reads every zone once.
    pub fn poll(&mut self, at_ns: u64) {
        for (zone, series) in self.zones.iter_mut().zip(&mut self.recording.series) {
            match zone.total() {
                Ok(microjoules) if series.readings.len() < READINGS => {
                    series.readings.push(RaplReading {
                        at_ns,
                        joules: microjoules as f64 / 1e6,
                    });
                }
                _ => series.failed += 1,
            }
        }
    }

    /// The readings so far.
    #[must_use]
    pub fn recording(&self) -> &RaplRecording {
        &self.recording
    }
}

/// `intel-rapl:0` is a package, its subzone named `dram` is DRAM. Cores and uncore are parts of the package, and
/// `psys` covers more than CPUs: none of them is taken. AMD CPUs appear under the same names.
fn domain_of(folder: &str, path: &Path) -> Option<RaplDomain> {
    let numbers = folder.strip_prefix("intel-rapl:")?;
    let package: u32 = numbers.split(':').next()?.parse().ok()?;
    let label = std::fs::read_to_string(path.join("name")).ok()?;
    let label = label.trim();
    if let Some(number) = label.strip_prefix("package-") {
        // Zones are numbered as found, packages as the CPU says. A package of several dies has a zone per die
        // (`package-0-die-1`): each is a series of its own.
        return Some(RaplDomain::Package {
            package: number.split('-').next()?.parse().ok()?,
        });
    }
    (label == "dram").then_some(RaplDomain::Dram { package })
}

impl Zone {
    fn open(folder: &Path) -> Result<Self, String> {
        let file = folder.join("energy_uj");
        let range_microjoules = number(&folder.join("max_energy_range_uj"))?;
        let last_microjoules = number(&file).map_err(|reason| {
            format!(
                "{reason}; make it readable (sudo chmod a+r {}) to have it",
                file.display()
            )
        })?;
        Ok(Self {
            file,
            range_microjoules,
            last_microjoules,
            total_microjoules: 0,
        })
    }

    fn total(&mut self) -> Result<u64, String> {
        let now = number(&self.file)?;
        self.total_microjoules += step(self.last_microjoules, now, self.range_microjoules);
        self.last_microjoules = now;
        Ok(self.total_microjoules)
    }
}

/// From one value to the next of a counter that wraps after `range`.
fn step(last: u64, now: u64, range: u64) -> u64 {
    if now >= last {
        now - last
    } else {
        range.saturating_sub(last) + now
    }
}

fn number(file: &Path) -> Result<u64, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    text.trim()
        .parse()
        .map_err(|_| format!("{name} holds no number"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn zone(&self, folder: &str, label: &str, microjoules: u64) {
            let path = self.0.path().join(folder);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("name"), format!("{label}\n")).unwrap();
            std::fs::write(path.join("max_energy_range_uj"), "262143328850\n").unwrap();
            self.set(folder, microjoules);
        }

        fn set(&self, folder: &str, microjoules: u64) {
            let file = self.0.path().join(folder).join("energy_uj");
            std::fs::write(file, format!("{microjoules}\n")).unwrap();
        }
    }

    #[test]
    fn packages_and_dram_are_read_and_wraps_undone() {
        let tree = Tree::new();
        tree.zone("intel-rapl:0", "package-0", 262_143_000_000);
        tree.zone("intel-rapl:0:0", "core", 1);
        tree.zone("intel-rapl:0:1", "dram", 5_000_000);
        tree.zone("intel-rapl:1", "psys", 1);
        tree.zone("intel-rapl:2", "package-1-die-0", 7);
        std::fs::create_dir(tree.0.path().join("dtpm")).unwrap();
        let mut meter = RaplMeter::open(tree.0.path());
        meter.poll(1_000);
        tree.set("intel-rapl:0", 1_671_150);
        tree.set("intel-rapl:0:1", 6_500_000);
        meter.poll(2_000);
        let recording = meter.recording();
        assert!(recording.absent.is_empty(), "{:?}", recording.absent);
        let names: Vec<String> = recording.series.iter().map(|s| s.domain.name()).collect();
        assert_eq!(names, ["package-0", "dram-0", "package-1"]);
        // 328 850 µJ to the end of the range, then 1 671 150 µJ.
        assert_eq!(recording.series[0].joules_between(1_000, 2_000), Some(2.0));
        assert_eq!(recording.series[1].joules_between(1_000, 2_000), Some(1.5));
        assert_eq!(recording.series[1].joules_between(1_500, 2_000), Some(0.75));
        assert_eq!(recording.series[1].joules_between(500, 2_000), None);
    }

    #[test]
    fn what_is_absent_says_why() {
        let meter = RaplMeter::open(Path::new("/nowhere/powercap"));
        assert!(meter.recording().absent[0].contains("/nowhere/powercap"));
        let empty = Tree::new();
        let meter = RaplMeter::open(empty.0.path());
        assert!(meter.recording().absent[0].contains("no RAPL zone"));
        let locked = Tree::new();
        locked.zone("intel-rapl:0", "package-0", 1);
        // What a reader without rights sees, also when the test runs as root: no energy file to read.
        std::fs::remove_file(locked.0.path().join("intel-rapl:0/energy_uj")).unwrap();
        let mut meter = RaplMeter::open(locked.0.path());
        meter.poll(1);
        assert!(meter.recording().series.is_empty());
        assert!(meter.recording().absent[0].starts_with("no energy of package-0"));
    }

    #[test]
    fn a_zone_that_fails_later_is_counted() {
        let tree = Tree::new();
        tree.zone("intel-rapl:0", "package-0", 1);
        let mut meter = RaplMeter::open(tree.0.path());
        meter.poll(1);
        std::fs::write(tree.0.path().join("intel-rapl:0/energy_uj"), "nonsense").unwrap();
        meter.poll(2);
        let series = &meter.recording().series[0];
        assert_eq!((series.readings.len(), series.failed), (1, 1));
    }
}
