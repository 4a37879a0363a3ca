//! `lemctl images build|list|verify` on a real Engine, with a Dockerfile of two stages and arguments like those of
//! the engines' images: what is kept of a build, and what a verification sees.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[path = "support/engine_bench.rs"]
mod engine_bench;
#[path = "support/fake_engine.rs"]
mod fake_engine;
#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;

use std::process::Command;

use project::{Project, Said, said};
use serde_json::Value;

/// An index with a password that no other run of this test has: what stays of it is this one's.
fn secret() -> String {
    format!(
        "https://reader:s3cr3t-{}@index.example/simple",
        std::process::id()
    )
}
/// The shape of the engines' Dockerfiles; the testbox stands in for pip, since no base image is here.
const DOCKERFILE: &str = r#"ARG BASE=scratch
FROM ${BASE} AS packages
ARG LOCK=one.lock
ARG PIP_INDEX_URL
COPY testbox /testbox
COPY ${LOCK} /lock
RUN ["/testbox", "print", "installed", "", "0"]

FROM ${BASE}
COPY --from=packages /lock /lock
COPY testbox /testbox
COPY parts /parts
USER 65534:65534
ENTRYPOINT ["/testbox", "wait"]
"#;

struct Toy {
    project: Project,
    image: String,
}

impl Toy {
    fn new() -> Self {
        let image = format!("lemt-toy-{}:1", std::process::id());
        let project = Project::without_docker();
        let root = project.root();
        std::fs::remove_file(root.join("compose/reference.yaml")).unwrap();
        std::fs::create_dir_all(root.join("images/toy")).unwrap();
        std::fs::create_dir_all(root.join("images/worker/src/parts/sub")).unwrap();
        let toy = Self { project, image };
        toy.project
            .write("compose/toy.yaml", &toy.compose(&toy.image));
        toy.project.write("images/toy/Dockerfile", DOCKERFILE);
        toy.project.write("images/toy/one.lock", "1");
        toy.project.write("images/toy/two.lock", "2");
        toy.project.write("images/worker/src/parts/a.py", "a");
        toy.project.write("images/worker/src/parts/sub/b.py", "b");
        std::fs::write(root.join("images/toy/testbox"), engine_bench::testbox()).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.join("images/toy/testbox"), executable).unwrap();
        toy
    }

    fn compose(&self, image: &str) -> String {
        format!("services: {{worker: {{image: \"{image}\", user: \"1000:1000\"}}}}\n")
    }

    /// lemctl with a package index in the environment.
    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = self.project.lemctl(arguments);
        said(
            command
                .env("PIP_INDEX_URL", secret())
                .stdout(std::process::Stdio::piped()),
        )
    }

    fn verify(&self, code: i32) -> Value {
        let said = self.run(&["images", "verify", "toy", "--format", "json"]);
        assert_eq!(said.code, Some(code), "{said:#?}");
        let told: Value = serde_json::from_str(&said.stdout).unwrap();
        told["images"][0].clone()
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.image]);
    }
}

