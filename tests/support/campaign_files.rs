//! What a campaign of a test project left on disk and at the Engine.

use std::process::Command;

use camino::Utf8PathBuf;
use serde_json::Value;

use super::project::{Project, json};

/// One campaign of a project.
pub struct Files<'a> {
    project: &'a Project,
    pub name: String,
    pub id: String,
}

impl<'a> Files<'a> {
    /// The only campaign of that name.
    pub fn of(project: &'a Project, name: &str) -> Self {
        let folder = project.root().join("results").join(name);
        let ids: Vec<String> = folder
            .read_dir_utf8()
            .unwrap_or_else(|error| panic!("{folder}: {error}"))
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        assert_eq!(ids.len(), 1, "campaigns of the name {name}: {ids:?}");
        Self {
            project,
            name: name.to_owned(),
            id: ids[0].clone(),
        }
    }

    pub fn results(&self) -> Utf8PathBuf {
        self.project
            .root()
            .join("results")
            .join(&self.name)
            .join(&self.id)
    }

    pub fn manifests(&self) -> Utf8PathBuf {
        self.project
            .root()
            .join("manifests")
            .join(&self.name)
            .join(&self.id)
    }

    pub fn manifest(&self) -> Value {
        json(self.manifests().join("manifest.json"))
    }

    /// The journal's events, in order.
    pub fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.results().join("journal.jsonl")).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|mut line| line["event"].take()).collect()
    }

    /// Those of one kind.
    pub fn events_of(&self, kind: &str) -> Vec<Value> {
        let events = self.events().into_iter();
        events
            .filter_map(|mut event| event.get_mut(kind).map(Value::take))
            .collect()
    }

    /// Runs that were accepted, with the SHA-256 of their results, in the journal's order.
    pub fn accepted(&self) -> Vec<(String, String)> {
        let ended = self.events_of("attempt_ended").into_iter();
        ended
            .filter(|event| event["verdict"] == "accepted")
            .map(|event| (text(&event["run"]), text(&event["result"]["sha256"])))
            .collect()
    }

    /// Nothing of the campaign is left at the Engine, none of its processes lives, and its live folder is
    /// gone.
    pub fn assert_nothing_left(&self) {
        let label = format!("label=org.lemctl.campaign={}", self.id);
        for list in [
            &["ps", "--all", "--quiet", "--no-trunc", "--filter"][..],
            &["volume", "ls", "--quiet", "--filter"],
        ] {
            let mut arguments = list.to_vec();
            arguments.push(&label);
            assert_eq!(
                self.docker(&arguments),
                "",
                "docker {}",
                arguments.join(" ")
            );
        }
        for event in self.events_of("step_done") {
            if let Some(container) = event["detail"]["container"].as_str() {
                assert_eq!(
                    processes_of(container),
                    Vec::<u32>::new(),
                    "of container {container}"
                );
            }
        }
        let live = self.project.root().join(".lem").join(&self.id);
        assert!(!live.exists(), "{live} is left");
    }

    /// What the docker command prints, asked of the Engine that the campaign runs on.
    pub fn docker(&self, arguments: &[&str]) -> String {
        printed(self.project.docker_command(), arguments)
    }

    /// Id of the campaign's container that exists now, if one does.
    pub fn container(&self) -> Option<String> {
        let label = format!("label=org.lemctl.campaign={}", self.id);
        let ids = self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label]);
        let ids: Vec<&str> = ids.lines().collect();
        assert!(ids.len() <= 1, "more than one container: {ids:?}");
        ids.first().map(|id| (*id).to_owned())
    }
}

/// A string in JSON.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no string: {value}"))
        .to_owned()
}

/// What the docker command prints.
pub fn docker(arguments: &[&str]) -> String {
    printed(Command::new("docker"), arguments)
}

fn printed(mut command: Command, arguments: &[&str]) -> String {
    let output = command.args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "docker {}: {output:?}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Host pids of a container's processes, by their cgroup.
pub fn processes_of(container: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
        cgroups.is_ok_and(|cgroups| cgroups.contains(container))
    })
    .collect()
}

/// A campaign file for the reference backend: tiny model, short windows, no gap. `execution` and `shared`
/// are the inside of flow maps; later keys of a test go into them.
pub fn campaign_text(name: &str, shared: &str, execution: &str, seconds: f64) -> String {
    format!(
        "campaign_name: {name}
model: {{random: {{seed: 7}}}}
workload:
  synthetic: {{input_tokens: 8, output_tokens: 8, seed: 1, prompts: 4}}
  arrival: batch
  measure: {{min_seconds: {seconds}, min_requests: 2}}
grid:
  backends: [reference]
  shared: {{num_heads: [4], intermediate_size: [64], num_layers: [1], vocab_size: [512], {shared}}}
execution: {{config_gap_seconds: 0, cycle_gap_seconds: 0, {execution}}}
warmup: {{max_seconds: 1, min_iterations: 2, throughput_cv: 1}}
baseline: off
"
    )
}
