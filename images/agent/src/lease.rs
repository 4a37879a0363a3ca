//! The lease: how long this container may go on without its orchestrator.
//!
//! lemctl renews a CLOCK_MONOTONIC deadline in a file that the container can only read. A file that is
//! missing or makes no sense renews nothing, so the last deadline that was read still stands; before
//! the first one, a grace period does.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How long a container may live before it has read its first lease.
pub const GRACE_NS: u64 = 30 * 1_000_000_000;

/// Longest lease file that is read: twenty digits and a newline fit.
const MAX_BYTES: u64 = 32;

/// Reads a lease file; the reason is only for the log.
pub fn read(path: &Path) -> Result<u64, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    parse(&text)
}

/// One line: the deadline in decimal nanoseconds.
fn parse(text: &str) -> Result<u64, String> {
    let digits = text.strip_suffix('\n').unwrap_or(text);
    // `u64::from_str` would also take a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a decimal number of nanoseconds".into());
    }
    digits.parse().map_err(|_| "larger than 64 bits".to_owned())
}

/// When a container must end, from what was read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    deadline_ns: u64,
}

impl Watch {
    /// Begins with the grace period.
    pub fn new(now_ns: u64) -> Self {
        Self {
            deadline_ns: now_ns.saturating_add(GRACE_NS),
        }
    }

    /// Takes in what the file says now. A valid lease counts whether it is later or earlier: lemctl may
    /// also cut one short.
    pub fn observe(&mut self, lease: &Result<u64, String>) {
        if let Ok(deadline_ns) = lease {
            self.deadline_ns = *deadline_ns;
        }
    }

    /// Whether the container must end.
    pub fn has_passed(&self, now_ns: u64) -> bool {
        now_ns >= self.deadline_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_number_is_a_lease() {
        assert_eq!(parse("18446744073709551615\n"), Ok(u64::MAX));
        assert_eq!(parse("0"), Ok(0));
        for bad in [
            "",
            "\n",
            "+5",
            "-5",
            "1e9",
            " 5",
            "5 ",
            "5\n\n",
            "5\n6",
            "0x5",
            "18446744073709551616",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        assert!(read(Path::new("/dev/zero")).is_err());
        assert!(read(Path::new("/nonexistent/lease")).is_err());
    }

    #[test]
    fn grace_lasts_until_the_first_lease_and_no_longer() {
        let mut watch = Watch::new(100);
        watch.observe(&Err("missing".into()));
        assert!(!watch.has_passed(100 + GRACE_NS - 1));
        assert!(watch.has_passed(100 + GRACE_NS));
        watch.observe(&Ok(200));
        assert!(!watch.has_passed(199), "a lease replaces the grace period");
        assert!(watch.has_passed(200));
    }

    #[test]
    fn a_vanished_lease_renews_nothing() {
        let mut watch = Watch::new(0);
        watch.observe(&Ok(1_000));
        watch.observe(&Err("missing".into()));
        assert!(!watch.has_passed(999));
        assert!(watch.has_passed(1_000));
    }

    #[test]
    fn a_renewal_counts_and_so_does_a_shortening() {
        let mut watch = Watch::new(0);
        watch.observe(&Ok(1_000));
        watch.observe(&Ok(5_000));
        assert!(!watch.has_passed(4_999));
        watch.observe(&Ok(0));
        assert!(watch.has_passed(1));
    }
}
