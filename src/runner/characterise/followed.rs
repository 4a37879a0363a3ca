//! A polled value from one poll to the next: when it changed, and which polls are kept though it did not.

use crate::energy::sensor::Observation;

/// Every so often a reading is kept though it did not change, ns.
const KEEP_NS: u64 = 20_000_000;

/// A value that was polled: what it was, and the start of the last poll that returned it.
#[derive(Default)]
pub(super) struct Followed {
    last: Option<(f64, u64)>,
    kept_ns: u64,
}

impl Followed {
    /// Takes a poll in; gives the change that it shows, and whether the reading is to be kept.
    pub(super) fn take(
        &mut self,
        start_ns: u64,
        end_ns: u64,
        watts: f64,
    ) -> (Option<Observation>, bool) {
        let change = self.last.filter(|(last, _)| *last != watts);
        let change = change.map(|(_, before_ns)| Observation {
            before_ns,
            after_ns: end_ns,
            watts,
        });
        self.last = Some((watts, start_ns));
        let keep = start_ns >= self.kept_ns + KEEP_NS;
        if keep {
            self.kept_ns = start_ns;
        }
        (change, keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_lies_between_the_last_old_poll_and_the_first_new_one() {
        let mut followed = Followed::default();
        assert_eq!(followed.take(KEEP_NS, KEEP_NS + 5, 1.0), (None, true));
        assert_eq!(
            followed.take(KEEP_NS + 10, KEEP_NS + 15, 1.0),
            (None, false)
        );
        let change = Observation {
            before_ns: KEEP_NS + 10,
            after_ns: KEEP_NS + 25,
            watts: 2.0,
        };
        assert_eq!(
            followed.take(KEEP_NS + 20, KEEP_NS + 25, 2.0),
            (Some(change), false)
        );
        assert_eq!(
            followed.take(2 * KEEP_NS, 2 * KEEP_NS + 1, 2.0),
            (None, true)
        );
    }
}
