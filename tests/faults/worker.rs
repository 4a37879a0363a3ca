//! Faults 6 to 10: workers that ignore signals, leave children, flood their streams, say what is no protocol, or take
//! more memory than there is. The worker is `support/hostile-worker` in front of the reference worker.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, processes_of, text};
use crate::guarantees::{self, hold};
use crate::hostile;
use crate::project::{Project, Said};
use crate::session::Session;

/// Far below what a flood is (200 MB); a lemctl of a debug build has about 40 MiB.
const MOST_MEMORY_KIB: u64 = 96 * 1024;
/// All logs of one worker.
const MOST_LOG_BYTES: u64 = 9 << 20;

/// A campaign of one engine and so many experiments.
fn write(project: &Project, name: &str, experiments: usize, execution: &str) {
    let sizes: Vec<String> = (1..=experiments).map(|size| size.to_string()).collect();
    let shared = format!("hidden_size: [32], batch_size: [{}]", sizes.join(", "));
    let file = campaign_text(name, &shared, execution, 0.3);
    project.write(&format!("campaigns/{name}.yaml"), &file);
}

fn up(project: &Project, name: &str) -> Session {
    Session::start(
        project,
        &["campaign", "up", &format!("campaigns/{name}.yaml")],
    )
}

/// Verdicts in the journal's order: a word, or the code of a cause.
fn verdicts(files: &Files<'_>) -> Vec<String> {
    let ended = files.events_of("attempt_ended").into_iter();
    let word = |event: Value| {
        let verdict = &event["verdict"];
        let code = verdict["failed"]["cause"]["code"].as_str();
        code.map_or_else(|| text(verdict), str::to_owned)
    };
    ended.map(word).collect()
}

/// Causes of the attempts that failed.
fn causes(files: &Files<'_>) -> Vec<Value> {
    let ended = files.events_of("attempt_ended").into_iter();
    ended
        .map(|event| event["verdict"]["failed"]["cause"].clone())
        .filter(|cause| !cause.is_null())
        .collect()
}

/// Containers that the campaign had.
fn containers(files: &Files<'_>) -> usize {
    let steps = files.events_of("step_done").into_iter();
    steps
        .filter(|step| step["detail"]["container"].is_string())
        .count()
}

/// The most memory that a process ever held, in KiB; none once it has ended.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Bytes of logs, by worker.
fn log_bytes(files: &Files<'_>) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::new();
    for entry in files.results().join("logs").read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let (worker, _) = entry.file_name().split_once('.').unwrap();
        *bytes.entry(worker.to_owned()).or_default() += entry.metadata().unwrap().len();
    }
    bytes
}

/// What failed is retried by workers that behave.
fn mend(project: &Project, name: &str, runs: usize) {
    hostile::set(project, "", "");
    guarantees::finishes_with(project, name, runs, &["--retry", "failed"]);
}

#[test]
fn docker_streams_of_a_hostile_worker_cost_its_run_only_and_no_memory() {
    let deeds = "long-line,not-utf8,escapes,flood-line,flood-log";
    let Some(project) = hostile::project(deeds) else {
        return;
    };
    write(&project, "streams", 5, "cycles: 1");
    let mut session = up(&project, "streams");
    let (pid, peak) = (session.pid(), Cell::new(0));
    session.wait_for("the session's end", |line| {
        peak.set(peak_kib(pid).unwrap_or(0).max(peak.get()));
        line["event"].get("session_ended").is_some()
    });
    let (said, peak) = (session.end(), peak.get());
    assert_eq!(said.code, Some(5), "{said:#?}");
    let files = Files::of(&project, "streams");
    hold(&files);
    let mut want = vec!["protocol_broken"; 4];
    want.push("accepted");
    assert_eq!(verdicts(&files), want);
    // A worker that broke the protocol is replaced, its container is not.
    assert_eq!(
        (files.events_of("worker_lost").len(), containers(&files)),
        (4, 1)
    );
    let causes = causes(&files);
    for (cause, word) in
        causes
            .iter()
            .zip(["1048576 bytes", "not an event", "not an event", "of 524"])
    {
        assert_eq!(cause["blame"], "worker");
        assert!(text(&cause["message"]).contains(word), "{cause:#}");
        assert!(cause["hint"].is_string(), "{cause:#}");
    }
    assert!(
        (1..MOST_MEMORY_KIB).contains(&peak),
        "lemctl held {peak} KiB"
    );
    let logs = log_bytes(&files);
    assert!(
        logs.values().all(|bytes| *bytes < MOST_LOG_BYTES),
        "{logs:?}"
    );
    assert!(logs["s1-w5"] > 6_000_000, "head and end are kept: {logs:?}");
    let escapes = files.results().join("logs/s1-w3.log");
    let log = std::fs::read_to_string(escapes).unwrap();
    assert!(
        log.contains("\\x1b[2J") && log.contains("\\u{202e}"),
        "{log:?}"
    );
    no_terminal_obeys(&project, &said);
    files.assert_nothing_left();
    mend(&project, "streams", 5);
}