/// Histories of all images of the Engine, those among them that a build left as its cache.
fn all_histories() -> String {
    let ids = docker(&["images", "--all", "--quiet", "--no-trunc"]);
    let mut ids: Vec<&str> = ids.lines().collect();
    ids.sort_unstable();
    ids.dedup();
    let history = |id: &&str| docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", id]);
    ids.iter().map(history).collect()
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn docker_an_image_is_built_verified_and_told_apart_from_another() {
    let toy = Toy::new();
    let missing = toy.verify(4);
    assert_eq!(missing["freshness"], "missing");

    let built = toy.run(&["images", "build", "toy", "--build-arg", "LOCK=two.lock"]);
    assert_eq!(built.code, Some(0), "{built:#?}");
    assert!(
        built.stdout.starts_with(&format!("built {}", toy.image)),
        "{built:#?}"
    );
    assert!(
        built.stderr.contains("  Step 1/"),
        "progress goes to stderr: {built:#?}"
    );
    let current = toy.verify(0);
    assert_eq!(current["freshness"], "current");
    assert_eq!(
        current["arguments"],
        serde_json::json!({"LOCK": "two.lock"})
    );
    assert_eq!(current["base"], Value::Null, "scratch is no image");
    assert_eq!(current["image"]["user"], "65534:65534");
    let said = toy.run(&["images", "verify", "toy"]);
    assert!(
        said.stdout.contains("built with LOCK=two.lock"),
        "{said:#?}"
    );

    // The index was there, and stands nowhere in the image or in what lemctl printed.
    let kept = docker(&["history", "--no-trunc", &toy.image]) + &docker(&["inspect", &toy.image]);
    assert!(kept.contains("/testbox"), "{kept}");
    for text in [kept, built.stdout, built.stderr] {
        assert!(
            !text.contains("s3cr3t") && !text.contains("index.example"),
            "{text}"
        );
    }

    let kept = all_histories();
    assert!(kept.contains("/testbox"), "{kept}");
    assert!(
        !kept.contains(&secret()),
        "a stage that was left behind holds the password"
    );

    // A file deep in a folder that is copied counts; so does the lock that was chosen, and no other.
    toy.project.write("images/toy/one.lock", "1, unused");
    toy.verify(0);
    toy.project
        .write("images/worker/src/parts/sub/b.py", "other");
    let stale = toy.verify(8);
    assert_eq!(stale["freshness"], "stale");
    let said = toy.run(&["images", "verify", "toy"]);
    assert!(
        said.stdout.contains("fix: lemctl images build toy"),
        "{said:#?}"
    );
    toy.project.write("images/worker/src/parts/sub/b.py", "b");
    toy.verify(0);
}

#[test]
fn docker_labels_alone_make_no_image_of_ours() {
    let toy = Toy::new();
    let built = toy.run(&["images", "build", "toy", "--quiet"]);
    assert_eq!(
        (built.code, built.stderr.as_str()),
        (Some(0), ""),
        "{built:#?}"
    );
    // An image that says it is ours, and starts something else as root.
    let container = docker(&["create", &toy.image]);
    docker(&[
        "commit",
        "--change=USER 0",
        "--change=ENTRYPOINT [\"/testbox\", \"print\"]",
        container.trim(),
        &toy.image,
    ]);
    docker(&["rm", "--force", container.trim()]);
    let forged = toy.verify(8);
    assert_eq!(forged["freshness"], "current", "its labels are right");
    let problems = forged["problems"].to_string();
    assert!(
        problems.contains("entrypoint") && problems.contains("user is 0"),
        "{problems}"
    );
}

#[test]
fn docker_what_cannot_be_built_says_what_to_do() {
    let toy = Toy::new();
    for (arguments, code, words) in [
        (&["BASE=lemt-absent:1"][..], 4, "docker pull lemt-absent:1"),
        (&["LOOK=two.lock"], 2, "there are: BASE, LOCK"),
        (
            &["PIP_INDEX_URL=https://x"],
            2,
            "taken from the environment",
        ),
        (&["LOCK=three.lock"], 4, "copies three.lock"),
        (&["LOCK=../../x"], 4, "relative, without wildcards"),
    ] {
        let mut command = vec!["images", "build", "toy"];
        for argument in arguments {
            command.extend(["--build-arg", argument]);
        }
        let refused = toy.run(&command);
        assert_eq!(refused.code, Some(code), "{refused:#?}");
        assert!(refused.stderr.contains(words), "{words}: {refused:#?}");
    }
    let broken = DOCKERFILE.replace("\"installed\", \"\", \"0\"", "\"broken\", \"\", \"7\"");
    toy.project.write("images/toy/Dockerfile", &broken);
    let failed = toy.run(&["images", "build", "toy"]);
    assert_eq!(failed.code, Some(4), "{failed:#?}");
    assert!(
        failed.stderr.contains("failed at `Step ") && failed.stderr.contains("RUN"),
        "{failed:#?}"
    );
    assert_eq!(toy.verify(4)["freshness"], "missing");
    // Nor does a build that failed on its way leave it: the steps before the last one were images already.
    let broken = DOCKERFILE.replace(
        "RUN [",
        "RUN [\"/testbox\", \"print\", \"first\", \"\", \"0\"]\nRUN [\"/testbox\", \"print\", \"second\", \"\", \"7\"]\nRUN [",
    );
    toy.project.write("images/toy/Dockerfile", &broken);
    let failed = toy.run(&["images", "build", "toy"]);
    assert_eq!(failed.code, Some(4), "{failed:#?}");
    assert!(!all_histories().contains(&secret()));
}
