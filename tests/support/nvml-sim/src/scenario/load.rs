//! What loads a GPU: logs of workers that run now, a list of segments, or a recorded trace.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// At most one of `logs`, `scenario` and `trace`; none is an idle GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// A folder whose `<campaign>/<backend>/outbox/gpu/*.log` workers write: see [`crate::logs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<PathBuf>,
    /// Segments, one after the other from the initialisation on; then idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Vec<Segment>>,
    /// Only with `scenario`: after the last segment comes the first.
    pub repeat: bool,
    /// A CSV file with the columns `t_s,watts` (and that header): true power from each row's time until
    /// the next row's; before the first row and after the last the GPU is bare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,
}

impl Load {
    /// Load from logs.
    #[must_use]
    pub fn logs(folder: impl Into<PathBuf>) -> Self {
        Self {
            logs: Some(folder.into()),
            ..Self::default()
        }
    }

    /// These segments once.
    #[must_use]
    pub fn once(segments: Vec<Segment>) -> Self {
        Self {
            scenario: Some(segments),
            ..Self::default()
        }
    }

    /// These segments for ever.
    #[must_use]
    pub fn repeating(segments: Vec<Segment>) -> Self {
        Self {
            repeat: true,
            ..Self::once(segments)
        }
    }
}

/// A time in which the load does not change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// How long.
    pub for_s: f64,
    /// Share of full load, 0 to 1.
    #[serde(default)]
    pub busy: f64,
    /// Memory that the process holds.
    #[serde(default)]
    pub mib: u64,
    /// The process. Absent: nobody, the GPU is bare (`busy` and `mib` must be 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

impl Segment {
    /// Nobody for so long.
    #[must_use]
    pub fn bare(for_s: f64) -> Self {
        Self {
            for_s,
            ..Self::default()
        }
    }

    /// Process `pid` holds `mib` and computes at `busy` for so long.
    #[must_use]
    pub fn of(pid: u32, mib: u64, busy: f64, for_s: f64) -> Self {
        Self {
            for_s,
            busy,
            mib,
            pid: Some(pid),
        }
    }
}
