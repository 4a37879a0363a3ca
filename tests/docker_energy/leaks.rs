//! What is left on the GPU between runs: ours is swept and the container made anew; a stranger's is named and left
//! alone.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::campaign_files::Files;
use crate::lab::{Campaign, GPU, Lab, number, went_well, words};
use crate::session::Session;

/// Somebody else's process on this host.
struct Stranger(Child);

impl Stranger {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A second worker in the campaign's container: it loads a model, so it holds memory on the simulated GPU, and
/// stays until it is swept.
fn plant(container: &str) -> Child {
    let mut child = Command::new("docker")
        .args(["exec", "--interactive", container, "/lem/worker"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parameters = json!({ "threads": 1, "dtype": "float32", "hidden_size": 32, "num_layers": 1, "num_heads": 4,
        "num_kv_heads": 4, "intermediate_size": 64, "vocab_size": 512, "context_length": 64 });
    let load = json!({ "id": 1, "request": { "type": "load", "parameters": parameters,
        "model": { "source": "random", "seed": 1 }, "gpus": [GPU] } });
    writeln!(child.stdin.as_mut().unwrap(), "{load}").unwrap();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut answer = String::new();
    while !answer.contains("done") {
        answer.clear();
        let read = std::io::BufRead::read_line(&mut reader, &mut answer).unwrap();
        assert!(read > 0, "the planted worker ended");
        assert!(!answer.contains("error"), "{answer}");
    }
    child
}

#[test]
fn docker_a_planted_leak_is_found_swept_and_its_container_made_anew() {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    let campaign = Campaign {
        // What the planted command disturbs is not to be tried again: it is looked at.
        execution: "cycles: 3, retries: {max: 0}",
        rest: "leaks: {tolerance_mib: 64, deadline_seconds: 1}",
        ..Campaign::default()
    };
    lab.write(&campaign);
    let arguments = lab.arguments(&["campaign", "up", "campaigns/lab.yaml"]);
    let mut session = Session::start(&lab.project, &arguments);
    // In the first run: what the load may hold is settled by it, and this must not become a part of that.
    session.wait_phase("warm-up");
    let files = Files::of(&lab.project, campaign.name);
    let container = files.container().unwrap();
    let mut planted = plant(&container);
    // Not for its memory: a command of somebody else's ran in the container meanwhile.
    assert_eq!(session.end().code, Some(6));
    assert!(planted.wait().is_ok(), "it was swept");
    let lost = files.events_of("container_lost");
    assert_eq!(lost.len(), 1, "{lost:?}");
    let reason = lost[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("gpu_memory_leaked") && reason.contains(GPU) && reason.contains("MiB"),
        "{reason}"
    );
    let results = lab.results(&campaign);
    assert_eq!(results.len(), 3);
    let leaked: Vec<usize> = (0..3)
        .filter(|run| words(&results[*run]["flags"]).contains(&"gpu_memory_leaked"))
        .collect();
    assert_eq!(leaked.len(), 1, "{leaked:?}");
    let found = &results[leaked[0]]["leak_check"]["gpus"][GPU];
    assert_eq!(found["verdict"], "ours", "{found:#}");
    // A second worker's context and weights: what it holds does not become what the load may hold.
    assert!(number(&found["grown_mib"]) > 500.0, "{found:#}");
    // What came after it ran in another container on a clean GPU.
    let last = &results[2]["leak_check"]["gpus"][GPU];
    assert_eq!(last["verdict"], "clean", "{last:#}");
    assert_eq!(files.accepted().len(), 2);
    let reasons = &results[leaked[0]]["verdict"]["rejected"]["reasons"];
    assert_eq!(reasons[0]["code"], "container_disturbed", "{reasons:#}");
    files.assert_nothing_left();
}

#[test]
fn docker_a_strangers_process_is_named_stops_the_campaign_and_is_left_alone() {
    let mut stranger = Stranger::start();
    let pid = stranger.0.id();
    let with = |from: f64| json!({ "faults": { "processes": [{ "pid": pid, "mib": 700, "when": { "from_s": from } }] } });
    let Some(lab) = Lab::new(&with(4.0)) else {
        return;
    };
    let campaign = Campaign {
        execution: "cycles: 4",
        rest: "leaks: {tolerance_mib: 64, deadline_seconds: 0.5}",
        ..Campaign::default()
    };
    let said = lab.up(4, &campaign);
    let named = format!("pid {pid}");
    assert!(
        said.stderr.contains("foreign_process")
            && said.stderr.contains(&named)
            && said.stderr.contains("sleep"),
        "{said:#?}"
    );
    assert!(stranger.lives(), "it was left alone");
    let files = Files::of(&lab.project, campaign.name);
    assert_eq!(files.events_of("breaker_opened").len(), 1);
    files.assert_nothing_left();
    // With it gone the campaign goes on.
    drop(stranger);
    lab.machine(&json!({}));
    let resumed = lab.arguments(&["campaign", "resume", "lab"]);
    let said = lab.project.run(&resumed);
    // A run that was measured beside the stranger is not tried again by itself.
    went_well(&said, &files, &["foreign_process"]);
    lab.project.expect(0, &["manifest", "verify", "lab"]);
}

#[test]
fn docker_a_stranger_at_the_start_keeps_the_campaign_from_measuring() {
    let mut stranger = Stranger::start();
    let processes = json!([{ "pid": stranger.0.id(), "mib": 700, "when": {} }]);
    let Some(lab) = Lab::new(&json!({ "faults": { "processes": processes } })) else {
        return;
    };
    let said = lab.up(4, &Campaign::default());
    assert!(said.stderr.contains("foreign_process"), "{said:#?}");
    let files = Files::of(&lab.project, "lab");
    assert_eq!(files.events_of("attempt_started").len(), 0);
    files.assert_nothing_left();
    assert!(stranger.lives(), "it was left alone");
}
