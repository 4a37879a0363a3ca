//! Fault 19: a wall clock that jumps while a campaign runs, a machine that was started anew between two sessions, and a
//! monotonic clock that is not the host's.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::campaign_files::{Files, campaign_text, docker};
use crate::guarantees::{finishes, hold, names};
use crate::project::Project;
use crate::session::Session;
use crate::watched_journal::{Watch, kind, send};

const NAME: &str = "clock";
const FILE: &str = "campaigns/clock.yaml";
const UP: [&str; 3] = ["campaign", "up", FILE];
const RESUME: [&str; 3] = ["campaign", "resume", NAME];
const TEN_YEARS: i64 = 10 * 365 * 86_400;

fn begun() -> Option<Project> {
    let project = Project::with_docker()?;
    let text = campaign_text(
        NAME,
        "hidden_size: [32], batch_size: [1, 2]",
        "cycles: 2",
        0.4,
    );
    project.write(FILE, &text);
    Some(project)
}

/// The wall clock of a lemctl that is started with it.
struct WallClock {
    library: Utf8PathBuf,
    shift: Utf8PathBuf,
}

impl WallClock {
    /// Built beside the project, where it is no file of it; shows the right time at first.
    fn new(project: &Project) -> Self {
        let folder = project.root().parent().unwrap().to_owned();
        let library = folder.join("wall_clock.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/wall_clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o", library.as_str(), source]);
        let built = compiler.output().unwrap();
        assert!(built.status.success(), "{built:?}");
        let shift = folder.join("shift");
        let clock = Self { library, shift };
        clock.show(0);
        clock
    }

    /// Lets it jump: what it shows from now on is `seconds` from the right time.
    fn show(&self, seconds: i64) {
        let new = self.shift.with_extension("new");
        std::fs::write(&new, format!("{seconds}\n")).unwrap();
        std::fs::rename(&new, &self.shift).unwrap();
    }

    fn start(&self, project: &Project, arguments: &[&str]) -> Session {
        Session::start_with(project, arguments, |command| {
            command
                .env("LD_PRELOAD", &self.library)
                .env("LEM_TEST_WALL_CLOCK", &self.shift);
        })
    }
}

/// Years in which the journal's lines were written, each once, in order.
fn years(files: &Files<'_>) -> Vec<i32> {
    let text = std::fs::read_to_string(files.results().join("journal.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut years: Vec<i32> = lines
        .map(|line| line["at"].as_str().unwrap()[..4].parse().unwrap())
        .collect();
    years.dedup();
    years
}

#[test]
fn docker_a_wall_clock_that_jumps_changes_no_figure() {
    let Some(project) = begun() else { return };
    let clock = WallClock::new(&project);
    let mut watch = Watch::new(&project, NAME);
    let mut session = clock.start(&project, &UP);
    let ended = |event: &Value| kind(event) == "attempt_ended accepted";
    assert!(watch.wait(&mut session, ended).is_some());
    session.wait_phase("measure");
    clock.show(TEN_YEARS);
    assert!(watch.wait(&mut session, ended).is_some());
    session.wait_phase("measure");
    clock.show(-TEN_YEARS);
    assert!(watch.wait(&mut session, ended).is_some());
    send(&session, Signal::KILL);
    assert_eq!(session.end().code, None);
    let files = Files::of(&project, NAME);
    let years = years(&files);
    let now = years[0];
    assert!(years.len() >= 3, "the clock did not jump: {years:?}");
    assert!(
        years.contains(&(now + 10)) && *years.last().unwrap() < now,
        "{years:?}"
    );
    // The clock is right again: later than what was written last, earlier than what was written before.
    finishes(&project, NAME, 4);
    for event in files.events_of("attempt_ended") {
        let seconds = event["figures"]["window_seconds"].as_f64().unwrap();
        assert!((0.4..10.0).contains(&seconds), "{event}");
    }
}

/// Writes the journal as the lemctl of an earlier boot would have: another boot id, a wall clock that was wrong.
fn of_an_earlier_boot(files: &Files<'_>) {
    let path = files.results().join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut previous = text.lines().next().map_or(String::new(), |line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["prev"].as_str().unwrap().to_owned()
    });
    let mut written = String::new();
    for line in text.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if let Some(session) = line["event"].get_mut("session_started") {
            session["boot_id"] = "00000000-0000-4000-8000-000000000000".into();
        }
        line["prev"] = previous.into();
        line["at"] = format!("2031{}", &line["at"].as_str().unwrap()[4..]).into();
        let line = line.to_string();
        previous = Sha256::digest(line.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        written.push_str(&line);
        written.push('\n');
    }
    std::fs::write(&path, written).unwrap();
}

/// A machine that was started anew: the container is stopped and still there, its lease is of a clock that had run for
/// years, and the journal's last session is of another boot.
#[test]
fn docker_a_machine_that_was_started_anew_goes_on() {
    let Some(project) = begun() else { return };
    let mut watch = Watch::new(&project, NAME);
    let mut session = Session::start(&project, &UP);
    let ended = |event: &Value| kind(event) == "attempt_ended accepted";
    assert!(watch.wait(&mut session, ended).is_some());
    session.wait_phase("measure");
    send(&session, Signal::KILL);
    assert_eq!(session.end().code, None);
    let files = Files::of(&project, NAME);
    docker(&["kill", &files.container().unwrap()]);
    of_an_earlier_boot(&files);
    let live = project.root().join(".lem").join(&files.id);
    let lease = live.join("reference/control/lease");
    assert!(lease.exists(), "{lease}");
    std::fs::write(&lease, "99999999999999999\n").unwrap();
    hold(&files);
    let status = project.expect(0, &["campaign", "status", NAME]);
    assert!(!status.stdout.contains("running"), "{status:#?}");
    finishes(&project, NAME, 4);
    let boots: Vec<Value> = files
        .events_of("session_started")
        .iter()
        .map(|session| session["boot_id"].clone())
        .collect();
    assert_eq!(boots.len(), 2);
    assert_ne!(boots[0], boots[1]);
}

/// In a time namespace of its own lemctl's CLOCK_MONOTONIC is not the containers': what it would time with it, and its
/// lease, would mean something else inside. It says so and measures nothing.
#[test]
fn docker_a_monotonic_clock_of_its_own_is_refused() {
    let Some(project) = begun() else { return };
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let possible = Command::new("unshare")
        .args(["--time", "--monotonic", "100000", "true"])
        .status();
    if !root || !possible.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: a time namespace needs root and a kernel that has them.");
        return;
    }
    let plain = project.lemctl(&UP);
    let mut command = Command::new("unshare");
    command
        .args(["--time", "--monotonic", "100000", "--"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(project.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let said = crate::project::said(&mut command);
    assert_ne!(said.code, Some(0), "{said:#?}");
    names(&said, &["CLOCK_MONOTONIC"], &["lemctl check", "resume"]);
    let files = Files::of(&project, NAME);
    hold(&files);
    assert_eq!(files.accepted(), Vec::new());
    files.assert_nothing_left();
    let said = project.run(&[&RESUME[..], &["--retry", "failed"]].concat());
    assert_eq!(said.code, Some(0), "{said:#?}");
    finishes(&project, NAME, 4);
}
