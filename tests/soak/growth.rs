//! Many runs and many engines in one life of lemctl: memory, descriptors, threads, shims and processes stand still.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::asked::{campaign, number};
use crate::campaign_files::{Files, docker};
use crate::course::{Stretch, slope, stretches, table};
use crate::left::{lemctls, strays};
use crate::look::{Look, containers_of, look};
use crate::own_image::OwnImage;
use crate::project::Project;

/// What a run may add to lemctl's resident memory: its verdict, figures and where its result lies, which the manifest
/// and the intervals over cycles need.
const MOST_KIB_A_RUN: f64 = 4.0;

/// What the allocator takes or gives back at once.
const ALLOCATOR_KIB: f64 = 1024.0;

/// What may be open or alive for a moment at every look of a short stretch. A leak adds one a run, dozens a stretch.
const PASSING: u64 = 2;

/// Runs the campaign in one life, looking at it every `every`, until lemctl ends or is killed after `until` runs.
fn watched(project: &Project, name: &str, every: Duration, until: u64) -> Vec<Look> {
    let file = format!("campaigns/{name}.yaml");
    let mut lemctl = project
        .lemctl(&["campaign", "up", &file, "--progress", "plain"])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(project.root().join("progress.log")).unwrap())
        .spawn()
        .unwrap();
    let mut looks = Vec::new();
    let mut containers = Vec::new();
    let (mut read, mut runs) = (0, 0);
    let code = loop {
        if let Some(status) = lemctl.try_wait().unwrap() {
            break status.code();
        }
        std::thread::sleep(every);
        let folder = project.root().join("results").join(name);
        if folder
            .read_dir_utf8()
            .is_ok_and(|mut ids| ids.next().is_none())
            || !folder.exists()
        {
            continue;
        }
        let files = Files::of(project, name);
        let journal = std::fs::read(files.results().join("journal.jsonl")).unwrap_or_default();
        // Whole lines only.
        let whole = journal
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        runs += ended_in(&journal[read..whole]);
        read = whole;
        if containers.is_empty() {
            containers = containers_of(&files.id);
        }
        looks.extend(look(lemctl.id(), &containers, runs));
        if runs >= until {
            lemctl.kill().unwrap();
            lemctl.wait().unwrap();
            return looks;
        }
    };
    let said = std::fs::read_to_string(project.root().join("progress.log")).unwrap();
    let last: Vec<&str> = said.lines().rev().take(20).collect();
    assert_eq!(code, Some(0), "{last:#?}");
    looks
}

/// Attempts that ended in a piece of a journal.
fn ended_in(piece: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(piece);
    text.matches("{\"attempt_ended\":").count() as u64
}

/// Nothing but the runs' own figures grows from the second stretch on: the first one has the start in it.
fn assert_flat(stretches: &[Stretch]) -> f64 {
    let [_, second, .., last] = stretches else {
        panic!("too few stretches: {stretches:?}");
    };
    let still = |of: fn(&Stretch) -> u64, what: &str| {
        let (before, after) = (of(second), of(last));
        assert!(
            after <= before + PASSING,
            "{what}: {before}, then {after}:\n{}",
            table(stretches)
        );
    };
    still(|stretch| stretch.descriptors, "descriptors");
    still(|stretch| stretch.threads, "threads");
    still(|stretch| stretch.shims, "shims");
    still(|stretch| stretch.processes, "processes");
    assert_eq!(last.zombies, 0, "zombies:\n{}", table(stretches));
    let points = stretches[1..]
        .iter()
        .map(|stretch| (stretch.last as f64, stretch.resident_kib as f64));
    let growth = slope(points);
    let runs = (last.last - second.last) as f64;
    let grown = last.resident_kib as f64 - second.resident_kib as f64;
    assert!(
        grown < MOST_KIB_A_RUN * runs + ALLOCATOR_KIB,
        "{grown} KiB in {runs} runs:\n{}",
        table(stretches)
    );
    growth
}

