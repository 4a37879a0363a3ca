use std::io::Write;

use super::*;

const MS: u64 = 1_000_000;

fn write(folder: &Path, name: &str) -> Flock<File> {
    let gpu = folder.join("c/reference/outbox/gpu");
    std::fs::create_dir_all(&gpu).unwrap();
    let file = File::create(gpu.join(name)).unwrap();
    Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap()
}

#[test]
fn a_log_is_followed_to_its_process_end() {
    let folder = tempfile::tempdir().unwrap();
    drop(write(folder.path(), "1.log"));
    let mut logs = LogFolder::new(folder.path().to_path_buf());
    assert_eq!(logs.refresh(MS), [], "an old log is no load");
    let mut log = write(folder.path(), "12.log");
    writeln!(log, "5000000 1 777").unwrap();
    write!(log, "7000000 0").unwrap();
    let told = logs.refresh(20 * MS);
    let pid = std::process::id();
    assert_eq!(
        told,
        [Told {
            log: 1,
            pid,
            change: Change::load(5 * MS, 1.0, 777)
        }]
    );
    writeln!(log, ".5 778\nnonsense\n8000000 7 1\n99999999999 0 1").unwrap();
    assert_eq!(logs.refresh(21 * MS), [], "not every millisecond");
    let told: Vec<Change> = logs
        .refresh(30 * MS)
        .iter()
        .map(|told| told.change)
        .collect();
    assert_eq!(
        told,
        [
            Change::load(7 * MS, 0.5, 778),
            Change::load(30 * MS, 0.0, 1)
        ]
    );
    drop(log);
    let told = logs.refresh(40 * MS);
    assert_eq!(
        told,
        [Told {
            log: 1,
            pid,
            change: Change::end(40 * MS)
        }]
    );
    assert_eq!(logs.refresh(90 * MS), []);
}

#[test]
fn a_log_that_is_taken_up_again_is_a_new_process_and_not_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = LogFolder::new(folder.path().to_path_buf());
    let mut log = write(folder.path(), "1.log");
    writeln!(log, "1000000 1 5").unwrap();
    assert_eq!(logs.refresh(20 * MS).len(), 1);
    drop(log);
    assert!(!logs.refresh(40 * MS)[0].change.present);
    let path = folder.path().join("c/reference/outbox/gpu/1.log");
    let file = File::options().append(true).open(&path).unwrap();
    let mut log = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
    writeln!(log, "50000000 0.5 6").unwrap();
    let told = logs.refresh(60 * MS);
    assert_eq!((told.len(), told[0].log), (1, 2));
    assert_eq!(told[0].change, Change::load(50 * MS, 0.5, 6));
}

#[test]
fn several_logs_are_counted_and_a_log_that_is_held_before_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = write(folder.path(), "1.log");
    writeln!(first, "1 1 5").unwrap();
    let mut logs = LogFolder::new(folder.path().to_path_buf());
    assert_eq!(logs.refresh(MS)[0].log, 1);
    let mut second = write(folder.path(), "2.log");
    writeln!(second, "2 1 5").unwrap();
    drop(first);
    let told = logs.refresh(50 * MS);
    let short: Vec<_> = told
        .iter()
        .map(|told| (told.log, told.change.present))
        .collect();
    assert_eq!(short, [(1, false), (2, true)]);
}
