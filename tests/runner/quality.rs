//! The quality gate: who is asked, when, and what becomes of the answers. A broken setting never passes.

use std::collections::BTreeMap;

use lem_protocol::{Parameters, QualityRecord, Request};
use lemctl::execution::{Event, Verdict};
use lemctl::manifest::verify;
use lemctl::quality::QualityStatus;
use lemctl::runner::reopen;

use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};

/// Two engines with real weights, two cycles: 4 runs. The first is the reference.
pub fn real(quality: &str) -> String {
    EIGHT
        .replace(
            "model: {random: {seed: 1}}",
            &format!("model: {{local: {{path: m}}}}\n{quality}"),
        )
        .replace("[reference]", "[widget]")
        .replace(
            "num_layers: [1, 2], batch_size: [1, 2]",
            "load_quantised: [false, true]",
        )
        .replace("arrival: batch", "arrival: {closed_loop: {concurrency: 1}}")
}

pub const REFERENCE: &str = "quality: {reference: {when: {load_quantised: false}}}";

/// Status and codes of the plain and of the quantised experiment, as the manifest has them.
pub fn qualities(stage: &Stage) -> BTreeMap<bool, String> {
    let path = stage.folders().manifests().join("manifest.json");
    let text = std::fs::read_to_string(path).unwrap();
    let manifest: lemctl::manifest::Manifest = serde_json::from_str(&text).unwrap();
    let of = |entry: &lemctl::manifest::ExperimentEntry| {
        let quantised = entry.config["engine"]["load_quantised"].as_bool();
        (
            quantised.unwrap_or_default(),
            entry.quality.as_ref().unwrap().line(),
        )
    };
    manifest.experiments.iter().map(of).collect()
}

pub fn want(plain: &str, quantised: &str) -> BTreeMap<bool, String> {
    [(false, plain.to_owned()), (true, quantised.to_owned())].into()
}

fn quantised(loaded: &Parameters) -> bool {
    loaded["load_quantised"] == true
}

