//! A project with one simulated GPU, and campaigns on it.

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::campaign_files::Files;
use crate::nvml_sim;
use crate::project::{Project, Said, json as read_json};

/// The simulated GPU.
pub const GPU: &str = "GPU-00000000-0000-0000-0000-000000000000";

/// A project whose lemctl reads the simulator.
pub struct Lab {
    pub project: Project,
    library: Utf8PathBuf,
}

impl Lab {
    /// None, said loudly, where Docker tests are skipped. `gpu` are keys of the simulated GPU.
    pub fn new(gpu: &Value) -> Option<Self> {
        let project = Project::with_docker()?;
        let library = project.root().join("libnvidia-ml.so.1");
        std::fs::copy(nvml_sim::library(), &library).unwrap();
        project.give(&library);
        let lab = Self { project, library };
        let env = std::fs::read_to_string(lab.project.root().join(".env")).unwrap();
        let env = format!("{env}LEM_SIMULATED_GPUS={GPU}\n");
        lab.project.write(".env", &env);
        lab.machine(gpu);
        Some(lab)
    }

    /// Another machine from now on.
    pub fn machine(&self, gpu: &Value) {
        let live = self.project.root().join(".lem");
        let scenario = json!({ "seed": 3, "load": { "logs": live }, "gpus": [gpu] });
        self.project
            .write("libnvidia-ml.so.1.json", &scenario.to_string());
    }

    /// Arguments of a session, with the simulator's library.
    pub fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--nvml-library", self.library.as_str()]].concat()
    }

    /// Runs a campaign to its end, which must be `code`.
    pub fn up(&self, code: i32, campaign: &Campaign) -> Said {
        self.write(campaign);
        let file = campaign.file();
        self.project
            .expect(code, &self.arguments(&["campaign", "up", &file]))
    }

    pub fn write(&self, campaign: &Campaign) {
        self.project.write(&campaign.file(), &campaign.text());
    }

    /// The results of a campaign's accepted and rejected runs, in the journal's order.
    pub fn results(&self, campaign: &Campaign) -> Vec<Value> {
        let files = Files::of(&self.project, campaign.name);
        let ended = files.events_of("attempt_ended").into_iter();
        ended
            .filter_map(|event| {
                let path = event["result"]["path"].as_str()?.to_owned();
                Some(read_json(files.results().join(path)))
            })
            .collect()
    }
}

/// A campaign of one small experiment; its parts in YAML.
pub struct Campaign {
    pub name: &'static str,
    pub batches: &'static str,
    pub execution: &'static str,
    pub baseline: &'static str,
    pub seconds: f64,
    pub rest: &'static str,
}

impl Default for Campaign {
    fn default() -> Self {
        Self {
            name: "lab",
            batches: "[2]",
            execution: "cycles: 1",
            baseline: "required",
            seconds: 1.0,
            rest: "",
        }
    }
}

impl Campaign {
    pub fn file(&self) -> String {
        format!("campaigns/{}.yaml", self.name)
    }

    pub fn text(&self) -> String {
        let Self {
            name,
            batches,
            execution,
            baseline,
            seconds,
            rest,
        } = self;
        // Keys without effect are refused.
        let energy = match *baseline {
            "off" => "",
            _ => "energy: {baseline_seconds: 1, settle_seconds: 0.3, rewarm_seconds: 0.3}",
        };
        format!(
            "campaign_name: {name}
model: {{random: {{seed: 7}}}}
gpus: [{GPU}]
workload:
  synthetic: {{input_tokens: 8, output_tokens: 8, seed: 1, prompts: 4}}
  arrival: batch
  measure: {{min_seconds: {seconds}, min_requests: 2}}
grid:
  backends: [reference]
  shared: {{num_heads: [4], intermediate_size: [64], num_layers: [1], vocab_size: [512], hidden_size: [32], batch_size: {batches}}}
execution: {{config_gap_seconds: 0.2, cycle_gap_seconds: 0.2, {execution}}}
warmup: {{max_seconds: 1, min_iterations: 2, throughput_cv: 1, throughput_trend: 1, power_trend: 1, power_window_seconds: 1}}
baseline: {baseline}
{energy}
{rest}
"
        )
    }
}

/// A number in a result.
pub fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// The words in a list.
pub fn words(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect()
}

/// Why a host that is busy with other work may have a result rejected: its idle GPU was read too seldom.
const BY_LOAD: &str = "baseline_missing";

/// A session went well, or had results rejected for nothing but the host's load and what the test itself did (`planted`).
pub fn went_well(said: &Said, files: &Files<'_>, planted: &[&str]) {
    if said.code == Some(0) {
        return;
    }
    assert_eq!(said.code, Some(6), "{said:#?}");
    for event in files.events_of("attempt_ended") {
        let reasons = event["verdict"]["rejected"]["reasons"].as_array();
        for reason in reasons.into_iter().flatten() {
            let code = reason["code"].as_str().unwrap_or_default();
            assert!(code == BY_LOAD || planted.contains(&code), "{reason:#}");
        }
    }
}
