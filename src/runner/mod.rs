//! Driving a campaign: decide → append intent → fsync → act → append outcome → fsync → tell the sinks.
//!
//! The runner acts; what comes next is decided in `execution`, what things mean is judged in `energy`
//! and `worker`. It knows the container engine only as a trait and never prints.

mod agent;
mod assess;
mod attempt;
pub mod audit;
mod changes;
pub mod characterise;
mod containers;
mod device_nodes;
mod disturbed;
mod engines;
mod error;
mod gap;
mod gpu_energy;
mod gpu_hold;
mod idle;
pub mod images;
mod lease;
mod live;
mod lost;
pub mod models;
mod need;
mod occupancy;
mod open;
mod phases;
mod power;
pub mod prerequisites;
mod probed;
pub mod project;
mod recheck;
mod reconcile;
mod session;
mod setting;
pub mod setup;
pub mod space;
mod stop;
mod storing;
mod strays;
mod talk;
mod unfinished;
mod verified;
mod warming;
mod window_notes;
mod worker_codes;

pub use changes::{Changes, drift};
pub use error::RunnerError;
pub use gpu_hold::{hold_gpus, lock_names};
pub use lease::Lease;
pub use need::Need;
pub use open::{Opened, Planned, create, fingerprint, reopen, replayed};
pub use power::Power;
pub use reconcile::{Cleared, LeftOver, hold_campaign, left_over, remove_left_over};
pub use session::{Ended, Runner};
pub use setting::{Identity, Setting};
pub use stop::{StopSignal, Stopper};
pub use strays::{remove_fetches, standing};
pub use unfinished::remove_unborn;
pub use verified::verified;
