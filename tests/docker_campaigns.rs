//! Campaigns on a real Docker Engine, through the real program, as a normal user: what the list of
//! faults asks of them. `LEM_SKIP_DOCKER_TESTS=1` skips all, loudly.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[path = "support/campaign_files.rs"]
mod campaign_files;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/session.rs"]
mod session;

#[path = "docker_campaigns/arrivals.rs"]
mod arrivals;
#[path = "docker_campaigns/down.rs"]
mod down;
#[path = "docker_campaigns/edits.rs"]
mod edits;
#[path = "docker_campaigns/failures.rs"]
mod failures;
#[path = "docker_campaigns/kills.rs"]
mod kills;
#[path = "docker_campaigns/losses.rs"]
mod losses;
#[path = "docker_campaigns/privilege.rs"]
mod privilege;
#[path = "docker_campaigns/stops.rs"]
mod stops;
#[path = "docker_campaigns/tampering.rs"]
mod tampering;
#[path = "docker_campaigns/unreadable.rs"]
mod unreadable;
#[path = "docker_campaigns/whole.rs"]
mod whole;
