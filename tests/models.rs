//! Models had by the real program in real `fetch` containers, from a hub on this machine or drawn from a seed, and
//! campaigns on them. `LEM_SKIP_DOCKER_TESTS=1` skips all, loudly.
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
#[path = "support/hub_server.rs"]
mod hub_server;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "docker_engines/lab.rs"]
mod lab;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;

#[path = "models/campaigns.rs"]
mod campaigns;
#[path = "models/local.rs"]
mod local;
#[path = "models/pulls.rs"]
mod pulls;
#[path = "models/shelf.rs"]
mod shelf;
