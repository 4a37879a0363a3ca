//! Secrets: a hub's token stands in no file of the project, no description of a container, no list of processes, however
//! lemctl ends; what would put one into a container's description is refused. That manifest, journal and logs of a campaign
//! hold none is looked at in tests/models/campaigns.rs, the password of a package index in tests/docker_images.rs.

use std::time::Duration;

use crate::campaign_files::docker;
use crate::hub_server::{HubServer, TOKEN, sha256};
use crate::project::Project;
use crate::session::eventually;
use crate::shelf;

/// Everything that the kernel tells of processes to everybody, and of the container's own: command lines and variables.
fn told_of_processes(container: &str) -> String {
    let mut told = String::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        told.push_str(&String::from_utf8_lossy(&read("cmdline")));
        if String::from_utf8_lossy(&read("cgroup")).contains(container) {
            told.push_str(&String::from_utf8_lossy(&read("environ")));
        }
    }
    told
}

#[test]
fn docker_a_token_lies_nowhere_while_it_is_used_and_after_a_kill() {
    let Some(project) = shelf::project() else {
        return;
    };
    let hub = HubServer::start();
    // Outside of the project, as the hub's own tools keep it.
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), TOKEN).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(kept.path(), open).unwrap();
    let mut command = shelf::lemctl(&project, &hub, &["models", "pull", "org/slow", "--quiet"]);
    let mut pull = command.env("HF_TOKEN_PATH", kept.path()).spawn().unwrap();
    let sent = || {
        let seen = hub.seen();
        let file = seen
            .iter()
            .find(|seen| seen.path.ends_with("/model.safetensors"));
        file.is_some_and(|seen| seen.headers.contains_key("authorization"))
    };
    eventually("the token reaches the hub", Duration::from_secs(60), sent);
    let root = &sha256(project.root().as_str().as_bytes())[..16];
    let filter = format!("label=org.lemctl.root={root}");
    let container = docker(&["ps", "--quiet", "--no-trunc", "--filter", &filter]);
    let container = container.trim();
    assert!(!container.is_empty(), "the fetch still runs");
    assert_eq!(shelf::holding(&project, TOKEN), Vec::<String>::new());
    for told in [
        docker(&["inspect", container]),
        docker(&["top", container, "-eo", "pid,args"]),
        told_of_processes(container),
    ] {
        assert!(!told.is_empty() && !told.contains(TOKEN), "{told}");
    }
    assert!(!docker(&["logs", container]).contains(TOKEN));
    pull.kill().unwrap();
    pull.wait().unwrap();
    assert_eq!(
        shelf::holding(&project, TOKEN),
        Vec::<String>::new(),
        "nobody tidied up"
    );
    let again = shelf::pulled(
        shelf::lemctl(&project, &hub, &["models", "pull", "org/slow"])
            .env("HF_TOKEN_PATH", kept.path()),
    );
    assert_eq!(again["fetched"], true);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &filter]), "");
}

#[test]
fn a_secret_never_becomes_a_containers_variable() {
    let project = Project::without_docker();
    let compose = std::fs::read_to_string(project.root().join("compose/reference.yaml")).unwrap();
    let names = [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HUGGINGFACE_HUB_TOKEN",
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "LEM_PIP_INDEX_URL",
    ];
    let kept = names.map(|name| format!("{name}=https://me:hf_s3cret@index.example/simple\n"));
    project.write(".env", &kept.concat());
    assert_eq!(project.without_engine(&["models", "list"]).code, Some(0));
    let home = "      HOME: /tmp\n";
    let mut changes = vec![
        (home, "      HOME: $HF_TOKEN\n".to_owned()),
        (
            "image: lemctl/reference:0.1.0",
            "image: ${PIP_INDEX_URL:-x}".to_owned(),
        ),
    ];
    for name in names {
        changes.push((home, format!("      HOME: ${{{name}}}\n")));
        changes.push((home, format!("      {name}: \"x\"\n")));
    }
    for (from, to) in changes {
        assert!(compose.contains(from));
        project.write("compose/reference.yaml", &compose.replace(from, &to));
        let said = project.without_engine(&["models", "list"]);
        assert_eq!(said.code, Some(4), "{to}: {said:#?}");
        assert!(said.stderr.contains("holds a secret"), "{to}: {said:#?}");
        assert!(!said.stderr.contains("s3cret"), "{to}: {said:#?}");
    }
}
