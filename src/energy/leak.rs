//! What is left on a GPU after a run: whether it is ours, a stranger's, or nothing. Knows names, not devices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// A process that holds a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Occupant {
    /// Its pid on the host.
    pub pid: u32,
    /// Where it lives.
    pub owner: OccupantOwner,
    /// Its command, as far as it can be read.
    pub command: Option<String>,
    /// Memory that it holds; none where the driver does not say.
    pub used_bytes: Option<u64>,
}

/// Where a process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OccupantOwner {
    /// In a container: its full id.
    Container(String),
    /// On the host.
    Host,
    /// Its cgroup could not be read.
    Unknown,
}

/// What holds one GPU at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupied {
    /// UUID of the GPU.
    pub gpu: String,
    /// Memory in use; none where it cannot be read.
    pub used_bytes: Option<u64>,
    /// Its processes.
    pub occupants: Vec<Occupant>,
}

/// How leaks are judged.
#[derive(Debug, Clone, Copy)]
pub struct LeakRule<'a> {
    /// Memory in MiB by which a GPU may stay above its reference.
    pub tolerance_mib: u64,
    /// Full ids of the campaign's containers.
    pub ours: &'a [String],
}

/// What is left on one GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "verdict", deny_unknown_fields)]
pub enum LeakVerdict {
    /// Nothing beyond the tolerance.
    Clean {
        /// MiB above the reference; negative below it; none where memory cannot be read.
        grown_mib: Option<f64>,
    },
    /// Something of the campaign's own containers: they are swept, then made anew.
    Ours {
        /// MiB above the reference.
        grown_mib: Option<f64>,
        /// Processes that are left; none where only memory is.
        occupants: Vec<Occupant>,
    },
    /// Something of a stranger's: it is named, stops the campaign and is never touched.
    Foreign {
        /// MiB above the reference.
        grown_mib: Option<f64>,
        /// The stranger's processes.
        occupants: Vec<Occupant>,
    },
}

impl LeakRule<'_> {
    /// Judges `after` against the reference `before`: of the container before any load (after a worker has ended), or
    /// the first resident level of the load (between runs of a living worker).
    ///
    /// A stranger weighs more than a leak of our own. Memory that grew without a new process is our own, unless
    /// a stranger that was there before holds at least half of the growth. Processes whose owner cannot be read
    /// count as strangers: ask again until the deadline before believing it, since a process that ends has none.
    #[must_use]
    pub fn judge(&self, before: &Occupied, after: &Occupied) -> LeakVerdict {
        let grown_mib = match (before.used_bytes, after.used_bytes) {
            (Some(before), Some(after)) => Some((after as f64 - before as f64) / MIB),
            _ => None,
        };
        let known = |pid: u32| before.occupants.iter().find(|occupant| occupant.pid == pid);
        let new = after
            .occupants
            .iter()
            .filter(|occupant| known(occupant.pid).is_none_or(|then| then.owner != occupant.owner));
        let (ours, mut foreign): (Vec<Occupant>, Vec<Occupant>) =
            new.cloned().partition(|occupant| self.is_ours(occupant));
        let too_much = grown_mib.is_some_and(|grown| grown > self.tolerance_mib as f64);
        if too_much && foreign.is_empty() {
            let half = grown_mib.unwrap_or(0.0) / 2.0;
            foreign = after
                .occupants
                .iter()
                .filter(|occupant| !self.is_ours(occupant))
                .filter(|occupant| {
                    let then = known(occupant.pid).and_then(|then| then.used_bytes);
                    match (then, occupant.used_bytes) {
                        (Some(then), Some(now)) => (now as f64 - then as f64) / MIB >= half,
                        _ => false,
                    }
                })
                .cloned()
                .collect();
        }
        if !foreign.is_empty() {
            LeakVerdict::Foreign {
                grown_mib,
                occupants: foreign,
            }
        } else if too_much || !ours.is_empty() {
            LeakVerdict::Ours {
                grown_mib,
                occupants: ours,
            }
        } else {
            LeakVerdict::Clean { grown_mib }
        }
    }

    /// Processes of others on a GPU that the campaign is about to use.
    #[must_use]
    pub fn strangers(&self, occupied: &Occupied) -> Vec<Occupant> {
        occupied
            .occupants
            .iter()
            .filter(|occupant| !self.is_ours(occupant))
            .cloned()
            .collect()
    }

    fn is_ours(&self, occupant: &Occupant) -> bool {
        matches!(&occupant.owner, OccupantOwner::Container(id) if self.ours.contains(id))
    }
}

impl Occupant {
    /// The process by name: `pid 4711 (python3) in container 3f2a…`.
    #[must_use]
    pub fn describe(&self) -> String {
        let command = self
            .command
            .as_deref()
            .map_or_else(String::new, |command| format!(" ({command})"));
        let place = match &self.owner {
            OccupantOwner::Container(id) => {
                format!(" in container {}", id.chars().take(12).collect::<String>())
            }
            OccupantOwner::Host => " on the host".to_owned(),
            OccupantOwner::Unknown => " of an unknown owner".to_owned(),
        };
        format!("pid {}{command}{place}", self.pid)
    }
}

#[cfg(test)]
mod tests;
