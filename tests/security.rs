//! What is written in SECURITY.md: a container, a file, a hub or a folder from a stranger means harm, and gets nowhere.
//! Where another test program holds a guard already, SECURITY.md names it. Docker's parts skip with
//! `LEM_SKIP_DOCKER_TESTS=1`.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/campaign_files.rs"]
mod campaign_files;
#[path = "support/campaigns.rs"]
mod campaigns;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/hub_server.rs"]
mod hub_server;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/machine.rs"]
mod machine;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/session.rs"]
mod session;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "models/shelf.rs"]
mod shelf;

#[path = "security/bombs.rs"]
mod bombs;
#[path = "security/cited.rs"]
mod cited;
#[path = "security/dependencies.rs"]
mod dependencies;
#[path = "security/modes.rs"]
mod modes;
#[path = "security/outbox.rs"]
mod outbox;
#[path = "security/secrets.rs"]
mod secrets;
#[path = "security/strangers.rs"]
mod strangers;
#[path = "security/terminal.rs"]
mod terminal;
