//! What a container's probe must say: that it is the one that its Compose file promises.

use lem_protocol::ProbeReport;

use super::session::Identity;

/// How far the container's CLOCK_MONOTONIC may seem to be from the host's: the time of one exec.
const CLOCK_TOLERANCE_NS: u64 = 5_000_000_000;

/// What a probe found otherwise than it must be.
pub(super) fn deviations(
    report: &ProbeReport,
    identity: Identity,
    now_ns: u64,
    boot_id: &str,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut want = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    want(
        (report.uid, report.gid) == (identity.uid, identity.gid),
        format!(
            "it runs as {}:{}, not {}:{}",
            report.uid, report.gid, identity.uid, identity.gid
        ),
    );
    let capabilities = u64::from_str_radix(&report.cap_eff, 16);
    want(
        capabilities == Ok(0),
        format!(
            "it has capabilities {}",
            crate::worker::printable(report.cap_eff.as_bytes())
        ),
    );
    want(report.no_new_privs, "it can gain privileges".to_owned());
    want(
        !report.root_writable,
        "its root file system is writable".to_owned(),
    );
    want(
        report.outbox_writable,
        "it cannot write its outbox".to_owned(),
    );
    want(
        report.boot_id == boot_id,
        "it runs under another kernel".to_owned(),
    );
    want(
        now_ns.abs_diff(report.monotonic_ns) < CLOCK_TOLERANCE_NS,
        format!(
            "its CLOCK_MONOTONIC is {} ns, the host's {now_ns} ns",
            report.monotonic_ns
        ),
    );
    want(
        report.lease_ns.is_some_and(|lease| lease > now_ns),
        "it sees no valid lease".to_owned(),
    );
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ProbeReport {
        ProbeReport {
            uid: 1000,
            gid: 1000,
            groups: vec![],
            monotonic_ns: 10_000_000_000,
            boot_id: "b".into(),
            lease_ns: Some(40_000_000_000),
            outbox_writable: true,
            root_writable: false,
            cap_eff: "0000000000000000".into(),
            no_new_privs: true,
        }
    }

    fn wrong(report: &ProbeReport) -> Vec<String> {
        deviations(
            report,
            session::Identity {
                uid: 1000,
                gid: 1000,
            },
            10_001_000_000,
            "b",
        )
    }

    #[test]
    fn a_container_as_asked_has_no_deviation() {
        assert_eq!(wrong(&report()), Vec::<String>::new());
    }

    #[test]
    fn every_deviation_is_named() {
        type Change = (&'static str, fn(&mut ProbeReport));
        let changes: [Change; 8] = [
            ("runs as 0:1000", |r| r.uid = 0),
            ("capabilities", |r| r.cap_eff = "00000000a80425fb".into()),
            ("gain privileges", |r| r.no_new_privs = false),
            ("root file system", |r| r.root_writable = true),
            ("outbox", |r| r.outbox_writable = false),
            ("another kernel", |r| r.boot_id = "c".into()),
            ("CLOCK_MONOTONIC", |r| r.monotonic_ns = 1),
            ("lease", |r| r.lease_ns = Some(1)),
        ];
        for (word, change) in changes {
            let mut report = report();
            change(&mut report);
            let found = wrong(&report);
            assert!(
                found.len() == 1 && found[0].contains(word),
                "{word}: {found:?}"
            );
        }
    }
}
