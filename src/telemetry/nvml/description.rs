//! What describes a GPU and does not change by itself.

use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureThreshold};

use super::answers::Parts;
use super::devices::Known;
use super::library::Library;
use crate::telemetry::{
    Clocks, GpuSnapshot, Partial, PcieLink, PowerLimits, TemperatureThresholds,
};

/// The snapshot of the device `uuid`.
pub(super) fn snapshot(library: &Library, uuid: &str, known: &Known) -> Partial<GpuSnapshot> {
    let gpu = known.whole.device(library);
    let own = known.own.device(library);
    let mut parts = Parts::default();
    let memory = super::dynamic::memory(library, known.own);
    let mig = gpu.mig_mode().ok();
    let value = GpuSnapshot {
        uuid: uuid.to_owned(),
        name: parts.part("name", own.name()).unwrap_or_default(),
        parent: known.parent_uuid.clone(),
        index: parts.part("index", gpu.index()),
        vbios: parts.part("vbios", gpu.vbios_version()),
        board_part_number: parts.part("board_part_number", gpu.board_part_number()),
        compute_capability: parts
            .part("compute_capability", gpu.cuda_compute_capability())
            .map(|version| format!("{}.{}", version.major, version.minor)),
        memory_total_bytes: parts.take(memory).map(|memory| memory.total_bytes),
        power_limits: power_limits(&gpu, &mut parts),
        thresholds: thresholds(&gpu, &mut parts),
        persistence: parts.part("persistence", gpu.is_in_persistent_mode()),
        ecc: parts
            .part("ecc", gpu.is_ecc_enabled())
            .map(|mode| mode.currently_enabled),
        // A GPU without MIG refuses the question, which is an answer and no error.
        mig: mig.map(|mode| mode.current == 1),
        clocks: Clocks {
            max_sm_mhz: parts.part("max_sm_clock", gpu.max_clock_info(Clock::SM)),
            max_memory_mhz: parts.part("max_memory_clock", gpu.max_clock_info(Clock::Memory)),
            // Gone from new GPUs and drivers: absent, and no error.
            application_sm_mhz: gpu.applications_clock(Clock::SM).ok(),
            application_memory_mhz: gpu.applications_clock(Clock::Memory).ok(),
        },
        pcie: PcieLink {
            max_generation: parts.part("pcie_generation", gpu.max_pcie_link_gen()),
            max_width: parts.part("pcie_width", gpu.max_pcie_link_width()),
        },
    };
    Partial {
        value,
        errors: parts.errors,
    }
}

fn power_limits(gpu: &nvml_wrapper::Device<'_>, parts: &mut Parts) -> PowerLimits {
    let watts = |milliwatts: u32| f64::from(milliwatts) / 1e3;
    let range = parts.part(
        "power_limit_range",
        gpu.power_management_limit_constraints(),
    );
    PowerLimits {
        enforced_watts: parts
            .part("enforced_limit", gpu.enforced_power_limit())
            .map(watts),
        requested_watts: parts
            .part("requested_limit", gpu.power_management_limit())
            .map(watts),
        default_watts: parts
            .part("default_limit", gpu.power_management_limit_default())
            .map(watts),
        min_watts: range.as_ref().map(|range| watts(range.min_limit)),
        max_watts: range.as_ref().map(|range| watts(range.max_limit)),
    }
}

fn thresholds(gpu: &nvml_wrapper::Device<'_>, parts: &mut Parts) -> TemperatureThresholds {
    let mut read = |call, which| parts.part(call, gpu.temperature_threshold(which));
    TemperatureThresholds {
        slowdown_celsius: read("slowdown_threshold", TemperatureThreshold::Slowdown),
        shutdown_celsius: read("shutdown_threshold", TemperatureThreshold::Shutdown),
        max_operating_celsius: read("max_operating_threshold", TemperatureThreshold::GpuMax),
        memory_max_celsius: read("memory_max_threshold", TemperatureThreshold::MemoryMax),
    }
}
