//! A disk that takes no more (fault 12): real file systems that are full, small, closed or without inodes, below
//! results, journal, manifests, what containers mount, `.env` and the Engine's data root. The campaign ends in order
//! with a journal that can be resumed, and the message names folder and fix.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, text};
use crate::guarantees;
use crate::private_daemon::PrivateDaemon;
use crate::project::{Project, said};
use crate::session::Session;

const FILE: &str = "campaigns/full.yaml";
const RUNS: usize = 6;

/// A small file system of its own over a folder. Must be dropped before the folder is.
struct SmallDisk {
    at: Utf8PathBuf,
}

impl SmallDisk {
    /// None, said loudly, where this user may not mount.
    fn over(project: &Project, folder: &str, options: &str) -> Option<Self> {
        project.folder(folder);
        let (uid, gid) = (project.user.uid, project.user.gid);
        Self::at(&project.root().join(folder), (uid, gid), options)
    }

    fn at(at: &Utf8Path, (uid, gid): (u32, u32), options: &str) -> Option<Self> {
        let at = at.to_owned();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("mode=0755,uid={uid},gid={gid},{options}"))
            .arg("lem-test")
            .arg(&at)
            .output();
        if mounted.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Self { at });
        }
        eprintln!(
            "SKIPPED: a file system can only be mounted by root ({mounted:?}). Nothing was tested on a small disk."
        );
        None
    }

    fn ballast(&self) -> Utf8PathBuf {
        self.at.join("ballast")
    }

    /// Until nothing more fits, not a page.
    fn fill(&self) {
        for size in ["64k", "4k"] {
            // It ends when the disk is full, and says so.
            let _ = Command::new("dd")
                .args(["if=/dev/zero", "oflag=append", "conv=notrunc"])
                .arg(format!("bs={size}"))
                .arg(format!("of={}", self.ballast()))
                .stderr(Stdio::null())
                .status();
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    /// The folder itself, to be closed while files in it are open.
    fn closed_later(project: &Project, folder: &str) -> Self {
        let at = project.root().join(folder);
        Self { at }
    }

    /// From now on nothing can be written below it by its name; what is open stays open.
    fn close(&self) {
        let bound = Command::new("mount")
            .args(["--bind", self.at.as_str(), self.at.as_str()])
            .status();
        assert!(bound.unwrap().success());
        let closed = Command::new("mount")
            .args(["-o", "remount,bind,ro", self.at.as_str()])
            .status();
        assert!(closed.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn begun() -> Option<Project> {
    let project = Project::with_docker()?;
    write_campaign(&project);
    Some(project)
}

fn write_campaign(project: &Project) {
    let text = campaign_text(
        "full",
        "hidden_size: [32], batch_size: [1, 2, 4]",
        "cycles: 2",
        0.3,
    );
    project.write(FILE, &text);
}

/// What the disk stopped: the journal's session ended in order and says why.
fn assert_stopped_by_disk(files: &Files<'_>, codes: &[&str]) {
    let events = files.events();
    let last = events.last().unwrap();
    assert!(last.get("session_ended").is_some(), "{last}");
    let sessions = events
        .iter()
        .rposition(|event| event.get("session_started").is_some());
    let breaker = events[sessions.unwrap()..]
        .iter()
        .find_map(|event| event.get("breaker_opened"));
    let code = text(&breaker.expect("the breaker opened")["cause"]["code"]);
    assert!(codes.contains(&code.as_str()), "{code}");
}

#[test]
fn docker_results_full_at_every_kind_of_moment() {
    let Some(project) = begun() else { return };
    let Some(disk) = SmallDisk::over(&project, "results", "size=40m") else {
        return;
    };
    let mut arguments = vec!["campaign", "up", FILE];
    let named = disk.at.to_string();
    // The disk is full from the n-th event of a session on: containers start, engines load, attempts begin, are
    // measured and stored, and end.
    for event in [1, 2, 4, 6, 8, 9, 10, 12] {
        let mut session = Session::start(&project, &arguments);
        for _ in 0..event {
            session.wait_for("an event", |line| line.get("event").is_some());
        }
        disk.fill();
        let said = session.end();
        arguments = vec!["campaign", "resume", "full"];
        let files = Files::of(&project, "full");
        assert_eq!(said.code, Some(4), "full at event {event}: {said:#?}");
        guarantees::names(&said, &[&named], &["make room there"]);
        guarantees::hold(&files);
        assert_stopped_by_disk(&files, &["disk_full"]);
        files.assert_nothing_left();
        // Resuming on the full disk is refused before anything is written.
        let before = std::fs::read(files.results().join("journal.jsonl")).unwrap();
        let said = project.run(&arguments);
        assert_eq!(said.code, Some(4), "{said:#?}");
        guarantees::names(&said, &["free, and about"], &["df -h"]);
        let after = std::fs::read(files.results().join("journal.jsonl")).unwrap();
        assert_eq!(before, after);
        disk.empty();
    }
    // What a kill in the middle of a write leaves.
    let files = Files::of(&project, "full");
    let left = format!("results/full/{}/r/a1", files.id);
    project.folder(&left);
    let left = format!("{left}/result.json.4194304.0.lem-tmp");
    project.write(&left, "{");
    guarantees::finishes(&project, "full", RUNS);
    assert!(!project.root().join(left).exists());
}

#[test]
fn docker_outbox_manifests_and_a_closed_disk() {
    let Some(project) = begun() else { return };
    // What containers mount.
    let Some(live) = SmallDisk::over(&project, ".lem", "size=40m") else {
        return;
    };
    let mut session = Session::start(&project, &["campaign", "up", FILE]);
    session.wait_phase("measure");
    live.fill();
    let said = session.end();
    let files = Files::of(&project, "full");
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &[live.at.as_str()], &["make room there"]);
    assert_stopped_by_disk(&files, &["disk_full"]);
    files.assert_nothing_left();
    drop(live);

    // Results that are closed in the middle: the journal is open, and nothing new can be made.
    let results = SmallDisk::closed_later(&project, "results");
    let mut session = Session::start(&project, &["campaign", "resume", "full"]);
    session.wait_phase("measure");
    results.close();
    let said = session.end();
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(
        &said,
        &["Read-only file system"],
        &["lemctl campaign resume"],
    );
    assert_stopped_by_disk(&files, &["disk"]);
    let said = project.run(&["campaign", "resume", "full"]);
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &["Read-only file system"], &["results"]);
    drop(results);
    guarantees::hold(&files);

    // The manifest's folder, from the start: everything is measured, and only the seal is missing.
    let manifests =
        SmallDisk::over(&project, "manifests", "size=40m").expect("it could mount before");
    let mut session = Session::start(&project, &["campaign", "resume", "full"]);
    session.wait_event("session_started");
    manifests.fill();
    let said = session.end();
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &[manifests.at.as_str()], &["space", "room"]);
    let files = Files::of(&project, "full");
    guarantees::hold(&files);
    assert_eq!(files.events_of("sealed").len(), 0);
    assert!(!files.manifests().join("manifest.json").exists());
    assert_eq!(
        project
            .paths()
            .iter()
            .filter(|path| path.contains("tmp"))
            .count(),
        0
    );
    manifests.empty();
    guarantees::finishes(&project, "full", RUNS);
    drop(manifests);
}

#[test]
fn docker_too_small_from_the_start() {
    let Some(project) = begun() else { return };
    for (options, free) in [("size=8m", "8.0 MiB"), ("size=64m,nr_inodes=60", "files")] {
        let Some(disk) = SmallDisk::over(&project, "results", options) else {
            return;
        };
        let said = project.run(&["campaign", "up", FILE]);
        assert_eq!(said.code, Some(4), "{said:#?}");
        guarantees::names(&said, &[free], &["make room there"]);
        guarantees::names(&said, &[disk.at.as_str()], &["df -i"]);
        assert_eq!(
            disk.at.read_dir_utf8().unwrap().count(),
            0,
            "nothing was written"
        );
        // `check` sees the same disk.
        let check = project.run(&["check", "--format", "json"]);
        let lines: Value = serde_json::from_str(&check.stdout).unwrap();
        let lines = lines["lines"].as_array().unwrap().iter();
        let line = lines.clone().find(|line| line["name"] == "disk space");
        let line = line.expect("a line on the disk");
        assert_eq!(
            (check.code, &line["status"]),
            (Some(4), &Value::from("fail")),
            "{line}"
        );
        assert!(text(&line["detail"]).contains("results"), "{line}");
    }
}

#[test]
fn docker_data_root_full() {
    let mut disk = None;
    let daemon = PrivateDaemon::start_on(false, |data| {
        disk = SmallDisk::at(data, (0, 0), "size=96m");
    });
    let (Some(disk), Some(daemon)) = (disk, daemon) else {
        return;
    };
    let project = Project::on(&daemon.socket());
    write_campaign(&project);
    let mut session = Session::start(&project, &["campaign", "up", FILE]);
    session.wait_event("session_started");
    disk.fill();
    let said = session.end();
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &[disk.at.as_str()], &["make room"]);
    let files = Files::of(&project, "full");
    assert_stopped_by_disk(&files, &["disk_full"]);
    files.assert_nothing_left();
    // Before a session it is looked at, too.
    let said = project.run(&["campaign", "resume", "full"]);
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &[disk.at.as_str()], &["df -h"]);
    disk.empty();
    guarantees::finishes(&project, "full", RUNS);
    drop(project);
    drop(daemon);
}

