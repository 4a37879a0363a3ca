//! One line of `lemctl check`.

use serde::Serialize;

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it must be.
    Pass,
    /// Not as it should be; a campaign can run all the same.
    Warn,
    /// A campaign cannot run.
    Fail,
}

impl Status {
    /// The word that is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckLine {
    /// What was looked at: stable, for scripts.
    pub name: String,
    /// How it stands.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// The command or act that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl CheckLine {
    /// All is well.
    pub fn pass(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Pass,
            detail: detail.into(),
            fix: None,
        }
    }

    /// Worth knowing.
    pub fn warn(
        name: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            status: Status::Warn,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }

    /// In the way.
    pub fn fail(
        name: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            status: Status::Fail,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }
}

/// Whether a campaign could run.
#[must_use]
pub fn ready(lines: &[CheckLine]) -> bool {
    lines.iter().all(|line| line.status != Status::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fail_is_in_the_way() {
        let (pass, warn, fail) = (
            CheckLine::pass("a", ""),
            CheckLine::warn("a", "", ""),
            CheckLine::fail("a", "", ""),
        );
        assert!(ready(&[]) && ready(&[pass.clone(), warn.clone()]));
        assert!(!ready(&[pass, warn, fail]));
    }

    #[test]
    fn scripts_can_rely_on_the_form() {
        let line = CheckLine::warn("disk", "little", "free some");
        let json = serde_json::to_string(&line).unwrap();
        assert_eq!(
            json,
            r#"{"name":"disk","status":"warn","detail":"little","fix":"free some"}"#
        );
    }
}