#[tokio::test(start_paused = true)]
async fn each_experiment_is_asked_once_after_its_first_accepted_run_and_outside_of_windows() {
    let stage = Stage::new(&real(REFERENCE));
    stage.up().await.unwrap();
    stage.assert_complete();
    assert_eq!(qualities(&stage), want("passed", "passed"));
    assert_eq!(stage.worker.count("assess"), 2);
    let names = stage.worker.names();
    for (place, _) in names
        .iter()
        .enumerate()
        .filter(|(_, name)| **name == "assess")
    {
        assert_eq!(names[place - 1], "measure", "after a window: {names:?}");
    }
    // Within the run's own attempt, and after its verdict is on disk.
    let events = stage.events();
    for (place, event) in events.iter().enumerate() {
        let Event::QualityAssessed { assessed, .. } = event else {
            continue;
        };
        let told = |event: &Event| matches!(event, Event::AttemptEnded { run, verdict: Verdict::Accepted, .. } if *run == assessed.run);
        assert!(events[..place].iter().any(told));
        let file = assessed.file.as_ref().unwrap();
        assert_eq!(file.path, format!("{}/a1/quality.json", assessed.run));
    }
    // The record is part of the seal.
    let cited = events.iter().find_map(|event| match event {
        Event::QualityAssessed { assessed, .. } => assessed.file.clone(),
        _ => None,
    });
    let path = stage.folders().results().join(cited.unwrap().path);
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(verify(&stage.folders()).findings.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_setting_fails_whatever_it_breaks() {
    type Break = fn(&Parameters, &mut QualityRecord);
    let breaks: [(&str, Break); 4] = [
        ("not_finite", |loaded, record| {
            if quantised(loaded) {
                record.outputs[0].output_logprobs[0] = None;
            }
        }),
        ("token_count, greedy_agreement", |loaded, record| {
            for output in record.outputs.iter_mut().filter(|_| quantised(loaded)) {
                output.output_ids.truncate(2);
                output.output_logprobs.truncate(2);
            }
        }),
        ("repetition, greedy_agreement", |loaded, record| {
            for output in record.outputs.iter_mut().filter(|_| quantised(loaded)) {
                output.output_ids.fill(7);
            }
        }),
        ("logprob_difference", |loaded, record| {
            for output in record.outputs.iter_mut().filter(|_| quantised(loaded)) {
                output.input_logprobs.fill(Some(-5.0));
            }
        }),
    ];
    for (codes, act) in breaks {
        let stage = Stage::new(&real(REFERENCE));
        stage.worker.at("assess", 0, Act::Answers(act));
        stage.up().await.unwrap();
        stage.assert_complete();
        assert_eq!(
            qualities(&stage),
            want("passed", &format!("failed ({codes})"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_its_reference_is_judged_once_that_is_known() {
    // The quantised experiment is the second; as the reference it makes the first one wait.
    let stage = Stage::new(&real(
        "quality: {reference: {when: {load_quantised: true}}}",
    ));
    stage.up().await.unwrap();
    stage.assert_complete();
    assert_eq!(qualities(&stage), want("passed", "passed"));
    let told: Vec<String> = stage
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::QualityAssessed { assessed, .. } => Some(assessed.quality.line()),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        ["not_assessed (reference_missing)", "passed", "passed"]
    );
    assert_eq!(stage.worker.count("assess"), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_without_a_sound_reference() {
    let none = Stage::new(&real(""));
    none.up().await.unwrap();
    let no_reference = "not_assessed (no_reference)";
    assert_eq!(qualities(&none), want(no_reference, no_reference));

    let broken = Stage::new(&real(REFERENCE));
    let act = Act::Answers(|loaded, record| {
        if !quantised(loaded) {
            record.outputs[0].input_logprobs[0] = None;
        }
    });
    broken.worker.at("assess", 0, act);
    broken.up().await.unwrap();
    assert_eq!(
        qualities(&broken),
        want("failed (not_finite)", "not_assessed (reference_failed)")
    );
}

#[tokio::test(start_paused = true)]
async fn weights_that_are_not_real_and_a_shut_gate_ask_nothing() {
    let stage = Stage::new(EIGHT);
    stage.up().await.unwrap();
    assert_eq!(stage.worker.count("assess"), 0);
    let lines: Vec<String> = qualities(&stage).into_values().collect();
    assert_eq!(lines, ["not_assessed (weights)"]);

    let stage = Stage::new(&real("quality: {assess: false}"));
    stage.up().await.unwrap();
    assert_eq!(stage.worker.count("assess"), 0);
    let disabled = "not_assessed (disabled)";
    assert_eq!(qualities(&stage), want(disabled, disabled));
}

#[tokio::test(start_paused = true)]
async fn trouble_with_an_assessment_touches_no_verdict_and_is_tried_again() {
    for (act, code, workers) in [
        (Act::Crash(11), "assess_failed", 3),
        (Act::Hang, "assess_failed", 3),
        (Act::NoRecord, "record_invalid", 3),
        (Act::Symlink, "record_invalid", 3),
        (Act::WrongHash, "record_invalid", 3),
        (
            Act::Answers(|_, record| drop(record.outputs.pop())),
            "record_invalid",
            3,
        ),
        (Act::Refuse("engine_failed"), "assess_failed", 3),
        // Refused by its config: the worker is as good as before, and is not asked again.
        (Act::Refuse("unsupported"), "assess_refused", 2),
    ] {
        // Grouped: both cycles of an experiment on one load, so that another worker shows.
        let grouped = real(REFERENCE).replace("cycles: 2,", "cycles: 2, structure: grouped,");
        let stage = Stage::new(&grouped);
        stage.worker.at("assess", 1, act);
        stage.up().await.unwrap();
        stage.assert_complete();
        let first = stage.events().into_iter().find_map(|event| match event {
            Event::QualityAssessed { assessed, .. } => Some(assessed.quality.line()),
            _ => None,
        });
        assert_eq!(first.unwrap(), format!("not_assessed ({code})"));
        let (plain, other) = match code {
            "assess_refused" => (
                "not_assessed (assess_refused)",
                "not_assessed (reference_missing)",
            ),
            _ => ("passed", "passed"),
        };
        assert_eq!(qualities(&stage), want(plain, other));
        assert_eq!(stage.worker.count("hello"), workers, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_quality_is_asked_ends_in_order_and_it_is_asked_in_the_next_session() {
    let mut stage = Stage::new(&real(REFERENCE));
    stage.worker.at("assess", 1, Act::Hang);
    let (worker, stopper) = (stage.worker.clone(), stage.stop.0.clone());
    tokio::spawn(async move {
        while worker.count("assess") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        stopper.stop("a test");
    });
    let ended = stage.up().await.unwrap();
    assert!(ended.stopped.is_some() && ended.manifest.is_none());
    assert_eq!(ended.tally.accepted, 1, "the run's verdict stands");
    stage.assert_nothing_left();
    // The next accepted run of the experiment is that of the second cycle.
    stage.stop = lemctl::runner::StopSignal::new();
    stage.resume().await.unwrap();
    stage.assert_complete();
    assert_eq!(qualities(&stage), want("passed", "passed"));
    assert_eq!(stage.worker.count("assess"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_lost_is_told_at_the_next_session() {
    let stage = Stage::new(&real(REFERENCE));
    stage.up().await.unwrap();
    let cited = stage.events().into_iter().find_map(|event| match event {
        Event::QualityAssessed { assessed, .. } => assessed.file,
        _ => None,
    });
    std::fs::remove_file(stage.folders().results().join(cited.unwrap().path)).unwrap();
    let mut opened = reopen(stage.folders()).unwrap();
    let runs = vec![opened.planned.plan.runs[3].id.clone()];
    opened
        .record(&Event::RunsReopened { runs }, &*stage.worker.clock)
        .unwrap();
    stage.run(opened).await.unwrap();
    let lost = "not_assessed (record_invalid)";
    assert_eq!(
        qualities(&stage),
        want(lost, "not_assessed (reference_missing)")
    );
    assert!(verify(&stage.folders()).findings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_prompts_of_the_campaign_are_those_that_are_asked() {
    let stage = Stage::new(&real("quality: {prompts: a.jsonl}"));
    stage.up().await.unwrap();
    let asked: Vec<String> = stage
        .worker
        .heard()
        .into_iter()
        .filter_map(|heard| match heard.request {
            Request::Assess(assess) => Some(assess.workload),
            _ => None,
        })
        .collect();
    let gate = &stage.planned.campaign.quality.prompts;
    assert_eq!(gate.asked.len(), 8);
    assert_eq!(asked, vec![gate.digest.to_string(); 2]);
    let state = stage.state();
    for experiment in &state.plan().experiments {
        let known = state.quality(&experiment.hash).unwrap();
        assert_eq!(known.quality.status, QualityStatus::NotAssessed);
        assert_eq!(known.quality.seen.unwrap().prompts, 8);
    }
}

/// lemctl may die between a verdict and the answer: whoever comes next asks.
#[tokio::test(start_paused = true)]
async fn what_a_session_that_died_did_not_ask_is_asked_by_the_next() {
    let whole = Stage::new(&real(REFERENCE));
    whole.up().await.unwrap();
    let journal = std::fs::read(whole.journal()).unwrap();
    let ends = (0..journal.len()).filter(|at| journal[*at] == b'\n');
    let ends: Vec<usize> = ends.map(|at| at + 1).collect();
    let events = whole.events();
    for (end, event) in ends.iter().zip(&events) {
        if !matches!(event, Event::AttemptEnded { .. }) {
            continue;
        }
        let stage = Stage::new(&real(REFERENCE));
        crate::crash::copy(&whole.root().join("results"), &stage.root().join("results"));
        std::fs::write(stage.journal(), &journal[..*end]).unwrap();
        stage.resume().await.unwrap();
        stage.assert_complete();
        assert_eq!(qualities(&stage), want("passed", "passed"));
        let known = |event: &&Event| matches!(event, Event::QualityAssessed { .. });
        let known = events
            .iter()
            .zip(&ends)
            .filter(|(event, at)| *at <= end && known(event))
            .count();
        assert_eq!(
            known + stage.worker.count("assess"),
            2,
            "each experiment once"
        );
    }
}

/// A stop after the last run leaves the answer to the next session: what is missing is not sealed.
#[tokio::test(start_paused = true)]
async fn a_stop_before_the_last_answer_seals_nothing() {
    let grouped = real(REFERENCE).replace("cycles: 2,", "cycles: 1,");
    let mut stage = Stage::new(&grouped);
    stage.worker.at("assess", 2, Act::Hang);
    let (worker, stopper) = (stage.worker.clone(), stage.stop.0.clone());
    tokio::spawn(async move {
        while worker.count("assess") < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        stopper.stop("a test");
    });
    let ended = stage.up().await.unwrap();
    assert_eq!((ended.tally.due, ended.unasked), (0, 1));
    assert!(ended.manifest.is_none(), "it would be sealed as not_asked");
    stage.stop = lemctl::runner::StopSignal::new();
    stage.resume().await.unwrap();
    stage.assert_complete();
    assert_eq!(qualities(&stage), want("passed", "passed"));
    assert_eq!(
        stage.worker.count("measure"),
        2,
        "nothing is measured for it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_asked_again_once_the_environment_is_another() {
    let mut stage = Stage::new(&real(REFERENCE));
    stage.worker.at("assess", 1, Act::Refuse("unsupported"));
    let stopper = stage.stop.0.clone();
    let act = Act::Also(std::sync::Arc::new(move || stopper.stop("Ctrl-C")));
    stage.worker.at("measure", 2, act);
    stage.up().await.unwrap();
    stage.stop = lemctl::runner::StopSignal::new();
    let mut opened = reopen(stage.folders()).unwrap();
    let differences = vec!["images.widget.id".to_owned()];
    let accepted = Event::OverrideAccepted { differences };
    opened.record(&accepted, &*stage.worker.clock).unwrap();
    stage.run(opened).await.unwrap();
    assert_eq!(qualities(&stage), want("passed", "passed"));
}

/// One run; its container is lost while its engine is asked, the first time or each (0).
fn losing_the_answer(first: usize, execution: &str) -> Stage {
    let text = real(REFERENCE)
        .replace("[false, true]", "[false]")
        .replace("cycles: 2,", &format!("cycles: 1, {execution}"));
    let stage = Stage::new(&text);
    stage.worker.at("assess", first, Act::Hang);
    let (worker, engine) = (stage.worker.clone(), stage.engine.clone());
    tokio::spawn(async move {
        let mut lost = 0;
        while first == 0 || lost < first {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            if worker.count("assess") > lost {
                lost += 1;
                for name in engine.names() {
                    engine.kill(&name, 137);
                }
            }
        }
    });
    stage
}

/// What the plain experiment's quality was told to be, each time.
fn told(stage: &Stage) -> Vec<String> {
    let events = stage.events().into_iter();
    let told = events.filter_map(|event| match event {
        Event::QualityAssessed { assessed, .. } => Some(assessed.quality.line()),
        _ => None,
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn a_container_lost_while_quality_is_asked_costs_no_answer() {
    let stage = losing_the_answer(1, "");
    stage.up().await.unwrap();
    stage.assert_complete();
    assert_eq!(told(&stage), ["not_assessed (assess_lost)", "passed"]);
    let asked = ["measure", "assess"].map(|name| stage.worker.count(name));
    assert_eq!(asked, [1, 2], "nothing is measured for it");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_as_often_as_a_run() {
    for (retries, times) in [
        ("", 2),
        ("retries: {max: 0},", 1),
        ("retries: {max: 2},", 3),
    ] {
        // The breaker stays out of it.
        let policy = format!("{retries} breaker: {{consecutive_failures: 9}},");
        let stage = losing_the_answer(0, &policy);
        let ended = stage.up().await.unwrap();
        assert!(ended.manifest.is_some() && ended.breaker.is_none());
        assert_eq!(stage.worker.count("assess"), times, "{retries}");
        assert_eq!(told(&stage), vec!["not_assessed (assess_lost)"; times]);
        stage.assert_complete();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_counts_for_the_breaker_and_is_had_by_the_next_session() {
    let stage = losing_the_answer(1, "breaker: {consecutive_failures: 1},");
    let ended = stage.up().await.unwrap();
    assert_eq!(ended.breaker.unwrap().code, "container_lost");
    assert_eq!((ended.tally.due, ended.unasked), (0, 1));
    assert!(ended.manifest.is_none());
    stage.assert_nothing_left();
    stage.resume().await.unwrap();
    stage.assert_complete();
    assert_eq!(told(&stage), ["not_assessed (assess_lost)", "passed"]);
}
