//! Faults 1 to 3: lemctl killed or stopped at the moment at which each kind of event is on disk, so also between every
//! intent and its outcome, and several lemctl on one campaign.
//!
//! Beside these: `docker_campaigns/kills.rs` and `stops.rs` (phases of an attempt, torn lines, the lease), `runner/crash.rs`
//! (every line of a journal on fakes), `soak.rs` (random moments, and fault 20).

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, docker};
use crate::guarantees::{clean, finishes, finishes_with, hold};
use crate::project::{Project, Said};
use crate::session::Session;
use crate::watched_journal::{Watch, kind, send, signal_at_a_new_kind};

const NAME: &str = "crash";
const FILE: &str = "campaigns/crash.yaml";
const UP: [&str; 3] = ["campaign", "up", FILE];
const RESUME: [&str; 3] = ["campaign", "resume", NAME];
/// In how many campaigns every kind of event must have been killed at.
const CAMPAIGNS: usize = 6;

/// Two experiments that work, and two whose engine is refused: it fits the catalogue and no machine. One cycle more than
/// `auto` begins with, because no interval is as narrow as the target.
fn all_kinds() -> String {
    let execution = "cycles: auto, auto_cycles: {max: 8, target_half_width: 0.000001}";
    let groups = "  groups:\n    - - {hidden_size: 32, num_layers: 1}\n      - {hidden_size: 65536, num_layers: 1024}\n";
    campaign_text(NAME, "batch_size: [1, 2]", execution, 0.02)
        .replace("num_layers: [1], ", "")
        .replace("execution:", &format!("{groups}execution:"))
        .replace("max_seconds: 1,", "max_seconds: 0.05,")
}

/// What happens in the life of that campaign, from its creation to its seal, however often it is cut. The steps that take
/// a container down come in the one life that finds nothing due any more: of them the first is killed at here, the
/// others where a stop is asked for.
const OF_A_LIFE: [&str; 21] = [
    "campaign_created",
    "session_started",
    "step_started ensure-image",
    "step_done ensure-image",
    "step_started start-container",
    "step_done start-container",
    "step_started probe-container",
    "step_done probe-container",
    "step_started load-engine",
    "step_done load-engine",
    "step_failed load-engine",
    "worker_lost",
    "run_skipped",
    "attempt_started",
    "attempt_ended accepted",
    "cycle_added",
    "step_started unload-engine",
    "step_done unload-engine",
    "step_started stop-container",
    "session_ended",
    "sealed",
];

/// What happens when a stop is asked for in a window, or else the container is taken away in it.
const OF_AN_EARLY_END: [(&str, bool); 8] = [
    ("stop_requested", false),
    ("attempt_interrupted", false),
    ("worker_lost", false),
    ("step_started stop-container", false),
    ("step_done stop-container", false),
    ("attempt_ended failed", true),
    ("container_lost", true),
    ("breaker_opened", true),
];

/// What happens because a user asks for it.
const OF_A_WISH: [&str; 4] = [
    "runs_reopened",
    "changes_accepted",
    "result_lost",
    "override_accepted",
];

/// What no campaign of the reference backend without a GPU has in its journal, and one event that a command of its own writes
/// alone: on fakes in `runner/quality.rs`, `state_machine.rs` and where thermal rejections are retried.
const ELSEWHERE: [&str; 3] = ["quality_assessed", "scores_attached", "run_retried"];

fn begun(text: &str) -> Option<Project> {
    let project = Project::with_docker()?;
    project.write(FILE, text);
    Some(project)
}

