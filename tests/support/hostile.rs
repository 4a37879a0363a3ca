//! Projects whose image holds a hostile worker (`support/hostile-worker`) in front of the reference worker.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use camino::Utf8Path;
use lemctl::units::Digest;

use super::campaign_files::docker;
use super::project::Project;

/// The program in the workspace.
const PACKAGE: &str = "lem-hostile-worker";

/// A project with that image. Its workers do `deeds`, one after the other; a list of the worker's own words.
pub fn project(deeds: &str) -> Option<Project> {
    let project = Project::with_docker()?;
    set(&project, deeds, "");
    Some(project)
}

/// Other deeds from the next container on; `more` are keys of the service.
pub fn set(project: &Project, deeds: &str, more: &str) {
    project.copy("compose/reference.yaml");
    let path = project.root().join("compose/reference.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let image = "    image: lemctl/reference:0.1.0\n";
    let environment = "    environment:\n";
    assert!(text.contains(image) && text.contains(environment));
    let text = text
        .replace(image, &format!("    image: {}\n{more}", self::image()))
        .replace(
            environment,
            &format!("{environment}      LEM_HOSTILE: \"{deeds}\"\n"),
        );
    project.write("compose/reference.yaml", &text);
}

/// The image, named by what is in it: built once, and kept as the layer cache would be.
fn image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let clone = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let mut content = Vec::new();
        for (from, to) in [
            (clone.join("images/dist/lem-agent").into(), "agent"),
            (clone.join("images/dist/lem-worker").into(), "reference"),
            (program(), "worker"),
        ] {
            std::fs::copy(&from, folder.path().join(to)).unwrap();
            content.extend(std::fs::read(&from).unwrap());
        }
        let dockerfile = "FROM scratch\nLABEL org.lemctl.test=image\nCOPY agent reference worker /lem/\n\
            WORKDIR /outbox\nWORKDIR /run/lem\nWORKDIR /\nENTRYPOINT [\"/lem/agent\", \"init\"]\n";
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        let name = format!("lemt-hostile:{}", Digest::of(&content).short(12));
        let folder = folder.path().to_str().unwrap();
        docker(&["build", "--quiet", "--tag", &name, folder]);
        name
    })
}

/// The program, static as those in the images, built now.
fn program() -> PathBuf {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.expect("rustc names its host");
    let deps = std::env::current_exe().unwrap();
    // <target>/<profile>/deps/<test>
    let target = deps.ancestors().nth(3).unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package", PACKAGE])
        .args(["--target", host, "--target-dir"])
        .arg(target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the hostile worker does not build");
    Path::new(target).join(host).join("release").join(PACKAGE)
}
