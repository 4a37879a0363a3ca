//! A folder of the user's: verified byte by byte, and hashing it hears Ctrl-C.

use std::process::Command;

use serde_json::Value;

use crate::lab::Campaign;
use crate::project::{Project, said};
use crate::shelf::{expect, project, pulled};

const CONFIG: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96,
"vocab_size": 300, "max_position_embeddings": 128, "dtype": "bfloat16"}"#;

/// A project with a campaign over the model `campaigns/mine`.
fn with_model() -> Option<Project> {
    let project = project()?;
    for half in ["json", "curated.json"] {
        project.copy(&format!("catalogues/pytorch-5.17.0.{half}"));
    }
    project.write(
        "catalogues/pins.json",
        r#"{"pytorch": "5.17.0", "reference": "0.1.0"}"#,
    );
    project.folder("campaigns/mine");
    project.write("campaigns/mine/config.json", CONFIG);
    project.write("campaigns/mine/model.safetensors", "weights");
    let campaign = Campaign {
        name: "mine",
        model: "local: {path: mine, weights: random}",
        ..Campaign::default()
    };
    project.write("campaigns/mine.yaml", &campaign.text());
    Some(project)
}

fn pull(project: &Project, more: &[&str]) -> Command {
    let arguments = [&["models", "pull", "campaigns/mine.yaml", "--quiet"], more].concat();
    let mut command = project.lemctl(&arguments);
    command.stdout(std::process::Stdio::piped());
    command
}

#[test]
fn docker_verify_reads_every_byte_of_a_users_folder() {
    let Some(project) = with_model() else { return };
    let first = pulled(&mut pull(&project, &[]));
    assert_eq!(
        pulled(&mut pull(&project, &["--verify"])),
        first,
        "all is well"
    );
    // As if a disk had changed a byte and no time of it: what was summed before was another sum.
    let memory = project.root().join(".lem/model-sums.json");
    let text = std::fs::read_to_string(&memory).unwrap();
    let sums: Value = serde_json::from_str(&text).unwrap();
    let key = project.root().join("campaigns/mine/model.safetensors");
    let sum = sums["sums"][key.as_str()][1].as_str().unwrap().to_owned();
    std::fs::write(&memory, text.replace(&sum, &"0".repeat(64))).unwrap();
    let believed = pulled(&mut pull(&project, &[]));
    assert_ne!(
        believed["model"], first["model"],
        "without --verify what is remembered counts"
    );
    let said = expect(8, &mut pull(&project, &["--verify"]));
    assert!(said.stderr.contains("model.safetensors"), "{said:#?}");
    assert_eq!(
        pulled(&mut pull(&project, &["--verify"])),
        first,
        "and it is remembered again"
    );
}

#[test]
fn docker_hashing_a_large_folder_hears_a_stop() {
    let Some(project) = with_model() else { return };
    // Holes read as zeros: hours of them.
    let weights = project.root().join("campaigns/mine/model.safetensors");
    std::fs::File::options()
        .write(true)
        .open(&weights)
        .and_then(|file| file.set_len(1 << 42))
        .unwrap();
    let mut hashing = pull(&project, &[]);
    let mut hashing = hashing.stderr(std::process::Stdio::null()).spawn().unwrap();
    let pid = hashing.id().to_string();
    // Once it has read some of it.
    let read = || {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        let read = io
            .lines()
            .find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok());
        read.is_some_and(|bytes| bytes > 64 << 20)
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !read() {
        assert!(std::time::Instant::now() < end, "it reads nothing");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // One that does not hear it is killed by the limit of `said`, and ends with another code.
    let mut stop = Command::new("sh");
    let script = format!(
        "kill -s INT {pid}; for i in $(seq 300); do kill -0 {pid} 2>/dev/null || exit 0; sleep 0.1; done; kill -s KILL {pid}; exit 1"
    );
    stop.args(["-c", &script]);
    let watching = std::thread::spawn(move || said(stop.stdout(std::process::Stdio::null())).code);
    let code = hashing.wait().unwrap().code();
    assert_eq!(code, Some(130));
    let _ = watching.join();
}