/// Sends `signal` at each kind of event that is not in `seen` once, and adds it, resuming after each; looks at what is
/// left with `after`.
fn at_every_kind(
    project: &Project,
    signal: Signal,
    seen: &mut BTreeSet<String>,
    after: impl Fn(&Files<'_>, &str, &Said),
) {
    let mut arguments = UP;
    loop {
        let (kind, said) = signal_at_a_new_kind(project, NAME, &arguments, signal, seen);
        arguments = RESUME;
        let files = Files::of(project, NAME);
        hold(&files);
        let Some(kind) = kind else {
            assert_eq!(said.code, Some(5), "after {seen:?}: {said:#?}");
            return;
        };
        after(&files, &kind, &said);
    }
}

/// Every run of the experiment that works was accepted once, the others were skipped; the seal holds; nothing is left.
fn assert_sealed(project: &Project, runs: usize) {
    let files = Files::of(project, NAME);
    let manifest = files.manifest();
    let verdicts = manifest["runs"].as_array().unwrap().iter();
    let (accepted, others): (Vec<&Value>, Vec<&Value>) =
        verdicts.partition(|run| run["verdict"] == "accepted");
    assert_eq!(accepted.len(), runs);
    assert_eq!(files.accepted().len(), runs, "each accepted once");
    for run in others {
        assert!(run["verdict"].get("skipped").is_some(), "{run}");
    }
    project.expect(0, &["manifest", "verify", NAME]);
    clean(project, &files);
}

/// A kill that takes effect late can leave out a kind that comes once in a campaign: that one is killed at in another.
#[test]
fn docker_killed_as_each_kind_of_event_is_on_disk() {
    let mut seen = BTreeSet::new();
    for _ in 0..CAMPAIGNS {
        let Some(project) = begun(&all_kinds()) else {
            return;
        };
        at_every_kind(&project, Signal::KILL, &mut seen, |_, kind, said| {
            assert_eq!(said.code, None, "{kind}: {said:#?}");
        });
        assert_sealed(&project, 16);
        if missed(&seen).is_empty() {
            changes_of_mind(&project);
            return;
        }
    }
    panic!(
        "in {CAMPAIGNS} campaigns none died at {:?}, but at {seen:?}",
        missed(&seen)
    );
}

fn missed(seen: &BTreeSet<String>) -> Vec<&'static str> {
    let kinds = OF_A_LIFE.into_iter();
    kinds.filter(|kind| !seen.contains(*kind)).collect()
}

/// The same where the user asks for something: an edit, a retry, what is lost, another catalogue. Continues a sealed
/// campaign.
fn changes_of_mind(project: &Project) {
    let edited = all_kinds().replace("batch_size: [1, 2]", "batch_size: [1, 2, 3]");
    let ask = |event: &str, more: &[&str]| {
        let mut arguments = vec![
            "campaign",
            "resume",
            if more.contains(&"--accept-changes") {
                FILE
            } else {
                NAME
            },
        ];
        arguments.extend(more);
        let mut watch = Watch::new(project, NAME);
        let mut session = Session::start(project, &arguments);
        let came = watch.wait(&mut session, |found| kind(found) == event);
        assert!(came.is_some(), "{event} never came: {:#?}", session.end());
        send(&session, Signal::KILL);
        let said = session.end();
        assert_eq!(said.code, None, "{event}: {said:#?}");
        hold(&Files::of(project, NAME));
    };
    ask(OF_A_WISH[0], &["--retry", "skipped"]);
    project.write(FILE, &edited);
    ask(OF_A_WISH[1], &["--accept-changes"]);
    let files = Files::of(project, NAME);
    let (lost, _) = files.accepted().remove(0);
    let result = files.results().join(&lost);
    let attempts = result.read_dir_utf8().unwrap();
    for attempt in attempts {
        write_over(&attempt.unwrap().path().join("result.json"));
    }
    ask(OF_A_WISH[2], &["--retry", "lost"]);
    let catalogue = project.root().join("catalogues/reference-0.1.0.json");
    let text = std::fs::read_to_string(&catalogue).unwrap();
    project.write("catalogues/reference-0.1.0.json", &format!("{text}\n"));
    ask(OF_A_WISH[3], &["--accept-environment"]);
    let said = project.run(&["campaign", "resume", NAME, "--accept-environment"]);
    assert_eq!(said.code, Some(5), "{said:#?}");
    hold(&files);
    let manifest = files.manifest();
    let runs = manifest["runs"].as_array().unwrap().iter();
    let accepted = runs.filter(|run| run["verdict"] == "accepted").count();
    assert_eq!(accepted, 24, "three batch sizes");
    project.expect(0, &["manifest", "verify", NAME]);
    clean(project, &files);
}

/// A new kind of event must be killed at, too.
#[test]
fn no_kind_of_event_is_left_out() {
    let schema = crate::project::json(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/schemas/journal-event.schema.json"
    ));
    let kinds = schema["oneOf"].as_array().unwrap().iter();
    let kinds: BTreeSet<&str> = kinds
        .map(|one| one["required"][0].as_str().unwrap())
        .collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    let name = |kind: &'static str| kind.split(' ').next().unwrap();
    let mut known: BTreeSet<&str> = OF_A_LIFE.into_iter().map(name).collect();
    known.extend(OF_AN_EARLY_END.into_iter().map(|(kind, _)| name(kind)));
    known.extend(OF_A_WISH.into_iter().chain(ELSEWHERE));
    let missing: Vec<&&str> = kinds.difference(&known).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

fn write_over(path: &camino::Utf8Path) {
    assert!(path.exists(), "{path}");
    std::fs::write(path, "{}").unwrap();
}

