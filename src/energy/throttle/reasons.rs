//! NVML's clock event reasons: a set of bits, each with its name.

/// Nothing runs: clocks are lowered.
pub const GPU_IDLE: u64 = 0x1;
/// Clocks were set by someone.
pub const APPLICATION_CLOCKS: u64 = 0x2;
/// Clocks keep the power below its limit.
pub const POWER_CAP: u64 = 0x4;
/// Hardware halves the clocks: temperature, power brake, or too fast a rise of power.
pub const HARDWARE_SLOWDOWN: u64 = 0x8;
/// Clocks follow the slowest of a boost group.
pub const SYNC_BOOST: u64 = 0x10;
/// The driver lowers clocks against temperature.
pub const SOFTWARE_THERMAL: u64 = 0x20;
/// Hardware lowers clocks against temperature.
pub const HARDWARE_THERMAL: u64 = 0x40;
/// The power supply demands lower clocks.
pub const POWER_BRAKE: u64 = 0x80;
/// Clocks follow a display's setting.
pub const DISPLAY_CLOCKS: u64 = 0x100;

const NAMES: [(u64, &str); 9] = [
    (GPU_IDLE, "gpu_idle"),
    (APPLICATION_CLOCKS, "application_clocks"),
    (POWER_CAP, "power_cap"),
    (HARDWARE_SLOWDOWN, "hardware_slowdown"),
    (SYNC_BOOST, "sync_boost"),
    (SOFTWARE_THERMAL, "software_thermal"),
    (HARDWARE_THERMAL, "hardware_thermal"),
    (POWER_BRAKE, "power_brake"),
    (DISPLAY_CLOCKS, "display_clocks"),
];

/// The names of the bits that are set, ascending; bits that this version does not know by their value.
#[must_use]
pub fn names(reasons: u64) -> Vec<String> {
    (0..64)
        .map(|bit| 1_u64 << bit)
        .filter(|bit| reasons & bit != 0)
        .map(|bit| {
            NAMES.iter().find(|(known, _)| *known == bit).map_or_else(
                || format!("unknown_{bit:#x}"),
                |(_, name)| (*name).to_owned(),
            )
        })
        .collect()
}
