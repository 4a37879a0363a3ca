//! `lemctl models pull` and `list`.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::campaign_files::docker;
use crate::hub_server::{COMMIT, HubServer, TOKEN, WEIGHTS, files, sha256};
use crate::project::{Project, json as read_json, said};
use crate::shelf::{expect, holding, lemctl, listed, project, pulled};

const TINY: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96,
"vocab_size": 300, "max_position_embeddings": 128, "dtype": "bfloat16"}"#;

#[test]
fn docker_a_model_of_a_hub_is_had_once() {
    let Some(project) = project() else { return };
    let hub = HubServer::start();
    let first = pulled(&mut lemctl(&project, &hub, &["models", "pull", "org/cut"]));
    assert_eq!(first["fetched"], true);
    let expected = json!({ "source": "hub", "id": "org/cut", "revision": COMMIT });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&first["model"][key], value, "{key}");
    }
    let folder = project.root().join("models/hub/org--cut").join(COMMIT);
    let note = read_json(folder.join(".lem-model.json"));
    let needed = ["config.json", "model.safetensors", "tokenizer.json"];
    assert_eq!(note["files"].as_array().unwrap().len(), needed.len());
    for (entry, name) in note["files"].as_array().unwrap().iter().zip(needed) {
        let (_, bytes) = files()
            .into_iter()
            .find(|(known, _)| known == name)
            .unwrap();
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), bytes);
        let described = json!({ "path": name, "bytes": bytes.len(), "sha256": sha256(&bytes) });
        assert_eq!(*entry, described);
    }
    assert_eq!(note["weights_sha256"], first["model"]["weights_sha256"]);
    assert_eq!(
        project.foreign(),
        Vec::<String>::new(),
        "all of it is the user's"
    );

    // A whole commit needs nobody: neither a hub nor a network.
    let at = format!("org/cut@{COMMIT}");
    let mut offline = project.lemctl(&["models", "pull", &at]);
    offline
        .env("LEM_FETCH_NETWORK", "none")
        .stdout(std::process::Stdio::piped());
    let again = pulled(&mut offline);
    assert_eq!(
        (&again["fetched"], &again["model"]),
        (&json!(false), &first["model"])
    );

    // Sizes alone do not tell; every byte does.
    let mut altered = std::fs::read(folder.join("model.safetensors")).unwrap();
    altered[WEIGHTS / 3] ^= 1;
    std::fs::write(folder.join("model.safetensors"), altered).unwrap();
    let verify = ["models", "pull", &at, "--verify"];
    let mended = pulled(&mut lemctl(&project, &hub, &verify));
    assert_eq!(
        (&mended["fetched"], &mended["model"]),
        (&json!(true), &first["model"])
    );
    assert_eq!(
        pulled(&mut lemctl(&project, &hub, &verify))["fetched"],
        false
    );

    let (models, unfinished) = listed(&project);
    assert_eq!((models.len(), unfinished.len()), (1, 0));
    assert_eq!(models[0]["model"], first["model"]);
    let text = project.expect(0, &["models", "list"]).stdout;
    assert!(
        text.contains("org/cut@") && text.contains("whole"),
        "{text}"
    );
}

/// Id of the project's container that fetches, once it runs.
fn fetching(project: &Project) -> Option<String> {
    let root = &sha256(project.root().as_str().as_bytes())[..16];
    let filter = format!("label=org.lemctl.root={root}");
    let ids = docker(&["ps", "--quiet", "--no-trunc", "--filter", &filter]);
    ids.lines().next().map(str::to_owned)
}

/// Waits for what must come.
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn docker_a_pull_that_is_killed_is_gone_on_with_and_shows_no_token() {
    let Some(project) = project() else { return };
    let hub = HubServer::start();
    let arguments = ["models", "pull", "org/slow", "--quiet"];
    let mut command = lemctl(&project, &hub, &arguments);
    let mut killed = command.env("HF_TOKEN", TOKEN).spawn().unwrap();
    let part = project.root().join(format!(
        "models/hub/org--slow/.partial-{COMMIT}/model.safetensors.part"
    ));
    let begun = || {
        std::fs::metadata(&part)
            .ok()
            .filter(|file| file.len() > 20_000)
    };
    let container = wait_for("a part of the weights", || {
        begun().and_then(|_| fetching(&project))
    });

    let seen = docker(&["inspect", &container]);
    assert!(!seen.contains(TOKEN), "{seen}");
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let host = &seen[0]["HostConfig"];
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["ReadonlyRootfs"], true);
    let writable = |mount: &&serde_json::Value| mount["RW"] == true;
    let mounts = seen[0]["Mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(writable);
    let mut targets: Vec<_> = mounts
        .map(|mount| mount["Destination"].as_str().unwrap())
        .collect();
    targets.sort_unstable();
    assert_eq!(targets, ["/models", "/outbox"]);
    assert_eq!(
        seen[0]["Config"]["User"],
        format!("{}:{}", project.user.uid, project.user.gid)
    );
    assert!(
        hub.seen()
            .iter()
            .any(|seen| seen.headers.contains_key("authorization"))
    );

    killed.kill().unwrap();
    killed.wait().unwrap();
    let (models, unfinished) = listed(&project);
    assert_eq!((models.len(), unfinished.len()), (0, 1), "not a model yet");
    let whole =
        pulled(lemctl(&project, &hub, &["models", "pull", "org/slow"]).env("HF_TOKEN", TOKEN));
    assert_eq!(whole["fetched"], true);
    let last = hub
        .seen()
        .into_iter()
        .rfind(|seen| seen.path.ends_with("/model.safetensors"));
    assert!(
        last.unwrap().headers.contains_key("range"),
        "it was gone on with"
    );
    assert_eq!(
        docker(&[
            "ps",
            "--all",
            "--quiet",
            "--filter",
            &format!("id={container}")
        ]),
        ""
    );
    assert_eq!(holding(&project, TOKEN), Vec::<String>::new());
}

