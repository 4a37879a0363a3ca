//! Having GPUs for oneself among the lemctls of a host, now or once they are free.

use std::time::Duration;

use crate::clock::Clock;
use crate::environment::{GpuLockError, GpuLocks, LockFolder};
use crate::telemetry::{GpuSnapshot, LibraryInfo};
use crate::units::Digest;

/// How often a GPU that another lemctl holds is looked at.
const AGAIN: Duration = Duration::from_millis(500);

/// What is locked for these GPUs: a MIG device's whole GPU, since power and heat are the whole GPU's. A simulated GPU is
/// one of its library's and `scenario`'s, not of the host.
#[must_use]
pub fn lock_names(library: &LibraryInfo, scenario: &str, gpus: &[GpuSnapshot]) -> Vec<String> {
    let whole = |gpu: &GpuSnapshot| gpu.parent.clone().unwrap_or_else(|| gpu.uuid.clone());
    let place = library.simulated.then(|| {
        let machine = format!("{}\n{scenario}", library.path);
        Digest::of(machine.as_bytes()).short(8)
    });
    let named = gpus.iter().map(whole).map(|uuid| match &place {
        Some(place) => format!("{uuid}-simulated-{place}"),
        None => uuid,
    });
    named.collect()
}

/// Takes the locks of GPUs; where another lemctl holds one, waits as long as `wait` says, and tells of it once.
///
/// # Errors
/// [`GpuLockError`]; a holder is the last one seen.
pub async fn hold_gpus(
    folder: &LockFolder,
    names: &[String],
    wait: Option<Duration>,
    clock: &dyn Clock,
    tell: &mut dyn FnMut(&str),
) -> Result<GpuLocks, GpuLockError> {
    let begun = clock.monotonic_ns();
    let mut told = false;
    loop {
        let held = match folder.take(names) {
            Err(error @ GpuLockError::Held { .. }) => error,
            taken => return taken,
        };
        let waited = Duration::from_nanos(clock.monotonic_ns().saturating_sub(begun));
        let Some(left) = wait.and_then(|wait| wait.checked_sub(waited)) else {
            return Err(held);
        };
        if !told {
            tell(&format!("waiting: {held}"));
            told = true;
        }
        tokio::time::sleep(AGAIN.min(left.max(Duration::from_millis(1)))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(path: &str, simulated: bool) -> LibraryInfo {
        LibraryInfo {
            path: path.to_owned(),
            driver_version: "1".to_owned(),
            nvml_version: None,
            cuda_driver_version: None,
            simulated,
        }
    }

    fn gpu(uuid: &str, parent: Option<&str>) -> GpuSnapshot {
        GpuSnapshot {
            uuid: uuid.to_owned(),
            parent: parent.map(str::to_owned),
            ..GpuSnapshot::default()
        }
    }

    #[test]
    fn a_mig_device_takes_its_whole_gpu() {
        let names = lock_names(
            &library("libnvidia-ml.so.1", false),
            "",
            &[gpu("MIG-1", Some("GPU-1")), gpu("GPU-2", None)],
        );
        assert_eq!(names, ["GPU-1", "GPU-2"]);
    }

    #[test]
    fn simulated_gpus_are_their_librarys() {
        let in_scenario = |path: &str, scenario| {
            lock_names(&library(path, true), scenario, &[gpu("GPU-1", None)])
        };
        let name = |path: &str| in_scenario(path, "");
        assert_ne!(name("/a/lib.so"), in_scenario("/a/lib.so", "/s.json"));
        assert_ne!(name("/a/lib.so"), name("/b/lib.so"));
        assert_eq!(name("/a/lib.so"), name("/a/lib.so"));
        assert!(name("/a/lib.so")[0].starts_with("GPU-1-simulated-"));
    }
}
