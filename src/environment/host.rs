//! Facts of the host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Digest;

/// Salt of the machine id's hash: keeps it from being looked up in other tools' hashes.
const MACHINE_SALT: &str = "org.lemctl.host.v1";

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// First 16 hex digits of the salted hash of the machine id; `unknown` without one.
    pub id: String,
    /// Kernel release.
    pub kernel: String,
    /// CPU model as the kernel names it.
    pub cpu_model: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// Frequency governor of the first CPU, if the kernel tells.
    pub cpu_governor: Option<String>,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// NVIDIA driver, if loaded.
    pub nvidia_driver: Option<String>,
    /// The kernel's boot id: monotonic times compare only within one.
    pub boot_id: String,
}

impl Host {
    /// Looks at this host. What cannot be read is `unknown`, 0 or none: it never fails.
    #[must_use]
    pub fn observe() -> Self {
        let machine = line("/etc/machine-id").or_else(|| line("/var/lib/dbus/machine-id"));
        let id =
            machine.map(|id| Digest::of(format!("{MACHINE_SALT}:{id}").as_bytes()).to_string());
        Self {
            id: id.map_or_else(unknown, |hash| hash[..16].to_owned()),
            kernel: line("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            cpu_model: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            cpu_governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            memory_bytes: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok())
                .map_or(0, |kib| kib * 1024),
            nvidia_driver: line("/sys/module/nvidia/version"),
            boot_id: line("/proc/sys/kernel/random/boot_id").unwrap_or_else(unknown),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned()).filter(|line| !line.is_empty())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_host_without_naming_it() {
        let host = Host::observe();
        assert!(host.cpus > 0 && host.memory_bytes > 0);
        assert_ne!(host.boot_id, "unknown");
        if let Some(machine) = line("/etc/machine-id") {
            assert!(
                !serde_json::to_string(&host)
                    .expect("writes")
                    .contains(&machine)
            );
        }
    }
}
