//! A sealed campaign on fakes, and copies of it to be spoilt.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use lemctl::manifest::{Finding, Verification};
use lemctl::runner::verified;
use lemctl::store::Folders;

use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};
use crate::text;

/// Two engines with real weights and two cycles, one of whose four runs fails; quality is assessed on both.
fn campaign() -> String {
    let reference = "quality: {reference: {when: {load_quantised: false}}}";
    EIGHT
        .replace(
            "model: {random: {seed: 1}}",
            &format!("model: {{local: {{path: m}}}}\n{reference}"),
        )
        .replace("[reference]", "[widget]")
        .replace(
            "num_layers: [1, 2], batch_size: [1, 2]",
            "load_quantised: [false, true]",
        )
        .replace("arrival: batch", "arrival: {closed_loop: {concurrency: 1}}")
}

/// A sealed campaign with everything that one can have: a failed run, records of quality, scores, a second seal.
pub async fn sealed() -> Copied {
    let stage = Stage::new(&campaign());
    stage.worker.at("measure", 4, Act::Refuse("out_of_memory"));
    stage.up().await.unwrap();
    let experiment = stage.state().plan().experiments[0].id.clone();
    std::fs::write(
        stage.root().join("scores.json"),
        r#"{"results": {"arc_easy": {"acc,none": 0.625}}}"#,
    )
    .unwrap();
    let attach = [
        "results",
        "attach-scores",
        "staged",
        &experiment,
        "scores.json",
    ];
    text(&stage, 0, &attach);
    let copied = Copied::of(&stage.root(), &stage.folders());
    assert_eq!(copied.verified().findings, []);
    assert_eq!(copied.verified().not_compared, None);
    copied
}

/// A copy of a project's sealed folders, to be spoilt.
pub struct Copied {
    pub folders: Folders,
    /// A folder beside the project.
    pub outside: Utf8PathBuf,
    _folder: tempfile::TempDir,
}

impl Copied {
    fn of(root: &Utf8Path, folders: &Folders) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let project = path.join("project");
        for part in ["results", "manifests"] {
            copy(&root.join(part), &project.join(part));
        }
        let outside = path.join("outside");
        std::fs::create_dir(&outside).unwrap();
        Self {
            folders: Folders::new(&project, &folders.campaign, &folders.id),
            outside,
            _folder: folder,
        }
    }

    pub fn again(&self) -> Self {
        Self::of(&self.folders.root, &self.folders)
    }

    pub fn verified(&self) -> Verification {
        verified(&self.folders)
    }

    /// Every file below results and manifests, by its path from the root.
    fn files(&self) -> Vec<Utf8PathBuf> {
        let mut files = Vec::new();
        for folder in [self.folders.results(), self.folders.manifests()] {
            gather(&folder, &mut files);
        }
        files.sort();
        let strip = |path: Utf8PathBuf| path.strip_prefix(&self.folders.root).unwrap().to_owned();
        files.into_iter().map(strip).collect()
    }

    /// The files that a seal holds: all but the lock and the logs.
    pub fn sealed_files(&self) -> Vec<Utf8PathBuf> {
        let unsealed = |path: &Utf8Path| {
            path.file_name() == Some("lock")
                || path.components().any(|part| part.as_str() == "logs")
        };
        let files = self.files().into_iter();
        files.filter(|path| !unsealed(path)).collect()
    }

    pub fn at(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.folders.root.join(path)
    }
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn gather(folder: &Utf8Path, files: &mut Vec<Utf8PathBuf>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        match path.is_dir() {
            true => gather(&path, files),
            false => files.push(path),
        }
    }
}

/// What was found at a path.
pub fn kinds(findings: &[Finding], path: &Utf8Path) -> BTreeSet<&'static str> {
    let at = findings
        .iter()
        .filter(|finding| finding.path == path.as_str());
    at.map(|finding| finding.kind.word()).collect()
}
