//! The journal on disk: every cut is survived, every edit is found, one process holds it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use camino::Utf8PathBuf;
use lemctl::clock::HostClock;
use lemctl::execution::{Blame, Cause, Event};
use lemctl::journal::{FILE, Journal, JournalError, Lock, replay};
use proptest::prelude::*;

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}

fn events(count: u32) -> Vec<Event> {
    (0..count)
        .map(|number| match number % 3 {
            0 => Event::AttemptStarted {
                run: format!("r{number}"),
                attempt: 1,
            },
            1 => Event::RunSkipped {
                run: format!("r{number}"),
                cause: Cause::new(Blame::Worker, "x", "odd \"text\"\n with \u{1F600}"),
            },
            _ => Event::StepStarted {
                step: format!("s{number}"),
            },
        })
        .collect()
}

/// A journal of `count` events and its bytes.
fn written(count: u32) -> (tempfile::TempDir, Utf8PathBuf, Vec<u8>) {
    let (keep, path) = folder();
    let mut journal = Journal::create(&path, Lock::take(&path).unwrap()).unwrap();
    for event in events(count) {
        journal.append(&event, &HostClock).unwrap();
    }
    let bytes = std::fs::read(path.join(FILE)).unwrap();
    (keep, path, bytes)
}

fn read(path: &Utf8PathBuf) -> (Vec<Event>, Result<lemctl::journal::Replayed, JournalError>) {
    let mut seen = Vec::new();
    let outcome = replay(path, |entry| {
        seen.push(entry.event);
        Ok(())
    });
    (seen, outcome)
}

#[test]
fn what_was_appended_is_replayed() {
    let (_keep, path, bytes) = written(10);
    let (seen, outcome) = read(&path);
    assert_eq!(seen, events(10));
    let replayed = outcome.unwrap();
    assert_eq!(
        (replayed.head.events, replayed.bytes, replayed.torn_bytes),
        (10, bytes.len() as u64, 0)
    );
}

#[test]
fn a_cut_at_any_byte_is_survived_and_appending_goes_on() {
    let (_keep, path, bytes) = written(5);
    let ends: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    for cut in 0..=bytes.len() {
        std::fs::write(path.join(FILE), &bytes[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let (seen, outcome) = read(&path);
        assert_eq!(seen, events(5)[..whole], "cut at {cut}");
        let replayed = outcome.unwrap();
        let mut journal = Journal::open(&path, Lock::take(&path).unwrap(), &replayed).unwrap();
        journal.append(&Event::SessionEnded {}, &HostClock).unwrap();
        let (seen, outcome) = read(&path);
        assert_eq!(seen.len(), whole + 1);
        assert_eq!(outcome.unwrap().torn_bytes, 0);
    }
}

#[test]
fn a_line_removed_swapped_or_repeated_is_found_and_named() {
    let (_keep, path, bytes) = written(4);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for order in [
        vec![0, 2, 3],
        vec![0, 2, 1, 3],
        vec![0, 1, 1, 2, 3],
        vec![1, 2, 3],
    ] {
        let edited: Vec<u8> = order
            .iter()
            .flat_map(|line| lines[*line].to_vec())
            .collect();
        std::fs::write(path.join(FILE), edited).unwrap();
        let error = read(&path).1.expect_err("damaged");
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(FILE), "{error}");
    }
}

#[test]
fn a_second_holder_is_refused_and_told_who_holds_it() {
    let (_keep, path) = folder();
    let lock = Lock::take(&path).unwrap();
    assert!(Lock::is_held(&path));
    let error = Lock::take(&path).expect_err("held");
    assert!(
        error
            .to_string()
            .contains(&format!("pid {}", std::process::id())),
        "{error}"
    );
    drop(lock);
    assert!(!Lock::is_held(&path));
    Lock::take(&path).unwrap();
}

#[test]
fn who_only_looks_keeps_nobody_out() {
    let (_keep, path) = folder();
    drop(Lock::take(&path).unwrap());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = Lock::is_held(&path);
            }
        });
        let takes: Vec<_> = (0..500).map(|_| Lock::take(&path).map(drop)).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for taken in takes {
            taken.unwrap();
        }
    });
}

#[test]
fn an_endless_line_is_refused_in_bounded_memory() {
    let (_keep, path) = folder();
    let file = std::fs::File::create(path.join(FILE)).unwrap();
    file.set_len(64 * 1024 * 1024).unwrap();
    assert!(matches!(
        read(&path).1,
        Err(JournalError::Damaged { line: 1, .. })
    ));
}

#[test]
fn room_is_kept_behind_the_end_and_given_back() {
    use std::os::unix::fs::MetadataExt;
    let (_keep, path) = folder();
    let mut journal = Journal::create(&path, Lock::take(&path).unwrap()).unwrap();
    let found = || std::fs::metadata(path.join(FILE)).unwrap();
    let kept = 1 << 20;
    assert!(found().blocks() * 512 >= kept, "{:?}", found());
    assert_eq!(found().len(), 0, "nobody sees it");
    let cause = Cause::new(Blame::Worker, "x", "y".repeat(2000));
    let run = "r".to_owned();
    for _ in 0..600 {
        let (run, cause) = (run.clone(), cause.clone());
        let event = Event::RunSkipped { run, cause };
        journal.append(&event, &HostClock).unwrap();
        assert!(found().blocks() * 512 >= found().len() + kept / 2);
    }
    assert!(found().len() > kept && !journal.is_short());
    drop(journal);
    assert!(found().blocks() * 512 < found().len() + kept / 2);
    let (seen, outcome) = read(&path);
    assert_eq!((seen.len(), outcome.unwrap().torn_bytes), (600, 0));
}

proptest! {
    /// One changed byte in any line but the last is found by the chain. (A change in the last line is
    /// found by the seal: SHA256SUMS holds the journal's hash.)
    #[test]
    fn one_changed_byte_is_found(at in 0.0f64..1.0, flip in 1u8..=255) {
        let (_keep, path, mut bytes) = written(4);
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        let at = (last as f64 * at) as usize;
        bytes[at] ^= flip;
        std::fs::write(path.join(FILE), &bytes).unwrap();
        let (_, outcome) = read(&path);
        prop_assert!(matches!(outcome, Err(JournalError::Damaged { .. })), "byte {at}: {outcome:?}");
    }
}
