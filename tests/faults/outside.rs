//! Fault 11: somebody else touches a container while it measures: renames, pauses, changes, enters or restarts it.
//! Removed, killed, stopped and paused for good are in `tests/docker_campaigns/losses.rs`.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, docker, text};
use crate::guarantees::{self, hold};
use crate::project::Project;
use crate::session::{Session, eventually};

/// Something that is done to the container in the window of a run, and the code that its run gets.
type Deed = (&'static str, fn(&str), &'static str);

const DEEDS: [Deed; 6] = [
    (
        "renamed",
        |container| {
            drop(docker(&[
                "rename",
                container,
                &format!("renamed-{container}"),
            ]))
        },
        "accepted",
    ),
    (
        "looked at",
        |container| drop(docker(&["top", container])),
        "accepted",
    ),
    (
        "paused for a moment",
        |container| {
            // Under cgroup v1 a busy container does not always freeze at once.
            let pause = || {
                let status = Command::new("docker").args(["pause", container]).output();
                status.unwrap().status.success()
            };
            eventually("a pause", Duration::from_secs(10), pause);
            std::thread::sleep(Duration::from_millis(200));
            docker(&["unpause", container]);
        },
        "container_disturbed",
    ),
    (
        "given other limits",
        |container| drop(docker(&["update", "--cpus", "1.5", container])),
        "container_disturbed",
    ),
    (
        "entered",
        |container| drop(docker(&["exec", container, "/lem/agent", "probe"])),
        "container_disturbed",
    ),
    (
        "restarted",
        |container| drop(docker(&["restart", "--time", "5", container])),
        "container_lost",
    ),
];

/// The code of a verdict, or its word.
fn code(verdict: &Value) -> String {
    let cause = verdict["failed"]["cause"]["code"].as_str();
    let reason = verdict["rejected"]["reasons"][0]["code"].as_str();
    cause
        .or(reason)
        .map_or_else(|| text(verdict), str::to_owned)
}

#[test]
fn docker_what_somebody_else_does_to_a_container_decides_over_its_run_only() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let shared = "hidden_size: [32], batch_size: [1, 2, 3, 4, 5, 6, 7]";
    let file = campaign_text("outside", shared, "cycles: 1, retries: {max: 0}", 1.5);
    project.write("campaigns/outside.yaml", &file);
    let mut session = Session::start(&project, &["campaign", "up", "campaigns/outside.yaml"]);
    let mut disturbed = Vec::new();
    for (_, deed, _) in DEEDS {
        let run = session.wait_phase("measure");
        let files = Files::of(&project, "outside");
        deed(&files.container().unwrap());
        disturbed.push(run);
    }
    let said = session.end();
    assert_eq!(said.code, Some(5), "{said:#?}");
    let files = Files::of(&project, "outside");
    hold(&files);
    let ended = files.events_of("attempt_ended");
    let verdicts: Vec<(String, String)> = ended
        .iter()
        .map(|event| (text(&event["run"]), code(&event["verdict"])))
        .collect();
    for ((name, _, want), run) in DEEDS.iter().zip(&disturbed) {
        let found = verdicts.iter().find(|(of, _)| of == run);
        assert_eq!(
            found.map(|(_, code)| code.as_str()),
            Some(*want),
            "{name}: {verdicts:?}"
        );
    }
    assert_eq!(
        verdicts[6].1, "accepted",
        "nobody touched the last one: {verdicts:?}"
    );
    // Each that was touched is another's from then on.
    assert_eq!(files.events_of("container_lost").len(), 4);
    assert_said(&files, &ended);
    guarantees::names(&said, &["container_lost"], &["org.lemctl.campaign"]);
    files.assert_nothing_left();
    // What was rejected, and then what failed, is measured again.
    project.expect(5, &["campaign", "resume", "outside", "--retry", "rejected"]);
    guarantees::finishes_with(&project, "outside", 7, &["--retry", "failed"]);
}

/// The messages name what was done.
fn assert_said(files: &Files<'_>, ended: &[Value]) {
    let reasons: Vec<String> = ended
        .iter()
        .filter_map(|event| {
            let reason = &event["verdict"]["rejected"]["reasons"][0]["message"];
            Some(reason.as_str()?.to_owned())
        })
        .collect();
    for word in ["pause, unpause", "update", "exec_start `/lem/agent probe`"] {
        let said = reasons.iter().any(|reason| reason.contains(word));
        assert!(said, "{word}: {reasons:?}");
    }
    let lost: Vec<String> = files
        .events_of("container_lost")
        .iter()
        .map(|event| text(&event["reason"]))
        .collect();
    assert!(
        lost.iter()
            .any(|reason| reason.ends_with("ed from outside")),
        "{lost:?}"
    );
}
