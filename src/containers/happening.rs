//! What befell a container, as the Engine noted it: also what somebody else had done to it.

use std::fmt;

use chrono::{DateTime, Utc};

/// Most happenings that one question brings.
pub const MAX_HAPPENINGS: usize = 256;
/// Longest text of one, in characters.
const MAX_TEXT: usize = 100;

/// One thing that befell a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When, by the Engine's wall clock.
    pub at: DateTime<Utc>,
    /// The Engine's word for it: `pause`, `update`, `exec_start`, …
    pub action: String,
    /// What stands behind the word: the command of an exec. Untrusted text, cut and without control characters.
    pub detail: String,
    /// The exec that it is about.
    pub exec: Option<String>,
}

impl Happening {
    /// From the Engine's words, `exec_start: /bin/sh -c …`.
    #[must_use]
    pub fn new(at: DateTime<Utc>, action: &str, exec: Option<String>) -> Self {
        let (word, detail) = action.split_once(':').unwrap_or((action, ""));
        let clean = |text: &str| -> String {
            let kept = text.trim().chars().take(MAX_TEXT);
            kept.map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect()
        };
        Self {
            at,
            action: clean(word),
            detail: clean(detail),
            exec,
        }
    }

    /// Whether it can change what runs in the container, or how. The rest looks from outside (`top`, `attach`,
    /// `export`) or changes a name.
    #[must_use]
    pub fn disturbs(&self) -> bool {
        const HARM: [&str; 14] = [
            "checkpoint",
            "commit",
            "die",
            "exec_start",
            "extract-to-dir",
            "kill",
            "oom",
            "pause",
            "restart",
            "restore",
            "start",
            "stop",
            "unpause",
            "update",
        ];
        HARM.contains(&self.action.as_str())
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail.as_str() {
            "" => f.write_str(&self.action),
            detail => write!(f, "{} `{detail}`", self.action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(action: &str) -> Happening {
        Happening::new(DateTime::UNIX_EPOCH, action, None)
    }

    #[test]
    fn a_command_is_cut_and_harmless() {
        let long = format!("exec_start: /bin/sh \u{1b}[2J{}", "x".repeat(500));
        let seen = happening(&long);
        assert_eq!(seen.action, "exec_start");
        assert!(
            seen.detail.starts_with("/bin/sh \u{fffd}[2J"),
            "{}",
            seen.detail
        );
        assert_eq!(seen.detail.chars().count(), MAX_TEXT);
        assert!(seen.to_string().starts_with("exec_start `/bin/sh"));
        assert_eq!(happening("pause").to_string(), "pause");
    }

    #[test]
    fn what_only_looks_does_not_disturb() {
        for quiet in [
            "rename",
            "top",
            "attach",
            "resize",
            "export",
            "exec_die",
            "archive-path",
        ] {
            assert!(!happening(quiet).disturbs(), "{quiet}");
        }
        for loud in ["pause", "update", "oom", "exec_start: /bin/sh", "kill"] {
            assert!(happening(loud).disturbs(), "{loud}");
        }
    }
}
