//! The contract of `GpuTelemetry`: one suite, run on the GPU simulator and, where the environment variable
//! `LEM_NVML_LIBRARY` names a real NVML (`libnvidia-ml.so.1`), on that too, on its first GPU. What holds here
//! is what the sampler and the runner rely on.
//!
//! Needs nothing of the source tree to run on the real library: the program can be copied to a GPU host
//! and started there as `nvml_contract real`. `nvml_contract real::sampler_figures --ignored --nocapture`
//! prints what sampling costs, one JSON line each.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "nvml_contract/description.rs"]
mod description;
#[path = "nvml_contract/energy.rs"]
mod energy;
#[path = "nvml_contract/faults.rs"]
mod faults;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/nvml_sim.rs"]
mod nvml_sim;
#[path = "nvml_contract/occupancy.rs"]
mod occupancy;
#[path = "nvml_contract/sampling.rs"]
mod sampling;
#[path = "nvml_contract/subject.rs"]
mod subject;

use subject::Subject;

/// Each clause becomes two tests.
macro_rules! contract {
    ($($part:ident::$clause:ident),* $(,)?) => {
        mod simulator { $(
            #[test]
            fn $clause() {
                super::$part::$clause(&super::subject::simulated());
            }
        )* }
        mod real { $(
            #[test]
            fn $clause() {
                super::on_the_real_one(super::$part::$clause);
            }
        )*
            #[test]
            #[ignore = "prints figures of a real GPU; takes 20 s"]
            fn sampler_figures() {
                super::on_the_real_one(super::sampling::figures);
            }
        }
    };
}

contract! {
    description::library_names_itself,
    description::every_gpu_is_listed,
    description::snapshot_is_complete,
    description::strangers_are_a_typed_error,
    energy::counter_steps_and_never_falls,
    energy::power_is_within_limits,
    energy::samples_ascend_and_are_of_now,
    energy::state_is_plausible,
    energy::violation_counters_count_nanoseconds,
    occupancy::memory_adds_up,
    occupancy::processes_are_consistent,
    occupancy::xid_events_never_wait,
    sampling::ten_readings_a_second,
    sampling::a_hundred_readings_a_second,
}

fn on_the_real_one(clause: impl Fn(&Subject)) {
    match subject::real() {
        Some(subject) => clause(&subject),
        None => subject::skipped(),
    }
}

#[test]
#[ignore = "prints figures of this machine; takes 20 s"]
fn sampler_figures() {
    sampling::figures(&subject::simulated());
}