#[test]
fn docker_a_pull_that_is_interrupted_leaves_no_container() {
    let Some(project) = project() else { return };
    let hub = HubServer::start();
    let mut command = lemctl(&project, &hub, &["models", "pull", "org/slow", "--quiet"]);
    let mut pull = command.spawn().unwrap();
    let asked = || (hub.asked("/model.safetensors") > 0).then_some(());
    wait_for("a request for the weights", asked);
    let pid = pull.id().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &pid]).status();
    assert!(sent.unwrap().success());
    assert_eq!(pull.wait().unwrap().code(), Some(130));
    let root = &sha256(project.root().as_str().as_bytes())[..16];
    let filter = format!("label=org.lemctl.root={root}");
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &filter]), "");
    assert_eq!(listed(&project).1.len(), 1, "what came so far is kept");
}

/// Both ask for a branch: the second waits for the first, and does not end its container.
#[test]
fn docker_two_pulls_of_one_branch_do_not_end_each_other() {
    let Some(project) = project() else { return };
    let hub = HubServer::start();
    let pull = || {
        let mut command = lemctl(&project, &hub, &["models", "pull", "org/slow", "--quiet"]);
        command.args(["--format", "json"]);
        command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let first = pull();
    let asked = || (hub.asked("/model.safetensors") > 0).then_some(());
    wait_for("a request for the weights", asked);
    let second = pull();
    let mut fetched = 0;
    for pull in [first, second] {
        let output = pull.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        fetched += usize::from(told["fetched"] == true);
    }
    assert_eq!(fetched, 1, "one of them fetched it");
}

fn refused(project: &Project, hub: &HubServer, id: &str) -> String {
    let mut command: Command = lemctl(project, hub, &["models", "pull", id]);
    let said = said(&mut command);
    assert_eq!(said.code, Some(4), "{said:#?}");
    said.stderr
}

#[test]
fn docker_what_cannot_be_had_says_why_and_leaves_no_model() {
    let Some(project) = project() else { return };
    let hub = HubServer::start();
    for (id, words) in [
        ("org/gated", &["model_gated", "licence", "HF_TOKEN"][..]),
        ("org/missing", &["model_not_found", "org/missing"]),
        ("org/tiny@v9", &["model_not_found", "v9"]),
        ("org/wrong", &["download_broken", "model.safetensors"]),
        ("org/down", &["hub_unavailable", "503"]),
    ] {
        let said = refused(&project, &hub, id);
        for word in words {
            assert!(said.contains(word), "{id}: {said}");
        }
    }
    assert_eq!(listed(&project).0.len(), 0);
    let token = project.root().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let mut command = lemctl(&project, &hub, &["models", "pull", "org/gated"]);
    let opened = pulled(command.env("HF_TOKEN_PATH", &token));
    assert_eq!(
        opened["fetched"], true,
        "the hub's own tools keep it in a file"
    );
}

#[test]
fn docker_random_weights_are_the_same_everywhere() {
    let Some(one) = project() else { return };
    let pull = |project: &Project, seed: &str| {
        project.write("campaigns/tiny.json", TINY);
        let random = [
            "models",
            "pull",
            "--random",
            "campaigns/tiny.json",
            "--seed",
            seed,
        ];
        let mut command = project.lemctl(&random);
        command
            .env("LEM_FETCH_NETWORK", "none")
            .stdout(std::process::Stdio::piped());
        pulled(&mut command)
    };
    let first = pull(&one, "1");
    assert_eq!(pull(&one, "1")["fetched"], false);
    assert_ne!(pull(&one, "2")["model"], first["model"]);
    let model = &first["model"];
    // Pinned: results name it, so no version of the program may draw other values for it.
    assert_eq!(
        model["weights_sha256"],
        "544e437409c86be98310d333f48c8c283c9f26204d2c6df90df88ddc2e7ec898"
    );
    let odd = TINY.replace("LlamaForCausalLM", "OddForCausalLM");
    one.write("campaigns/tiny.json", &odd);
    let odd = [
        "models",
        "pull",
        "--random",
        "campaigns/tiny.json",
        "--seed",
        "1",
    ];
    let mut command = one.lemctl(&odd);
    let said = expect(4, command.stdout(std::process::Stdio::piped()));
    assert!(
        said.stderr.contains("unsupported") && said.stderr.contains("Odd"),
        "{said:?}"
    );
}