#[test]
fn docker_a_limit_on_the_size_of_files() {
    let Some(project) = begun() else { return };
    // The journal of a session is longer than that, and a result is, too.
    let plain = project.lemctl(&["campaign", "up", FILE]);
    for limit in [6_000, 9_000, 30_000] {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--fsize={limit}:{limit}")).arg("--");
        limited
            .arg(plain.get_program())
            .args(plain.get_args())
            .arg("--new");
        limited
            .current_dir(plain.get_current_dir().unwrap())
            .env_clear();
        for (key, value) in plain.get_envs() {
            limited.env(key, value.unwrap());
        }
        let said = said(limited.stdin(Stdio::null()).stdout(Stdio::piped()));
        assert_eq!(said.code, Some(4), "limit {limit}: {said:#?}");
        guarantees::names(
            &said,
            &["File too large"],
            &["lemctl campaign resume", "room"],
        );
        let folder = project.root().join("results/full");
        if folder.exists() {
            let files = Files::of(&project, "full");
            guarantees::hold(&files);
            files.assert_nothing_left();
            guarantees::finishes(&project, "full", RUNS);
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::remove_dir_all(project.root().join("manifests/full")).unwrap();
        }
    }
}

#[test]
fn no_torn_env_file_on_a_full_disk() {
    let project = Project::without_docker();
    let Some(disk) = SmallDisk::over(&project, "small", "size=64k") else {
        return;
    };
    for folder in ["compose", "catalogues"] {
        std::fs::create_dir(disk.at.join(folder)).unwrap();
    }
    disk.fill();
    let init = ["--root", disk.at.as_str(), "init"];
    let failed = project.run(&init);
    assert_eq!(failed.code, Some(4), "{failed:#?}");
    guarantees::names(&failed, &["No space left"], &["space"]);
    let mut names: Vec<String> = disk
        .at
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["ballast", "catalogues", "compose"]);
    disk.empty();
    project.expect(0, &init);
    let env = std::fs::read_to_string(disk.at.join(".env")).unwrap();
    assert!(env.contains("PGID="), "{env}");
}
