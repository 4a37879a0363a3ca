//! The fault suite: what really happens to a campaign (a daemon that dies, a container that is taken away, a full
//! disk, a lost GPU, a killed lemctl), done to the real program on a real Docker Engine. docs/reliability.md
//! has the table: each fault, how it is injected, what is guaranteed and the test that shows it.
//!
//! After every fault the guarantees of `support/guarantees.rs` are asked. `LEM_SKIP_DOCKER_TESTS=1` skips what
//! needs an Engine, loudly; what needs root says so where it is skipped.
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
#[path = "support/guarantees.rs"]
mod guarantees;
#[path = "support/hostile.rs"]
mod hostile;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "docker_energy/lab.rs"]
mod lab;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/nvml_sim.rs"]
mod nvml_sim;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/private_daemon.rs"]
mod private_daemon;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/session.rs"]
mod session;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/socket_proxy.rs"]
mod socket_proxy;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/watched_journal.rs"]
mod watched_journal;

#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/crash.rs"]
mod crash;
#[path = "faults/daemon.rs"]
mod daemon;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/gpu.rs"]
mod gpu;
#[path = "faults/outside.rs"]
mod outside;
#[path = "faults/prerequisites.rs"]
mod prerequisites;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "faults/worker.rs"]
mod worker;
