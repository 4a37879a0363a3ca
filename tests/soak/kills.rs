//! lemctl killed at moments that a seed draws, every few seconds, and resumed until its campaign is done: each run is
//! accepted exactly once, the manifest verifies, nothing is left.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::asked::{campaign, number};
use crate::campaign_files::{Files, text};
use crate::left::{lemctls, strays};
use crate::own_image::OwnImage;
use crate::project::Project;

/// Lives without one more accepted run after which a campaign is taken to be stuck.
const STUCK: u32 = 40;

/// What a seed did to its campaign.
#[derive(Debug, Default)]
struct Course {
    kills: u32,
    /// Kills before the campaign's first event was on disk.
    unborn: u32,
    downs: u32,
    attempts: usize,
    interrupted: usize,
}

/// Lets a life of lemctl go on until `moment`. Its exit code, or none if it was killed.
fn live(mut lemctl: Child, moment: Duration) -> Option<(Option<i32>, String)> {
    let end = Instant::now() + moment;
    while lemctl.try_wait().unwrap().is_none() {
        if Instant::now() >= end {
            lemctl.kill().unwrap();
            lemctl.wait_with_output().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = lemctl.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((output.status.code(), said))
}

/// Whether the campaign's first event is on disk.
fn born(project: &Project, name: &str) -> bool {
    let folder = project.root().join("results").join(name);
    let ids = folder.read_dir_utf8().into_iter().flatten().flatten();
    let journals = ids.map(|id| id.path().join("journal.jsonl"));
    let begun =
        journals.filter(|journal| std::fs::read(journal).is_ok_and(|bytes| bytes.contains(&b'\n')));
    begun.count() == 1
}

/// Kills and resumes until the campaign is sealed. Lives last from nothing to `longest` seconds.
fn to_its_end(project: &Project, name: &str, seed: u64, longest: f64) -> Course {
    let file = format!("campaigns/{name}.yaml");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut course = Course::default();
    let (mut accepted, mut fruitless) = (0, 0);
    loop {
        let begun = born(project, name);
        let arguments = match begun {
            false => ["campaign", "up", &file],
            true => ["campaign", "resume", name],
        };
        let lemctl = project
            .lemctl(&arguments)
            .args(["--progress", "quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A machine that is busy must get on, too: every stuck life lets the next be longer.
        let longest = longest * f64::from(1 + fruitless / 4);
        let moment = Duration::from_secs_f64(random.random_range(0.0..longest));
        if let Some((code, said)) = live(lemctl, moment) {
            assert_eq!(code, Some(0), "seed {seed}, {course:?}: {said}");
            return course;
        }
        course.kills += 1;
        if !born(project, name) {
            course.unborn += 1;
            continue;
        }
        let files = Files::of(project, name);
        let now = accepted_in(&files);
        fruitless = if now > accepted { 0 } else { fruitless + 1 };
        accepted = now;
        assert!(fruitless < STUCK, "seed {seed}: no run in {STUCK} lives");
        if random.random_ratio(1, 8) {
            course.downs += 1;
            project.expect(0, &["campaign", "down", name]);
            files.assert_nothing_left();
        }
    }
}

/// Accepted attempts in a journal whose last line may be torn.
fn accepted_in(files: &Files<'_>) -> usize {
    let journal = std::fs::read_to_string(files.results().join("journal.jsonl")).unwrap();
    journal.matches("\"verdict\":\"accepted\"").count()
}

/// Everything that must hold of a campaign that came to its end.
fn assert_whole(project: &Project, name: &str, seed: u64, runs: u64, course: &mut Course) {
    let files = Files::of(project, name);
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (run, _) in files.accepted() {
        *times.entry(run).or_default() += 1;
    }
    for event in files.events_of("attempt_started") {
        let attempts = numbers.entry(text(&event["run"])).or_default();
        attempts.push(event["attempt"].as_u64().unwrap());
    }
    let manifest = files.manifest();
    let entries = manifest["runs"].as_array().unwrap();
    assert_eq!(entries.len() as u64, runs, "seed {seed}");
    for entry in entries {
        let run = text(&entry["run"]);
        assert_eq!(entry["verdict"], "accepted", "seed {seed}: {run}");
        assert_eq!(
            times.get(&run),
            Some(&1),
            "seed {seed}: {run} in the journal"
        );
        let attempts = entry["attempts"].as_array().unwrap();
        let of = |verdict: &str| {
            let is = |attempt: &&serde_json::Value| attempt["verdict"] == verdict;
            attempts.iter().filter(is).count()
        };
        assert_eq!(of("accepted"), 1, "seed {seed}: {run}: {attempts:?}");
        let cut = attempts
            .iter()
            .filter(|attempt| attempt["verdict"].is_null());
        let cut = cut.count();
        assert_eq!(cut + 1, attempts.len(), "seed {seed}: {run}: {attempts:?}");
        let want: Vec<u64> = (1..=attempts.len() as u64).collect();
        assert_eq!(numbers[&run], want, "seed {seed}: attempts at {run}");
        course.attempts += attempts.len();
        course.interrupted += cut;
    }
    assert_eq!(times.len() as u64, runs, "seed {seed}");
    assert!(course.interrupted as u32 <= course.kills, "seed {seed}");
    project.expect(0, &["manifest", "verify", name]);
    files.assert_nothing_left();
    assert_eq!(strays(project, &files), Vec::<String>::new(), "seed {seed}");
    assert_eq!(lemctls(project), Vec::<u32>::new(), "seed {seed}");
    let again = project.expect(0, &["campaign", "resume", name]);
    assert!(again.stdout.contains("finished and sealed"), "{again:?}");
}

/// One seed from the beginning to the end; its line.
fn seed(project: &Project, seed: u64, runs: u64, longest: f64) -> String {
    let name = format!("soak-{seed}");
    project.write(
        &format!("campaigns/{name}.yaml"),
        &campaign(&name, runs, 0.1),
    );
    let begun = Instant::now();
    let mut course = to_its_end(project, &name, seed, longest);
    assert_whole(project, &name, seed, runs, &mut course);
    let Course {
        kills,
        unborn,
        downs,
        attempts,
        interrupted,
    } = course;
    format!(
        "seed {seed}: {runs} runs, {kills} kills ({unborn} before the first event), {downs} downs, {attempts} attempts, \
         {interrupted} interrupted, {:.0} s: each accepted once, verified, nothing left",
        begun.elapsed().as_secs_f64()
    )
}

#[test]
fn docker_killed_at_random_every_run_is_accepted_once() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let _image = OwnImage::of(&project);
    println!("{}", seed(&project, number("LEM_SOAK_SEED", 1), 60, 2.0));
}

/// `make soak`: SEEDS of them, from FIRST_SEED on.
#[test]
#[ignore = "takes hours: make soak"]
fn docker_many_seeds() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let _image = OwnImage::of(&project);
    let (first, seeds) = (number("LEM_SOAK_SEED", 1), number("LEM_SOAK_SEEDS", 50));
    for number in first..first + seeds {
        println!("{}", seed(&project, number, 200, 5.0));
        // Disk is not what is soaked here.
        for folder in ["results", "manifests"] {
            let name = format!("soak-{number}");
            std::fs::remove_dir_all(project.root().join(folder).join(name)).unwrap();
        }
    }
    println!("{seeds} seeds: all whole");
}
