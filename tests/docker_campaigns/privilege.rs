//! What the Engine and the kernel say of a campaign's container and its processes while it measures.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::campaign_files::{Files, campaign_text, docker, processes_of, text};
use crate::project::{Project, User};
use crate::session::Session;

fn inspect(container: &str) -> Value {
    let said: Value = serde_json::from_str(&docker(&["inspect", container])).unwrap();
    said[0].clone()
}

/// A field of /proc/PID/status; none if the process has ended.
fn status(pid: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Pids of the container's processes that are not the agent's, as PID 1 or as a worker's wrapper.
fn workers(container: &str) -> Vec<u32> {
    let foreign = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline"));
        line.is_ok_and(|line| !line.is_empty() && !line.starts_with(b"/lem/agent"))
    };
    processes_of(container)
        .into_iter()
        .filter(foreign)
        .collect()
}

fn assert_container(project: &Project, files: &Files<'_>, found: &Value) {
    let User { uid, gid, .. } = project.user;
    let host = &found["HostConfig"];
    assert_eq!(found["Config"]["User"], format!("{uid}:{gid}"));
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert!(host["CapAdd"].is_null(), "{}", host["CapAdd"]);
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["NetworkMode"], "none");
    assert_eq!(host["IpcMode"], "private");
    assert_ne!(host["PidMode"], "host");
    assert_eq!(host["AutoRemove"], false);
    assert_eq!(
        found["Config"]["Labels"]["org.lemctl.campaign"],
        files.id.as_str()
    );
    let live = project
        .root()
        .join(".lem")
        .join(&files.id)
        .join("reference");
    for mount in found["Mounts"].as_array().unwrap() {
        let (source, target) = (text(&mount["Source"]), text(&mount["Destination"]));
        assert!(
            source.starts_with(live.as_str()),
            "{source} is mounted at {target}"
        );
        assert_eq!(mount["RW"] == true, target == "/outbox", "{mount}");
    }
}

/// Every process of the container: the user's ids, no capability of any kind, no way to gain one.
fn assert_processes(project: &Project, container: &str) {
    let User { uid, gid, .. } = project.user;
    let pids = processes_of(container);
    assert!(pids.len() >= 3, "agent, wrapper and worker: {pids:?}");
    for pid in pids {
        let name = status(pid, "Name").unwrap_or_default();
        let want = [
            ("Uid", format!("{uid} {uid} {uid} {uid}")),
            ("Gid", format!("{gid} {gid} {gid} {gid}")),
            ("CapEff", "0".repeat(16)),
            ("CapPrm", "0".repeat(16)),
            ("CapInh", "0".repeat(16)),
            ("CapBnd", "0".repeat(16)),
            ("CapAmb", "0".repeat(16)),
            ("NoNewPrivs", "1".to_owned()),
        ];
        for (field, want) in want {
            if let Some(found) = status(pid, field) {
                assert_eq!(found, want, "{field} of {name} ({pid})");
            }
        }
    }
}

/// Runs a campaign and looks at it in each of its `runs` windows. Gives the containers and each window's
/// worker process.
fn look(project: &Project, name: &str, runs: usize) -> (BTreeSet<String>, Vec<u32>) {
    let file = format!("campaigns/{name}.yaml");
    let mut session = Session::start(project, &["campaign", "up", &file]);
    let (mut containers, mut seen) = (BTreeSet::new(), Vec::new());
    for _ in 0..runs {
        session.wait_phase("measure");
        let files = Files::of(project, name);
        let container = files.container().unwrap();
        assert_container(project, &files, &inspect(&container));
        assert_processes(project, &container);
        let workers = workers(&container);
        assert_eq!(workers.len(), 1, "workers at once: {workers:?}");
        seen.extend(workers);
        containers.insert(container);
    }
    let said = session.end();
    assert_eq!(said.code, Some(0), "{said:#?}");
    (containers, seen)
}

/// Ids of the workers that loaded an engine, as the journal tells.
fn worker_ids(files: &Files<'_>) -> Vec<String> {
    let done = files.events_of("step_done").into_iter();
    done.filter_map(|step| Some(step["detail"]["worker"].as_str()?.to_owned()))
        .collect()
}

/// Loads in a plan.
fn loads(plan: &Value) -> usize {
    let steps = plan["steps"].as_array().unwrap().iter();
    steps
        .filter(|step| step["step"]["kind"] == "load_engine")
        .count()
}

fn logs(files: &Files<'_>) -> BTreeSet<String> {
    let entries = files.results().join("logs").read_dir_utf8().unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect()
}

#[test]
fn docker_one_powerless_container_and_one_worker_per_engine_key() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let shared = "hidden_size: [32, 64], batch_size: [1, 2]";
    let text = campaign_text("privilege", shared, "cycles: 1, structure: grouped", 1.0);
    project.write("campaigns/privilege.yaml", &text);
    let plan = project.expect(
        0,
        &[
            "campaign",
            "plan",
            "campaigns/privilege.yaml",
            "--format",
            "json",
        ],
    );
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let (containers, seen) = look(&project, "privilege", 4);
    assert_eq!(
        containers.len(),
        1,
        "containers of the campaign: {containers:?}"
    );
    let files = Files::of(&project, "privilege");
    // Two engine keys, two runs each: workers change once, and are as many as the plan's loads.
    assert!(
        seen[0] == seen[1] && seen[1] != seen[2] && seen[2] == seen[3],
        "{seen:?}"
    );
    assert_eq!(worker_ids(&files), ["s1-w1", "s1-w2"]);
    assert_eq!(loads(&plan), 2);
    assert_eq!(
        logs(&files),
        BTreeSet::from(["s1-w1.log".to_owned(), "s1-w2.log".to_owned()])
    );
    files.assert_nothing_left();
}

#[test]
fn docker_a_cold_start_is_a_worker_of_its_own() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let execution = "cycles: 2, force_cold_start: true";
    let text = campaign_text(
        "cold",
        "hidden_size: [32], batch_size: [1, 2]",
        execution,
        0.5,
    );
    project.write("campaigns/cold.yaml", &text);
    let (containers, seen) = look(&project, "cold", 4);
    assert_eq!(containers.len(), 1);
    let files = Files::of(&project, "cold");
    let different: BTreeSet<u32> = seen.iter().copied().collect();
    assert_eq!(different.len(), 4, "worker processes: {seen:?}");
    assert_eq!(worker_ids(&files), ["s1-w1", "s1-w2", "s1-w3", "s1-w4"]);
    assert_eq!(logs(&files).len(), 4);
    files.assert_nothing_left();
}
