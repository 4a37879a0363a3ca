//! The wrapper, through the real binary: exit codes, records, sessions, leftovers, deafness.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lem_protocol::{AGENT_REFUSED, AGENT_USAGE, ExitRecord, WORKER_NOT_STARTED};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

fn agent() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lem-agent"))
}

fn wrapper(exits: &Path, argv: &[&str]) -> Command {
    let mut command = agent();
    command
        .args(["exec", "--id", "w-1", "--exits"])
        .arg(exits)
        .arg("--")
        .args(argv);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(argv: &[&str]) -> (Output, ExitRecord) {
    let exits = TempDir::new().unwrap();
    let output = wrapper(exits.path(), argv).output().unwrap();
    let record = record(exits.path());
    let names: Vec<_> = fs::read_dir(exits.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["w-1.json"], "nothing but the record is left");
    (output, record)
}

fn record(exits: &Path) -> ExitRecord {
    serde_json::from_slice(&fs::read(exits.join("w-1.json")).unwrap()).unwrap()
}

fn is_alive(pid: i32) -> bool {
    // A zombie whose parent does not look is as dead as it gets.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a deadline for the test itself")]
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut byte = [0];
    let stdout = child.stdout.as_mut().unwrap();
    while stdout.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    line
}

#[test]
fn the_exit_code_and_the_streams_are_the_workers() {
    let (output, record) = run(&["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(
        (record.id.as_str(), record.exit_code, record.signal),
        ("w-1", Some(7), None)
    );
    assert!(0 < record.started_ns && record.started_ns < record.ended_ns);
    assert_eq!((record.leftovers, record.error), (0, None));
}

#[test]
fn a_signal_is_told_from_an_exit_code() {
    let (output, record) = run(&["/bin/sh", "-c", "kill -SEGV $$"]);
    assert_eq!(output.status.code(), Some(128 + 11));
    assert_eq!((record.exit_code, record.signal), (None, Some(11)));
}

#[test]
fn a_missing_program_is_said_once_and_recorded() {
    let (output, record) = run(&["/nonexistent/worker", "--flag"]);
    assert_eq!(output.status.code(), Some(WORKER_NOT_STARTED));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("agent::worker_not_started") && stderr.contains("/nonexistent/worker"),
        "{stderr}"
    );
    assert!(record.error.unwrap().contains("No such file"));
    assert_eq!(record.exit_code, Some(WORKER_NOT_STARTED));
}

#[test]
fn a_program_that_may_not_run_is_recorded_too() {
    let (output, record) = run(&["/etc/passwd"]);
    assert_eq!(output.status.code(), Some(WORKER_NOT_STARTED));
    assert!(record.error.unwrap().contains("Permission denied"));
}

#[test]
fn a_worker_that_itself_exits_127_is_no_missing_program() {
    let (_, record) = run(&["/bin/sh", "-c", "exit 127"]);
    assert_eq!((record.exit_code, record.error), (Some(127), None));
}

#[test]
fn the_worker_leads_a_session_with_no_signal_blocked() {
    // Read by the leader itself: a shell that waits for a child shows another mask.
    let (output, record) = run(&["/bin/cat", "/proc/self/stat", "/proc/self/status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, stat) = text.lines().next().unwrap().rsplit_once(") ").unwrap();
    let fields: Vec<&str> = stat.split(' ').collect();
    let pid = record.pid.to_string();
    assert_eq!(
        (fields[2], fields[3]),
        (pid.as_str(), pid.as_str()),
        "group and session are its own"
    );
    assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
}

#[test]
fn what_the_session_leaves_behind_is_killed() {
    // One in the leader's group, one that a subshell with job control puts into a group of its own.
    let script = "sleep 1000 & echo $!; set -m; sleep 1000 & echo $!; exit 3";
    let (output, record) = run(&["/bin/sh", "-c", script]);
    assert_eq!((record.exit_code, record.leftovers), (Some(3), 2));
    for pid in String::from_utf8(output.stdout).unwrap().lines() {
        assert!(
            !is_alive(pid.parse().unwrap()),
            "{pid} outlived its session"
        );
    }
}

#[test]
fn the_wrapper_is_deaf_but_its_worker_is_not() {
    let exits = TempDir::new().unwrap();
    let script = "trap 'exit 9' TERM; echo $$; while :; do sleep 0.05; done";
    let mut child = wrapper(exits.path(), &["/bin/sh", "-c", script])
        .spawn()
        .unwrap();
    let worker: i32 = first_line(&mut child).parse().unwrap();
    let wrapper = Pid::from_raw(i32::try_from(child.id()).unwrap());
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGUSR1,
    ] {
        kill(wrapper, signal).unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        child.try_wait().unwrap().is_none(),
        "the wrapper went on waiting"
    );
    kill(Pid::from_raw(worker), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert_eq!(record(exits.path()).exit_code, Some(9));
}

#[test]
fn a_killed_wrapper_takes_its_worker_along() {
    let exits = TempDir::new().unwrap();
    let mut child = wrapper(exits.path(), &["/bin/sh", "-c", "echo $$; exec sleep 1000"])
        .spawn()
        .unwrap();
    let worker: i32 = first_line(&mut child).parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the worker outlived its wrapper", || !is_alive(worker));
    assert!(!exits.path().join("w-1.json").exists());
}

#[test]
fn an_earlier_record_is_replaced_whole() {
    let exits = TempDir::new().unwrap();
    fs::write(exits.path().join("w-1.json"), "x".repeat(100_000)).unwrap();
    fs::write(exits.path().join(".w-1.trouble"), "of another life").unwrap();
    assert!(
        wrapper(exits.path(), &["/bin/true"])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(record(exits.path()).error, None);
}

#[test]
fn an_id_that_leaves_the_folder_is_refused() {
    let output = agent()
        .args(["exec", "--id", "../w", "--", "/bin/true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(AGENT_USAGE));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("agent::usage")
    );
}

#[test]
fn init_refuses_to_be_anything_but_pid_1() {
    let output = agent().arg("init").output().unwrap();
    assert_eq!(output.status.code(), Some(AGENT_REFUSED));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("agent::not_pid_1") && stderr.lines().count() == 1,
        "{stderr}"
    );
}
