//! What the agent says about processes: the exit record of a worker, what a sweep did, what a probe
//! saw, and the exit codes that lemctl tells apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The container's exit code after SIGTERM or SIGINT from outside its PID namespace.
pub const AGENT_STOPPED: i32 = 0;
/// Exit code of an agent called with arguments that it does not know.
pub const AGENT_USAGE: i32 = 64;
/// The container's exit code after its lease passed: everything in it was killed.
pub const AGENT_LEASE_PASSED: i32 = 75;
/// Exit code of an agent that could not do what it was asked, for reasons of the system.
pub const AGENT_FAILED: i32 = 71;
/// The container's exit code when the agent refused to start; one line on stderr says why.
pub const AGENT_REFUSED: i32 = 78;
/// Exit code of the wrapper when the worker's program could not be started.
pub const WORKER_NOT_STARTED: i32 = 127;

/// Largest exit record, in bytes, that lemctl reads.
pub const MAX_EXIT_RECORD_BYTES: u64 = 16 * 1024;

/// Longest [name](is_name) in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// Whether `text` may name an attempt or a worker, and so a file or folder in the outbox: 1 to
/// [`MAX_NAME_BYTES`] of `A-Z a-z 0-9 . _ = -`, not `.` or `..`, and no leading dot or dash, so that it
/// can neither leave its folder, nor hide, nor be read as an option.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._=-".contains(&byte))
}

/// How a worker ended, written by the agent's wrapper into [`EXITS`](crate::EXITS). The only word on it
/// that counts: exec's own exit code can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExitRecord {
    /// The worker's id, as given to the wrapper.
    pub id: String,
    /// The worker's process id in the container.
    pub pid: u32,
    /// CLOCK_MONOTONIC when it was started.
    pub started_ns: u64,
    /// CLOCK_MONOTONIC when its end was seen.
    pub ended_ns: u64,
    /// Its exit code, unless a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Processes of its session that outlived it and were killed.
    pub leftovers: u32,
    /// How many processes of the container the kernel killed for lack of memory during its life; absent where the
    /// cgroup does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_kills: Option<u64>,
    /// Why its program could not be started; then the exit code is [`WORKER_NOT_STARTED`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepReport {
    /// Processes that were seen and are gone.
    pub swept: u32,
    /// Processes that were still there when the sweep gave up.
    pub left: u32,
}

/// How a container looks from inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeReport {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// CLOCK_MONOTONIC; it must be the host's.
    pub monotonic_ns: u64,
    /// The kernel's boot id; it must be the host's.
    pub boot_id: String,
    /// The lease as it reads in the container; absent when there is none that is valid.
    pub lease_ns: Option<u64>,
    /// Whether a file could be made in the outbox.
    pub outbox_writable: bool,
    /// Whether the root file system is mounted for writing.
    pub root_writable: bool,
    /// Effective capabilities: 16 hex digits.
    pub cap_eff: String,
    /// Whether the process can gain no privileges.
    pub no_new_privs: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for good in ["a", "w-0001", "vllm.tp=2_x", &"n".repeat(MAX_NAME_BYTES)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "-rf",
            "a/b",
            "../x",
            "a b",
            "a\0",
            "é",
            "a\n",
            &"n".repeat(MAX_NAME_BYTES + 1),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn an_exit_record_with_a_field_too_many_is_refused() {
        let good = r#"{"id":"w","pid":7,"started_ns":1,"ended_ns":2,"exit_code":0,"signal":null,"leftovers":0}"#;
        let record: ExitRecord = serde_json::from_str(good).unwrap();
        assert_eq!(
            (record.exit_code, record.signal, record.error),
            (Some(0), None, None)
        );
        assert_eq!(record.memory_kills, None, "older agents do not say");
        let bad = good.replace("\"pid\"", "\"verdict\":\"accepted\",\"pid\"");
        assert!(serde_json::from_str::<ExitRecord>(&bad).is_err());
    }
}
