//! Clauses on who holds the GPU, and on events.

use lemctl::clock::{Clock, HostClock};
use lemctl::telemetry::{Owner, observe};

use super::Subject;

pub fn memory_adds_up(subject: &Subject) {
    let memory = subject.telemetry.memory(&subject.gpu).unwrap();
    let told = format!("{memory:?}");
    let reserved = memory.reserved_bytes.unwrap_or(0);
    let sum = reserved + memory.used_bytes + memory.free_bytes;
    // Drivers count in KiB or MiB inside.
    assert!(sum.abs_diff(memory.total_bytes) <= 4 << 20, "{told}");
    let state = subject.telemetry.state(&subject.gpu).value;
    let used = state.memory_used_bytes.unwrap();
    assert!(used <= memory.total_bytes, "{told}");
}

pub fn processes_are_consistent(subject: &Subject) {
    let listed = subject.telemetry.processes(&subject.gpu);
    let processes = listed.value;
    let mut names: Vec<_> = processes.iter().map(|held| (held.pid, held.kind)).collect();
    assert!(names.is_sorted());
    names.dedup();
    assert_eq!(names.len(), processes.len(), "{processes:?}");
    assert!(processes.iter().all(|held| held.pid > 0));
    let memory = subject.telemetry.memory(&subject.gpu).unwrap();
    let known: u64 = processes.iter().filter_map(|held| held.used_bytes).sum();
    assert!(known <= memory.total_bytes, "{processes:?}");
    let seen = observe(&*subject.telemetry, &subject.gpu);
    assert!(seen.used_bytes.unwrap() <= memory.total_bytes);
    if subject.is_loaded_by_us() {
        let own = seen
            .processes
            .iter()
            .find(|held| held.process.pid == std::process::id());
        let own = own.unwrap();
        assert_ne!(own.owner, Owner::Unknown);
        assert_eq!(own.process.used_bytes, Some(4_096 << 20));
        assert!(seen.used_bytes.unwrap() >= 4_096 << 20);
    }
}

pub fn xid_events_never_wait(subject: &Subject) {
    let telemetry = &subject.telemetry;
    assert_eq!(telemetry.xid_events(), Ok(Vec::new()), "nobody listens yet");
    // Twice is the same as once. Virtual GPUs may refuse.
    let first = telemetry.watch_xid(&subject.gpu);
    let second = telemetry.watch_xid(&subject.gpu);
    assert_eq!(first.is_ok(), second.is_ok());
    if first.is_err() {
        return;
    }
    let clock = HostClock;
    let start = clock.monotonic_ns();
    for _ in 0..10 {
        telemetry.xid_events().unwrap();
    }
    assert!(clock.monotonic_ns() - start < 2_000_000_000);
}