/// Seconds that a command takes to its end, which must be in order.
fn timed(project: &Project, arguments: &[&str]) -> String {
    let begun = Instant::now();
    project.expect(0, arguments);
    format!(
        "lemctl {}: {:.2} s",
        arguments.join(" "),
        begun.elapsed().as_secs_f64()
    )
}

/// Resumes a campaign whose long journal has no seal. Seconds to the first new attempt: the journal replayed, every
/// result read once more, leftovers cleared away, a container and a worker started.
fn resumed(project: &Project, name: &str) -> f64 {
    let files = Files::of(project, name);
    let journal = files.results().join("journal.jsonl");
    let started = || {
        let text = std::fs::read_to_string(&journal).unwrap();
        text.matches("{\"attempt_started\":").count()
    };
    let before = started();
    let begun = Instant::now();
    let mut lemctl = project
        .lemctl(&["campaign", "resume", name, "--progress", "quiet"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while started() == before && lemctl.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(lemctl.wait().unwrap().code(), Some(0));
    seconds
}

/// A life of `runs` runs that is killed, and 50 more in the next. `cold`: a worker of its own for every run, and so two execs, it and the sweep behind it.
fn runs_in_one_life(runs: u64, length: u64, every: Duration, cold: bool) {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let _image = OwnImage::of(&project);
    let name = "long";
    let planned = runs + 50;
    let mut text = campaign(name, planned, 0.02);
    if cold {
        text = text.replace("execution: {", "execution: {force_cold_start: true, ");
    }
    project.write(&format!("campaigns/{name}.yaml"), &text);
    let looks = watched(&project, name, every, runs);
    let seconds = resumed(&project, name);
    let files = Files::of(&project, name);
    let stretches = stretches(&files, &looks, runs, length);
    println!("{}", table(&stretches));
    let growth = assert_flat(&stretches);
    println!(
        "lemctl campaign resume {name}, killed after {runs} runs: first new attempt after {seconds:.2} s"
    );
    let steps = files.events_of("step_done");
    let named = |kind: &str| {
        let is = |step: &&serde_json::Value| step["step"].as_str().unwrap().starts_with(kind);
        steps.iter().filter(is).count()
    };
    // A probe, a worker for each load, a sweep after each.
    let execs = named("probe-container") + named("load-engine") + named("unload-engine");
    println!("{runs} runs, {execs} execs, {growth:.2} KiB of memory a run");
    assert!(!cold || execs as u64 > 2 * runs, "{execs} execs");
    assert_eq!(files.accepted().len() as u64, planned);
    for arguments in [
        &["campaign", "status", name][..],
        &["campaign", "list"],
        &["campaign", "resume", name],
        &["results", "list", name],
        &["manifest", "verify", name],
    ] {
        println!("{}", timed(&project, arguments));
    }
    files.assert_nothing_left();
    assert_eq!(strays(&project, &files), Vec::<String>::new());
    assert_eq!(lemctls(&project), Vec::<u32>::new());
    let left = docker(&[
        "ps",
        "--all",
        "--quiet",
        "--filter",
        &format!("name=lem-{}", files.id),
    ]);
    assert_eq!(left, "");
}

/// Enough that a descriptor, thread or process kept by each run, load or look would show.
#[test]
fn docker_runs_leave_no_descriptor_thread_or_process() {
    runs_in_one_life(150, 50, Duration::from_millis(100), false);
}

/// `make soak`: RUNS of them.
#[test]
#[ignore = "takes an hour: make soak"]
fn docker_thousands_of_runs() {
    let runs = number("LEM_SOAK_RUNS", 5_000);
    runs_in_one_life(runs, 500, Duration::from_millis(500), false);
}

/// `make soak`: an exec for every worker and one for the sweep behind it, as many as RUNS.
#[test]
#[ignore = "takes ten minutes: make soak"]
fn docker_thousands_of_execs() {
    let runs = number("LEM_SOAK_RUNS", 5_000) / 2;
    runs_in_one_life(runs, 250, Duration::from_millis(500), true);
}
