//! Campaigns on a real engine, in a real container, without a GPU: transformers on the CPU torch that
//! tests/support/cpu-torch makes an image of, through the pytorch image's own Dockerfile.
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
#[path = "support/project.rs"]
mod project;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/session.rs"]
mod session;

#[path = "docker_engines/failures.rs"]
mod failures;
#[path = "docker_engines/lab.rs"]
mod lab;
#[path = "docker_engines/whole.rs"]
mod whole;
