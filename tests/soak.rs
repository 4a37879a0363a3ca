//! Long runs of the real program on a real Docker Engine: lemctl killed at random moments until its campaign is
//! done, and many runs and execs in one life, which must leave memory, descriptors, threads and shims as they were.
//!
//! A short turn of each stands in `make test`; `make soak` makes the long ones, with a line for each seed and the
//! figures of docs/reliability.md. `LEM_SKIP_DOCKER_TESTS=1` skips all, loudly.
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

#[path = "soak/asked.rs"]
mod asked;
#[path = "soak/course.rs"]
mod course;
#[path = "soak/growth.rs"]
mod growth;
#[path = "soak/kills.rs"]
mod kills;
#[path = "soak/left.rs"]
mod left;
#[path = "soak/look.rs"]
mod look;
#[path = "soak/own_image.rs"]
mod own_image;
