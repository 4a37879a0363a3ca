//! Leaks of our own, of strangers, and what only looks like one.

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
