//! EnsureModel in a campaign, on a real engine in a real container.

use serde_json::{Value, json};

use crate::campaign_files::Files;
use crate::hub_server::{COMMIT, HubServer, TOKEN};
use crate::lab::{Campaign, Lab};
use crate::project::json as read_json;
use crate::shelf::{can_fetch, expect, holding, lemctl, listed};

fn lab() -> Option<Lab> {
    let lab = Lab::new()?;
    can_fetch(&lab.project);
    Some(lab)
}

fn campaign(name: &'static str, model: &'static str) -> Campaign {
    Campaign {
        name,
        model,
        ..Campaign::default()
    }
}

/// Files of the only model that is there.
fn only_model(lab: &Lab) -> (Value, camino::Utf8PathBuf) {
    let (models, _) = listed(&lab.project);
    assert_eq!(models.len(), 1, "{models:?}");
    let folder = models[0]["folder"].as_str().unwrap().into();
    (models[0]["model"].clone(), folder)
}

#[test]
fn docker_a_campaign_draws_its_weights_and_says_which() {
    let Some(lab) = lab() else { return };
    let random = campaign("drawn", "random: {seed: 1, config: models/tiny.json}");
    let results = lab.up(0, &random);
    let (model, folder) = only_model(&lab);
    assert_eq!(results.len(), 1);
    assert_eq!(
        (&results[0]["model"], &results[0]["weights"]),
        (&model, &json!("random"))
    );
    let files = Files::of(&lab.project, "drawn");
    // A first session does not know its model when it begins: its environment's hash has it all the same.
    let manifest = files.manifest();
    assert_eq!(manifest["environment_hash"], results[0]["environment_hash"]);
    let ensured = &manifest["models"]["pytorch"];
    assert_eq!(ensured["weights_sha256"], model["weights_sha256"]);
    assert!(folder.join("model.safetensors").exists());
    files.assert_nothing_left();
    lab.project.expect(0, &["manifest", "verify", "drawn"]);
}

#[test]
fn docker_a_local_model_that_changed_is_refused_by_name() {
    let Some(lab) = lab() else { return };
    let project = &lab.project;
    let pull = [
        "models",
        "pull",
        "--random",
        "campaigns/models/tiny.json",
        "--seed",
        "3",
    ];
    project.expect(0, &pull);
    let (drawn, folder) = only_model(&lab);
    let (from, to) = (folder, project.root().join("campaigns/mine"));
    std::fs::rename(from, &to).unwrap();
    let results = lab.up(0, &campaign("mine", "local: {path: mine, weights: random}"));
    let model = &results[0]["model"];
    assert_eq!(
        (&model["source"], &model["id"]),
        (&json!("local"), &json!("mine"))
    );
    assert_eq!(
        model["weights_sha256"], drawn["weights_sha256"],
        "the same files"
    );

    // A result is lost, so that there is something to do; the weights are others by then.
    let files = Files::of(project, "mine");
    let ended = files.events_of("attempt_ended");
    let result = files
        .results()
        .join(ended[0]["result"]["path"].as_str().unwrap());
    std::fs::remove_file(result).unwrap();
    let weights = to.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let resume = ["campaign", "resume", "mine", "--retry", "lost"];
    let said = project.expect(7, &resume);
    assert!(
        said.stderr
            .contains("model.weights_sha256 of local mine was"),
        "{said:?}"
    );
    project.expect(0, &[&resume[..], &["--accept-environment"]].concat());
    let manifest = Files::of(project, "mine").manifest();
    assert_ne!(
        manifest["models"]["pytorch"]["weights_sha256"],
        drawn["weights_sha256"]
    );
    assert!(
        manifest["overrides"][0]
            .as_str()
            .unwrap()
            .starts_with("model.weights_sha256")
    );
}

#[test]
fn docker_a_hub_model_is_resolved_once_and_a_gated_one_skips_its_runs() {
    let Some(lab) = lab() else { return };
    let project = &lab.project;
    project.expect(
        0,
        &[
            "models",
            "pull",
            "--random",
            "campaigns/models/tiny.json",
            "--seed",
            "3",
        ],
    );
    let (_, folder) = only_model(&lab);
    let served = folder.read_dir_utf8().unwrap().map(|entry| {
        let entry = entry.unwrap();
        (
            entry.file_name().to_owned(),
            std::fs::read(entry.path()).unwrap(),
        )
    });
    let hub = HubServer::serving(served.collect());
    let text = |name: &str| {
        let model = format!("hub: {{id: org/{name}, vocab_size: 300}}");
        campaign("hub", "MODEL")
            .text()
            .replace("MODEL", &model)
            .replace("campaign_name: hub", &format!("campaign_name: {name}"))
    };
    for name in ["tiny", "gated"] {
        project.write(&format!("campaigns/{name}.yaml"), &text(name));
    }
    let mut up = lemctl(project, &hub, &["campaign", "up", "campaigns/tiny.yaml"]);
    let said = expect(0, up.env("HF_TOKEN", TOKEN));
    assert!(
        said.stderr.contains("`main` can move") && said.stderr.contains(COMMIT),
        "{said:?}"
    );
    let files = Files::of(project, "tiny");
    let ended = files.events_of("attempt_ended");
    let result = read_json(
        files
            .results()
            .join(ended[0]["result"]["path"].as_str().unwrap()),
    );
    let model = &result["model"];
    assert_eq!(
        (&model["id"], &model["revision"]),
        (&json!("org/tiny"), &json!(COMMIT))
    );
    assert_eq!(result["weights"], "real");
    files.assert_nothing_left();

    let mut up = lemctl(project, &hub, &["campaign", "up", "campaigns/gated.yaml"]);
    expect(5, &mut up);
    let files = Files::of(project, "gated");
    let skipped = files.events_of("run_skipped");
    let cause = &skipped[0]["cause"];
    assert_eq!(
        (&cause["blame"], &cause["origin"]),
        (&json!("config"), &json!("model_gated"))
    );
    assert!(
        cause["hint"].as_str().unwrap().contains("HF_TOKEN"),
        "{cause}"
    );
    assert!(
        files.manifests().join("manifest.json").exists(),
        "it is finished and sealed"
    );
    files.assert_nothing_left();
    assert_eq!(holding(project, TOKEN), Vec::<String>::new());
}