/// No file of the campaign, and nothing that lemctl said, holds what a terminal obeys.
fn no_terminal_obeys(project: &Project, said: &Said) {
    let obeyed = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
    let mut shown = vec![said.stdout.clone(), said.stderr.clone()];
    let text = |path: &String| {
        path.ends_with(".log") || path.ends_with(".jsonl") || path.ends_with(".json")
    };
    let paths: Vec<String> = project.paths().into_iter().filter(text).collect();
    assert!(paths.iter().any(|path| path.ends_with(".log")), "{paths:?}");
    for path in paths {
        shown.push(std::fs::read_to_string(project.root().join(path)).unwrap());
    }
    for text in shown {
        if let Some(at) = text.find(obeyed) {
            let around: String = text[..at].chars().rev().take(60).collect();
            panic!("a terminal obeys what stands after {around:?} (read backwards)");
        }
    }
}

#[test]
fn docker_a_deaf_worker_is_ended_with_all_its_children() {
    let Some(project) = hostile::project("stubborn,leak-and-die,leak") else {
        return;
    };
    write(
        &project,
        "deaf",
        4,
        "cycles: 1, timeouts: {measure_seconds: 10}",
    );
    // Asked to stop while the worker is deaf to signals, to its window and to the end of its stdin.
    let mut session = up(&project, "deaf");
    session.wait_phase("measure");
    let files = Files::of(&project, "deaf");
    let container = files.container().unwrap();
    let worker = processes_of(&container).into_iter().max().unwrap();
    kill(&container, worker, "TERM");
    assert!(ignores_term(worker), "it is deaf to TERM");
    session.signal("INT");
    assert_eq!(session.end().code, Some(130));
    files.assert_nothing_left();
    // A new container: its deeds begin anew, and now nobody stops it.
    let said = project.expect(5, &["campaign", "resume", "deaf"]);
    hold(&files);
    assert_eq!(
        verdicts(&files),
        ["timed_out", "worker_gone", "accepted", "accepted"],
        "{said:#?}"
    );
    for cause in causes(&files) {
        assert!(cause["hint"].is_string(), "{cause:#}");
    }
    // What a worker left in sessions of its own, holding its stdout, went before the next one began.
    let unloaded = files.events_of("step_done").into_iter();
    let swept: Vec<u64> = unloaded
        .filter_map(|step| step["detail"]["swept"].as_u64())
        .collect();
    assert_eq!(swept, [2], "the child that was left, and its child");
    assert_eq!(containers(&files), 2, "one a session");
    files.assert_nothing_left();
    mend(&project, "deaf", 4);
}

/// Whether a process ignores SIGTERM, or blocks it: bit 14 of the kernel's masks is signal 15.
fn ignores_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let masks = status.lines().filter_map(|line| {
        let mask = line
            .strip_prefix("SigIgn:")
            .or(line.strip_prefix("SigBlk:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    masks.fold(0, |all, mask| all | mask) & (1 << 14) != 0
}

/// Signals a process of a container, by its host pid: only where its cgroup says that it still is one.
fn kill(container: &str, pid: u32, signal: &str) {
    assert!(pid > 1 && processes_of(container).contains(&pid), "{pid}");
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success(), "kill -s {signal} {pid}");
}

#[test]
fn docker_memory_that_runs_out_in_worker_and_in_pid_1_is_told_apart() {
    const LIMITED: &str = "    mem_limit: 256m\n";
    let Some(project) = hostile::project("") else {
        return;
    };
    hostile::set(&project, "eat", LIMITED);
    write(&project, "memory", 2, "cycles: 2");
    let said = project.expect(5, &["campaign", "up", "campaigns/memory.yaml"]);
    let files = Files::of(&project, "memory");
    hold(&files);
    assert_eq!(
        verdicts(&files),
        ["out_of_memory", "accepted", "accepted"],
        "{said:#?}"
    );
    let cause = causes(&files).remove(0);
    assert_eq!(cause["blame"], "config");
    assert!(text(&cause["message"]).contains("kernel"), "{cause:#}");
    guarantees::names(&said, &["out_of_memory"], &["mem_limit"]);
    let skipped = files.events_of("run_skipped");
    assert_eq!(skipped.len(), 1, "its config would fail again: {skipped:?}");
    assert_eq!(containers(&files), 1, "the container lived on");
    files.assert_nothing_left();

    // The same, and PID 1 is the one that the kernel picks: the new container's first worker eats again.
    write(&project, "agent", 2, "cycles: 1, retries: {max: 0}");
    let mut session = up(&project, "agent");
    session.wait_step("step_done", "load-engine");
    let files = Files::of(&project, "agent");
    let container = files.container().unwrap();
    let agent = processes_of(&container).into_iter().min().unwrap();
    std::fs::write(format!("/proc/{agent}/oom_score_adj"), "1000").unwrap();
    let said = session.end();
    hold(&files);
    assert_eq!(
        verdicts(&files),
        ["container_out_of_memory", "out_of_memory"],
        "{said:#?}"
    );
    let cause = causes(&files).remove(0);
    assert_eq!(cause["blame"], "environment");
    guarantees::names(&said, &["container_out_of_memory"], &["mem_limit"]);
    assert_eq!(containers(&files), 2, "made anew");
    files.assert_nothing_left();
    mend(&project, "agent", 2);
}
