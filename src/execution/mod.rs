//! What has happened to a campaign and what comes next.
//!
//! [`State::apply`] is the one transition function: the runner calls it live, the journal's replay
//! calls it again, and both get the same state. [`decide`] looks at plan and state and names the next
//! thing to do. Pure: no I/O, no clock; who acts on a decision is not known here.

mod cause;
mod decide;
mod enough;
mod event;
mod notice;
mod retry;
mod state;
mod verdict;

pub use cause::{Blame, Cause, DISK, DISK_FULL, FOREIGN_PROCESS, GPU_LOST};
pub use decide::{Decision, decide, opens_breaker};
pub use event::{Event, Fingerprint};
pub use notice::{EventSink, Notice, Phase};
pub use retry::{Because, Tries};
pub use state::{IllegalEvent, MODEL_DIFFERENCE, Made, Placed, Retired, RunStatus, State, Tally};
pub use verdict::{Assessed, Attempt, Figures, Reason, ResultFile, Verdict};
