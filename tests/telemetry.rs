//! The sampler and its file on a made-up GPU whose answers the test decides, moment by moment.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "telemetry/fake.rs"]
mod fake;
#[path = "telemetry/file.rs"]
mod file;
#[path = "telemetry/sampler.rs"]
mod sampler;