#[test]
fn docker_ctrl_c_as_each_kind_of_event_is_on_disk_ends_in_order() {
    let Some(project) = begun(&all_kinds()) else {
        return;
    };
    let mut seen = BTreeSet::new();
    at_every_kind(&project, Signal::INT, &mut seen, |files, kind, said| {
        // Where nothing was due any more the campaign is sealed all the same: its verdicts say how it ended.
        let sealed = files.events().last().unwrap().get("sealed").is_some();
        let code = if sealed { Some(5) } else { Some(130) };
        // Before its first session lemctl ends as any program does.
        if kind != "campaign_created" {
            assert_eq!(said.code, code, "{kind}: {said:#?}");
            assert!(
                files
                    .events()
                    .iter()
                    .any(|event| event.get("session_ended").is_some())
            );
        }
        files.assert_nothing_left();
    });
    assert!(seen.len() > 15, "{seen:?}");
    assert_sealed(&project, 16);
}

#[test]
fn docker_ctrl_c_twice_as_each_kind_of_event_is_on_disk() {
    let Some(project) = begun(&all_kinds()) else {
        return;
    };
    let seen = at_every_kind_twice(&project);
    assert!(seen.len() > 15, "{seen:?}");
    assert_sealed(&project, 16);
}

/// Ctrl-C, and again as soon as the stop is in the journal: lemctl leaves at once, and what it leaves is taken away by
/// `down` or by the next `resume`.
fn at_every_kind_twice(project: &Project) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    loop {
        let arguments = if seen.is_empty() { UP } else { RESUME };
        let mut watch = Watch::new(project, NAME);
        let mut session = Session::start(project, &arguments);
        let event = watch.wait(&mut session, |event| !seen.contains(&kind(event)));
        if let Some(event) = &event
            && !session.has_ended()
        {
            seen.insert(kind(event));
            send(&session, Signal::INT);
            // Two signals of a kind that are pending at once are one.
            watch.wait(&mut session, |event| kind(event) == "stop_requested");
            if !session.has_ended() {
                send(&session, Signal::INT);
            }
        }
        let said = session.end();
        let files = Files::of(project, NAME);
        hold(&files);
        if event.is_none() {
            assert_eq!(said.code, Some(5), "after {seen:?}: {said:#?}");
            return seen;
        }
        assert!(!said.stderr.contains("panicked"), "{said:#?}");
        if seen.len().is_multiple_of(3) {
            project.expect(0, &["campaign", "down", NAME]);
            files.assert_nothing_left();
        }
    }
}

#[test]
fn docker_killed_while_it_stops_and_while_it_loses_its_container() {
    let execution = "cycles: 1, breaker: {consecutive_failures: 1}";
    let text = campaign_text(
        NAME,
        "hidden_size: [32], batch_size: [1, 2]",
        execution,
        // The container is taken away in it, on a busy machine too.
        3.0,
    );
    let Some(project) = begun(&text) else { return };
    let mut arguments = UP.to_vec();
    for (moment, container_is_taken) in OF_AN_EARLY_END {
        let mut watch = Watch::new(&project, NAME);
        let mut session = Session::start(&project, &arguments);
        session.wait_phase("measure");
        let files = Files::of(&project, NAME);
        if container_is_taken {
            docker(&["rm", "--force", &files.container().unwrap()]);
        } else {
            send(&session, Signal::INT);
        }
        let event = watch.wait(&mut session, |event| kind(event) == moment);
        assert!(event.is_some(), "{moment} never came: {:#?}", session.end());
        send(&session, Signal::KILL);
        let said = session.end();
        assert_eq!(said.code, None, "{moment}: {said:#?}");
        hold(&files);
        arguments = ["campaign", "resume", NAME, "--retry", "failed"].to_vec();
    }
    finishes_with(&project, NAME, 2, &["--retry", "failed"]);
}

#[test]
fn docker_of_many_resumes_at_once_one_goes_on() {
    let text = campaign_text(
        NAME,
        "hidden_size: [32], batch_size: [1, 2, 3]",
        "cycles: 1",
        0.4,
    );
    let Some(project) = begun(&text) else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_phase("measure");
    send(&session, Signal::KILL);
    session.end();
    let many: Vec<Session> = (0..4).map(|_| Session::start(&project, &RESUME)).collect();
    let ends: Vec<Said> = many.into_iter().map(Session::end).collect();
    let mut codes: Vec<Option<i32>> = ends.iter().map(|said| said.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(7), Some(7), Some(7)], "{ends:#?}");
    for said in ends.iter().filter(|said| said.code == Some(7)) {
        assert!(said.stderr.contains("another lemctl"), "{said:#?}");
    }
    finishes(&project, NAME, 3);
}
