//! A project whose pytorch backend runs on the CPU, and campaigns on it.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::campaign_files::Files;
use crate::project::{Project, json};

/// A tiny Llama as transformers writes one down.
const TINY: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96,
"vocab_size": 300, "max_position_embeddings": 128, "dtype": "float32", "bos_token_id": 1, "eos_token_id": 2}"#;

/// A project with the engine's image.
pub struct Lab {
    pub project: Project,
}

impl Lab {
    /// None, said loudly, where Docker tests are skipped.
    pub fn new() -> Option<Self> {
        let project = Project::with_docker()?;
        for file in [
            "images/dist/lem-fetch",
            "images/fetch/Dockerfile",
            "images/pytorch/Dockerfile",
            "images/pytorch/packages.none",
            "images/pytorch/requirements.none",
            "images/worker/worker.sh",
            "catalogues/pytorch-5.17.0.json",
            "catalogues/pytorch-5.17.0.curated.json",
            "compose/pytorch.yaml",
        ] {
            project.copy(file);
        }
        for package in ["lem_worker", "lem_extract"] {
            project.copy_folder(&format!("images/worker/src/{package}"));
        }
        let lab = Self { project };
        // The one word by which this catalogue differs from the pinned one: no GPU is asked for.
        lab.edit(
            "catalogues/pytorch-5.17.0.curated.json",
            &[(r#""device": "cuda""#, r#""device": "cpu""#)],
        );
        let pins = r#"{"pytorch": "5.17.0", "reference": "0.1.0"}"#;
        lab.project.write("catalogues/pins.json", pins);
        lab.edit_compose();
        lab.write_model("tiny", TINY);
        lab.build("fetch", &[]);
        let arguments = [
            format!("BASE={}", base()),
            "REQUIREMENTS=requirements.none".to_owned(),
            "PACKAGES=packages.none".to_owned(),
        ];
        lab.build("pytorch", &arguments);
        Some(lab)
    }

    fn build(&self, image: &str, given: &[String]) {
        let mut arguments = vec!["images", "build", image, "--quiet"];
        for one in given {
            arguments.extend(["--build-arg", one]);
        }
        // Not within the limit of other commands: the first time it is as slow as the Engine's disk.
        let built = self.project.lemctl(&arguments).output().unwrap();
        assert!(built.status.success(), "{built:?}");
    }

    /// The backend's own Compose file, but for what needs a GPU, or more than a small machine's Engine may give.
    fn edit_compose(&self) {
        let path = "compose/pytorch.yaml";
        let text = std::fs::read_to_string(self.project.root().join(path)).unwrap();
        let from = text.find("    deploy:\n").unwrap();
        let to = from + text[from..].find("    cap_drop:").unwrap();
        let without_gpu = format!("{}{}", &text[..from], &text[to..]);
        self.project.write(path, &without_gpu);
        self.edit(
            path,
            &[
                ("image: lemctl/pytorch:", "image: lemctl-test/pytorch:"),
                ("name: lem-cache-pytorch", "name: lem-test-cache-pytorch"),
                // Threads of a tiny model would wait for each other.
                (
                    "LEM_BACKEND: pytorch\n",
                    "LEM_BACKEND: pytorch\n      OMP_NUM_THREADS: \"1\"\n",
                ),
                ("stack: 67108864", "stack: 8388608"),
                (
                    "soft: 65536\n        hard: 65536",
                    "soft: 4096\n        hard: 4096",
                ),
            ],
        );
    }

    /// Swaps texts in a file of the project; each must be there.
    fn edit(&self, path: &str, swaps: &[(&str, &str)]) {
        let mut text = std::fs::read_to_string(self.project.root().join(path)).unwrap();
        for (from, to) in swaps {
            assert!(text.contains(from), "no {from} in {path}");
            text = text.replacen(from, to, 1);
        }
        self.project.write(path, &text);
    }

    /// Writes `campaigns/models/<name>.json`.
    pub fn write_model(&self, name: &str, config: &str) {
        self.project.folder("campaigns/models");
        self.project
            .write(&format!("campaigns/models/{name}.json"), config);
    }

    /// Writes a campaign's file; its path.
    pub fn write(&self, campaign: &Campaign) -> String {
        let file = format!("campaigns/{}.yaml", campaign.name);
        self.project.write(&file, &campaign.text());
        file
    }

    /// Runs a campaign to its end, which must be `code`; gives the results of its runs, in the journal's order.
    pub fn up(&self, code: i32, campaign: &Campaign) -> Vec<Value> {
        let file = self.write(campaign);
        self.project.expect(code, &["campaign", "up", &file]);
        let files = Files::of(&self.project, campaign.name);
        let ended = files.events_of("attempt_ended").into_iter();
        ended
            .filter_map(|event| {
                let path = event["result"]["path"].as_str()?.to_owned();
                Some(json(files.results().join(path)))
            })
            .collect()
    }
}

/// A campaign on the tiny model; its parts in YAML.
pub struct Campaign {
    pub name: &'static str,
    pub model: &'static str,
    pub arrival: &'static str,
    pub shared: &'static str,
    pub execution: &'static str,
}

impl Default for Campaign {
    fn default() -> Self {
        Self {
            name: "engines",
            model: "dummy: {config: models/tiny.json}",
            arrival: "batch",
            shared: "batch_size: [2]",
            execution: "cycles: 1",
        }
    }
}

impl Campaign {
    pub fn text(&self) -> String {
        let Self {
            name,
            model,
            arrival,
            shared,
            execution,
        } = self;
        format!(
            "campaign_name: {name}
model: {{{model}}}
workload:
  synthetic: {{input_tokens: 8, output_tokens: 6, seed: 1, prompts: 8}}
  arrival: {arrival}
  measure: {{min_seconds: 0.5, min_requests: 4}}
grid:
  backends: [pytorch]
  shared: {{{shared}}}
execution: {{{execution}, config_gap_seconds: 0, cycle_gap_seconds: 0}}
warmup: {{max_seconds: 1, min_iterations: 2, throughput_cv: 1}}
baseline: off
"
        )
    }
}

/// The image with a CPU torch.
fn base() -> String {
    let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/cpu-torch/build");
    let named = Command::new(&script).arg("name").output().unwrap();
    assert!(named.status.success(), "{named:?}");
    let name = String::from_utf8(named.stdout).unwrap().trim().to_owned();
    let found = Command::new("docker")
        .args(["image", "inspect", &name])
        .output()
        .unwrap();
    assert!(
        found.status.success(),
        "the image {name} is not here: `make cpu-torch` builds it"
    );
    name
}

/// The engine loads of a campaign, in order.
pub fn loads(files: &Files<'_>) -> Vec<String> {
    files
        .events_of("step_done")
        .iter()
        .filter_map(|event| event["step"].as_str())
        .filter(|step| step.starts_with("load-engine:"))
        .map(str::to_owned)
        .collect()
}

/// The path of a result's record.
pub fn record_of(files: &Files<'_>, result: &Value) -> Utf8PathBuf {
    let run = result["run"].as_str().unwrap();
    files.results().join(run).join("a1/record.json")
}
