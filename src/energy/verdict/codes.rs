//! Codes of flags and rejections: stable names that scripts can rely on. docs/verdicts.md explains each; a test
//! holds the page against this list.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $code;)+

        /// Every code of this module.
        pub const ALL: &[&str] = &[$($code),+];
    };
}

codes! {
    /// Flag: the record names another version of the backend than the catalogue pins.
    BACKEND_VERSION_DIFFERS = "backend_version_differs";
    /// Rejection: the campaign requires a baseline and the run has none.
    BASELINE_MISSING = "baseline_missing";
    /// Flag: the resident power before and after the window differ by more than `rules.baseline_watts`.
    BASELINE_UNSTABLE = "baseline_unstable";
    /// Rejection: somebody else paused or changed the container during the run, or ran something in it.
    CONTAINER_DISTURBED = "container_disturbed";
    /// Flag: the spread over the cycles is above `rules.cycle_cv`.
    CYCLE_CV_HIGH = "cycle_cv_high";
    /// Flag: the drift over the cycles is above `rules.cycle_drift`.
    CYCLE_DRIFT_HIGH = "cycle_drift_high";
    /// Flag: a GPU was to be measured and the window has no energy; the result says why.
    ENERGY_MISSING = "energy_missing";
    /// Flag: counter and waveform differ by more than `rules.source_agreement`.
    ENERGY_SOURCES_DISAGREE = "energy_sources_disagree";
    /// Flag: what the environment is made of changed since the run's experiment was first measured.
    ENVIRONMENT_DRIFTED = "environment_drifted";
    /// Rejection: a process that is none of the campaign's used a GPU during the run.
    FOREIGN_PROCESS = "foreign_process";
    /// Flag: the gap before the run ended at `execution.gap.max_seconds`, unsettled.
    GAP_CAPPED = "gap_capped";
    /// Flag: after the run something of the campaign's own was left on a GPU.
    GPU_MEMORY_LEAKED = "gpu_memory_leaked";
    /// Rejection: a GPU stopped answering during the run.
    GPU_LOST = "gpu_lost";
    /// Rejection: figures of the result contradict each other or the GPU's power limit.
    IDENTITY_VIOLATED = "identity_violated";
    /// Flag: in an open loop, requests that were due in the window had not finished when the drain was over.
    LATENCIES_INCOMPLETE = "latencies_incomplete";
    /// Flag, or rejection by `rules.coherent`: the load's period is coherent with the sensor's.
    LOAD_COHERENT = "load_coherent_with_sensor";
    /// Flag: the engine holds another value of some parameter than was asked for.
    PARAMETERS_CHANGED = "parameters_changed";
    /// Flag: the GPU is a MIG device and the energy is its whole GPU's.
    PARENT_GPU_ENERGY = "parent_gpu_energy";
    /// Flag: the GPU was at its power limit for some of the window.
    POWER_CAPPED = "power_capped";
    /// Flag: in an open loop the queue grew: requests came faster than they were served.
    SATURATED = "saturated";
    /// Flag: the window ran under a profiler, which disturbs times and energy.
    PROFILED = "profiled";
    /// Flag: readings come from the simulator.
    SIMULATED = "simulated";
    /// Flag: the window did not keep the campaign's `slo`.
    SLO_MISSED = "slo_missed";
    /// Rejection: thermal slowdown or power brake.
    THERMAL_THROTTLING = "thermal_throttling_detected";
    /// Flag: heat or brake was sampled, and the driver's counters did not move.
    THROTTLING_SOURCES_DISAGREE = "throttling_sources_disagree";
    /// Flag: nothing tells whether the GPU was held back.
    THROTTLING_UNKNOWN = "throttling_unknown";
    /// Flag, and rejection under `warmup.strict`: the warm-up ended at `warmup.max_seconds`, unsettled.
    WARMUP_CAPPED = "warmup_capped";
    /// Flag: the window is shorter than its kind needs.
    WINDOW_TOO_SHORT = "window_too_short";
    /// Flag: an interval over cycles spans fewer than three engine loads.
    WITHIN_LOAD = "within_load";
    /// Flag: the driver reported an Xid error during the run.
    XID_REPORTED = "xid_reported";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    const PAGE: &str = include_str!("../../../docs/verdicts.md");

    #[test]
    fn the_page_explains_every_code_once() {
        for code in ALL {
            let heading = format!("\n### `{code}`");
            assert_eq!(PAGE.matches(&heading).count(), 1, "{code}");
        }
    }

    #[test]
    fn codes_are_unique_and_in_snake_case() {
        let mut sorted = ALL.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), ALL.len());
        assert!(ALL.iter().all(|code| {
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        }));
    }
}
