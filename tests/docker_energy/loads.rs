//! An engine's life: kept while the key stays, unloaded before the next key with its memory back, fresh for every run
//! under `force_cold_start`.

use serde_json::{Value, json};

use crate::campaign_files::{Files, processes_of};
use crate::lab::{Campaign, GPU, Lab, number};
use crate::session::Session;

/// Two engine keys, two experiments on each.
fn up(lab: &Lab, campaign: &Campaign) -> (Vec<Value>, Vec<Value>) {
    let two = campaign
        .text()
        .replace("num_layers: [1]", "num_layers: [1, 2]");
    lab.project.write(&campaign.file(), &two);
    let file = campaign.file();
    lab.project
        .expect(0, &lab.arguments(&["campaign", "up", &file]));
    let events = Files::of(&lab.project, campaign.name).events();
    (lab.results(campaign), events)
}

/// Steps of a kind that were done, in the journal's order.
fn done(events: &[Value], step: &str) -> Vec<Value> {
    let done = events.iter().map(|event| &event["step_done"]);
    done.filter(|done| done["step"].as_str().is_some_and(|id| id.starts_with(step)))
        .cloned()
        .collect()
}

#[test]
fn docker_a_key_that_stays_needs_no_load_and_memory_is_back_before_the_next() {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    let campaign = Campaign {
        batches: "[1, 2]",
        baseline: "off",
        ..Campaign::default()
    };
    let (results, events) = up(&lab, &campaign);
    let life: Vec<(u64, u64)> = results
        .iter()
        .map(|result| {
            (
                result["load"].as_u64().unwrap(),
                result["runs_before_on_load"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(life, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    for result in &results {
        assert!(number(&result["load_seconds"]) > 0.0, "{result:#}");
    }
    let loads = done(&events, "load-engine");
    assert_eq!(loads.len(), 2, "two keys, two loads");
    assert!(number(&loads[0]["detail"]["load_seconds"]) > 0.0);
    // Only the runs that an engine was loaded for have its time among their figures.
    let timed: Vec<bool> = events
        .iter()
        .map(|event| &event["attempt_ended"])
        .filter(|ended| ended.is_object())
        .map(|ended| ended["figures"]["load_seconds"].is_number())
        .collect();
    assert_eq!(timed, [true, false, true, false]);
    // Before the second load the first engine is unloaded, and its memory is back.
    let kinds: Vec<String> = events
        .iter()
        .filter_map(|event| event["step_done"]["step"].as_str().map(str::to_owned))
        .collect();
    let place = |id: &str| kinds.iter().position(|kind| kind == id).unwrap();
    assert!(place("unload-engine:0") < place("load-engine:1"));
    for unload in done(&events, "unload-engine") {
        let memory = &unload["detail"]["memory"];
        let gpu = &memory["gpus"][0];
        let above = number(&gpu["used_mib"]) - number(&gpu["used_mib_when_empty"]);
        assert!(above <= 64.0, "{unload:#}");
        assert!(number(&memory["seconds"]) < 10.0, "{unload:#}");
    }
    let said = lab.project.expect(0, &["results", "list", "lab"]);
    let line = "engine loads: 2 for 4 runs";
    assert!(said.stdout.contains(line), "{said:#?}");
    assert!(said.stdout.contains("2 runs went on with a loaded engine"));
    assert!(said.stdout.contains("no best: "), "{said:#?}");
}

#[test]
fn docker_a_cold_start_loads_for_every_run() {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    let campaign = Campaign {
        batches: "[1, 2]",
        baseline: "off",
        execution: "cycles: 1, force_cold_start: true",
        ..Campaign::default()
    };
    let (results, events) = up(&lab, &campaign);
    assert_eq!(results.len(), 4);
    for result in &results {
        assert_eq!(result["runs_before_on_load"], 0, "{result:#}");
    }
    assert_eq!(done(&events, "load-engine").len(), 4);
    assert_eq!(done(&events, "unload-engine").len(), 4);
}

#[test]
fn docker_an_engine_that_dies_in_the_middle_costs_its_run_and_its_memory_is_back_before_the_next_load()
 {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    let campaign = Campaign {
        batches: "[1, 2]",
        baseline: "off",
        seconds: 3.0,
        ..Campaign::default()
    };
    lab.write(&campaign);
    let file = campaign.file();
    let arguments = lab.arguments(&["campaign", "up", &file]);
    let mut session = Session::start(&lab.project, &arguments);
    session.wait_phase("measure");
    let files = Files::of(&lab.project, campaign.name);
    let container = files.container().unwrap();
    // Pids grow: the worker came last.
    let worker = processes_of(&container).into_iter().max().unwrap();
    let status = std::process::Command::new("kill")
        .args(["-s", "KILL", &worker.to_string()])
        .status();
    assert!(status.unwrap().success());
    assert_eq!(session.end().code, Some(5));
    let ended = files.events_of("attempt_ended");
    let cause = &ended[0]["verdict"]["failed"]["cause"];
    assert_eq!(cause["code"], "worker_gone", "{ended:#?}");
    assert!(cause["hint"].is_string(), "{cause:#}");
    assert_eq!(ended[1]["verdict"], "accepted", "the campaign goes on");
    // The same container serves on: what the dead engine held was back, else it would have been made anew.
    assert_eq!(files.events_of("worker_lost").len(), 1);
    assert_eq!(files.events_of("container_lost").len(), 0);
    let events = files.events();
    let lost = events
        .iter()
        .position(|event| event["worker_lost"].is_object());
    let loads: Vec<usize> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| event["step_done"]["step"] == "load-engine:0")
        .map(|(place, _)| place)
        .collect();
    assert!(loads.len() == 2 && Some(loads[1]) > lost, "{loads:?}");
    let result = &lab.results(&campaign)[0];
    assert_eq!(result["runs_before_on_load"], 0);
    let left = &result["leak_check"]["gpus"][GPU];
    assert_eq!(left["verdict"], "clean", "{left:#}");
    let unload = &done(&events, "unload-engine")[0];
    let gpu = &unload["detail"]["memory"]["gpus"][0];
    assert!(
        number(&gpu["used_mib"]) - number(&gpu["used_mib_when_empty"]) <= 64.0,
        "{unload:#}"
    );
    files.assert_nothing_left();
}
