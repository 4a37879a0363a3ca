//! Campaigns that measure energy, on a real Docker Engine with the GPU simulator in the library's place: the
//! program, the containers and the worker are the real ones; only the GPU is modelled.
//! `LEM_SKIP_DOCKER_TESTS=1` skips all, loudly.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/campaign_files.rs"]
mod campaign_files;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/nvml_sim.rs"]
mod nvml_sim;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/session.rs"]
mod session;

#[path = "docker_energy/gaps.rs"]
mod gaps;
#[path = "docker_energy/lab.rs"]
mod lab;
#[path = "docker_energy/leaks.rs"]
mod leaks;
#[path = "docker_energy/loads.rs"]
mod loads;
#[path = "docker_energy/neighbours.rs"]
mod neighbours;
#[path = "docker_energy/refusals.rs"]
mod refusals;
#[path = "docker_energy/throttling.rs"]
mod throttling;
#[path = "docker_energy/windows.rs"]
mod windows;
