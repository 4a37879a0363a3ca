//! A process on a GPU: when it is there, how busy, with how much memory, and how its end is seen later
//! than it happens.

use crate::noise;
use crate::scenario::MemorySpec;

/// What a process does from a moment on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// False: it ends here.
    pub present: bool,
    /// Share of full load, 0 to 1.
    pub busy: f64,
    /// Memory held.
    pub bytes: u64,
    /// The GPU's true power, where it is known instead of the load (a trace).
    pub watts: Option<f64>,
}

impl Change {
    /// It computes and holds memory.
    #[must_use]
    pub fn load(at_ns: u64, busy: f64, bytes: u64) -> Self {
        Self {
            at_ns,
            present: true,
            busy,
            bytes,
            watts: None,
        }
    }

    /// It ends.
    #[must_use]
    pub fn end(at_ns: u64) -> Self {
        Self {
            present: false,
            ..Self::load(at_ns, 0.0, 0)
        }
    }
}

/// What is to be seen of a process at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct View {
    /// It lives.
    pub present: bool,
    /// It stands in the process list, and its context is there.
    pub listed: bool,
    /// Share of full load.
    pub busy: f64,
    /// Memory that counts as used.
    pub bytes: u64,
    /// See [`Change::watts`].
    pub watts: Option<f64>,
}

/// A process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its host pid; None is no process but a load without one.
    pub pid: Option<u32>,
    /// Its number among the load logs, from 1.
    pub log: Option<usize>,
    memory: MemorySpec,
    seed: u64,
    changes: Vec<Change>,
}

impl Process {
    /// A process that has done nothing yet.
    #[must_use]
    pub fn new(pid: Option<u32>, log: Option<usize>, memory: MemorySpec, seed: u64) -> Self {
        Self {
            pid,
            log,
            memory,
            seed,
            changes: Vec::new(),
        }
    }

    /// It changes. Times only grow: an earlier one counts as the last.
    pub fn push(&mut self, mut change: Change) {
        if let Some(last) = self.changes.last() {
            change.at_ns = change.at_ns.max(last.at_ns);
            if !last.present && !change.present {
                return;
            }
            if last.at_ns == change.at_ns && last.present {
                self.changes.pop();
            }
        } else if !change.present {
            return;
        }
        self.changes.push(change);
    }

    /// What is to be seen of it.
    #[must_use]
    pub fn view(&self, at_ns: u64) -> View {
        let count = self.changes.partition_point(|change| change.at_ns <= at_ns);
        let Some(now) = count.checked_sub(1).map(|index| self.changes[index]) else {
            return View::default();
        };
        if now.present {
            return View {
                present: true,
                listed: self.pid.is_some(),
                busy: now.busy,
                bytes: now.bytes,
                watts: now.watts,
            };
        }
        let (unlisted_ns, returned_ns) = self.aftermath(now.at_ns);
        let held = count
            .checked_sub(2)
            .map_or(0, |index| self.changes[index].bytes);
        View {
            listed: self.pid.is_some() && at_ns < unlisted_ns,
            bytes: if at_ns < returned_ns { held } else { 0 },
            ..View::default()
        }
    }

    /// Whether it has ended by then.
    #[must_use]
    pub fn has_ended(&self, at_ns: u64) -> bool {
        let count = self.changes.partition_point(|change| change.at_ns <= at_ns);
        count > 0 && !self.changes[count - 1].present
    }

    /// Moments from `from_ns` to `until_ns` at which the GPU's state can change through it.
    pub(crate) fn moments(&self, from_ns: u64, until_ns: u64) -> impl Iterator<Item = u64> + '_ {
        let longest_ns = (self.memory.returns_after_ms[1] * 1e6) as u64;
        let first = self
            .changes
            .partition_point(|change| change.at_ns.saturating_add(longest_ns) < from_ns);
        self.changes[first..]
            .iter()
            .take_while(move |change| change.at_ns <= until_ns)
            .flat_map(|change| {
                let after = (!change.present).then(|| self.aftermath(change.at_ns).0);
                [Some(change.at_ns), after]
            })
            .flatten()
            .filter(move |at_ns| (from_ns..=until_ns).contains(at_ns))
    }

    /// Forgets what it did before a moment; the state then stays.
    pub(crate) fn forget(&mut self, before_ns: u64) {
        let past = self
            .changes
            .partition_point(|change| change.at_ns <= before_ns);
        // Two stay: an end needs what was held before it.
        self.changes.drain(..past.saturating_sub(2));
    }

    /// After an end: when it leaves the list, and when its memory is back.
    fn aftermath(&self, end_ns: u64) -> (u64, u64) {
        let stream = u64::from(self.pid.unwrap_or(0));
        let back_ms = noise::within(self.memory.returns_after_ms, self.seed, stream, end_ns);
        let unlisted_ms = back_ms - self.memory.unlisted_before_ms;
        let after = |ms: f64| end_ns.saturating_add((ms * 1e6) as u64);
        (after(unlisted_ms), after(back_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_seen_late_and_memory_later() {
        for seed in 0..50 {
            let mut process = Process::new(Some(9), None, MemorySpec::default(), seed);
            process.push(Change::load(1_000, 0.5, 77));
            process.push(Change::end(1_000_000_000));
            assert_eq!(process.view(999), View::default());
            assert_eq!(process.view(1_000).busy, 0.5);
            let (unlisted, back) = process.aftermath(1_000_000_000);
            assert!((1_083_000_000..=1_123_000_000).contains(&back), "{back}");
            assert!((back - unlisted).abs_diff(50_000_000) <= 1, "{unlisted}");
            let dead = process.view(unlisted - 1);
            assert!(!dead.present && dead.listed && dead.bytes == 77 && dead.busy == 0.0);
            let unlisted_view = process.view(unlisted);
            assert!(!unlisted_view.listed && unlisted_view.bytes == 77);
            assert_eq!(process.view(back), View::default());
            assert!(process.has_ended(back) && !process.has_ended(1_000));
            let moments: Vec<u64> = process.moments(2_000, back).collect();
            assert_eq!(moments, [1_000_000_000, unlisted]);
        }
    }
}
