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
mod tests {
    use super::*;

    const BASE: u64 = 480 * 1024 * 1024;

    fn process(pid: u32, container: Option<&str>, mib: u64) -> Occupant {
        Occupant {
            pid,
            owner: container.map_or(OccupantOwner::Host, |id| {
                OccupantOwner::Container(id.to_owned())
            }),
            command: Some("python3".to_owned()),
            used_bytes: Some(mib << 20),
        }
    }

    fn occupied(extra_mib: u64, occupants: &[Occupant]) -> Occupied {
        Occupied {
            gpu: "GPU-a".to_owned(),
            used_bytes: Some(BASE + (extra_mib << 20)),
            occupants: occupants.to_vec(),
        }
    }

    fn judge(before: &Occupied, after: &Occupied) -> LeakVerdict {
        let ours = ["aaaa".to_owned()];
        LeakRule {
            tolerance_mib: 64,
            ours: &ours,
        }
        .judge(before, after)
    }

    #[test]
    fn what_stays_within_the_tolerance_is_clean() {
        let before = occupied(0, &[]);
        for (extra, clean) in [(0, true), (64, true), (65, false)] {
            let verdict = judge(&before, &occupied(extra, &[]));
            assert_eq!(
                matches!(verdict, LeakVerdict::Clean { .. }),
                clean,
                "{extra}: {verdict:?}"
            );
        }
        let lower = judge(&occupied(100, &[]), &before);
        assert_eq!(
            lower,
            LeakVerdict::Clean {
                grown_mib: Some(-100.0)
            }
        );
    }

    #[test]
    fn what_our_containers_leave_is_ours() {
        let before = occupied(0, &[]);
        let left = process(7, Some("aaaa"), 2);
        assert_eq!(
            judge(&before, &occupied(2, std::slice::from_ref(&left))),
            LeakVerdict::Ours {
                grown_mib: Some(2.0),
                occupants: vec![left]
            },
            "a process that is left is a leak, however small"
        );
        assert_eq!(
            judge(&before, &occupied(700, &[])),
            LeakVerdict::Ours {
                grown_mib: Some(700.0),
                occupants: vec![]
            }
        );
    }

    #[test]
    fn a_stranger_weighs_more_than_a_leak() {
        let (ours, theirs) = (process(7, Some("aaaa"), 500), process(8, Some("bbbb"), 1));
        let verdict = judge(&occupied(0, &[]), &occupied(501, &[ours, theirs.clone()]));
        assert_eq!(
            verdict,
            LeakVerdict::Foreign {
                grown_mib: Some(501.0),
                occupants: vec![theirs]
            }
        );
        for owner in [OccupantOwner::Host, OccupantOwner::Unknown] {
            let one = Occupant {
                owner,
                ..process(9, None, 1)
            };
            assert!(matches!(
                judge(&occupied(0, &[]), &occupied(1, &[one])),
                LeakVerdict::Foreign { .. }
            ));
        }
    }

    #[test]
    fn a_stranger_that_was_there_and_grew_is_named_for_its_own_growth_only() {
        let then = process(8, None, 100);
        let grew = process(8, None, 600);
        let before = occupied(100, std::slice::from_ref(&then));
        assert!(matches!(
            judge(&before, &occupied(600, &[grew])),
            LeakVerdict::Foreign { .. }
        ));
        assert!(matches!(
            judge(&before, &occupied(600, std::slice::from_ref(&then))),
            LeakVerdict::Ours { .. }
        ));
    }

    #[test]
    fn a_pid_that_another_now_has_is_new() {
        let before = occupied(0, &[process(7, Some("aaaa"), 1)]);
        assert!(matches!(
            judge(&before, &occupied(0, &[process(7, Some("bbbb"), 1)])),
            LeakVerdict::Foreign { .. }
        ));
    }

    #[test]
    fn memory_that_cannot_be_read_leaves_the_processes() {
        let blind = Occupied {
            used_bytes: None,
            ..occupied(0, &[])
        };
        assert_eq!(
            judge(&occupied(0, &[]), &blind),
            LeakVerdict::Clean { grown_mib: None }
        );
    }

    #[test]
    fn occupants_are_named_with_pid_command_and_container() {
        let id = "3f2a".repeat(16);
        assert_eq!(
            process(4711, Some(&id), 1).describe(),
            "pid 4711 (python3) in container 3f2a3f2a3f2a"
        );
        assert_eq!(
            process(4711, None, 1).describe(),
            "pid 4711 (python3) on the host"
        );
    }
}
