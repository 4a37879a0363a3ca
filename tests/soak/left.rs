//! What a finished campaign may leave: its journal, the files that its seal lists, the logs of its workers, and
//! nothing else, on disk or at the Engine.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::campaign_files::Files;
use crate::project::Project;

/// Files of the campaign that no seal lists, and temporary files anywhere in the project.
pub fn strays(project: &Project, files: &Files<'_>) -> Vec<String> {
    let results = files.results();
    let sums = std::fs::read_to_string(files.manifests().join("SHA256SUMS")).unwrap();
    let sealed: BTreeSet<Utf8PathBuf> = sums
        .lines()
        .filter_map(|line| line.split_once("  ")?.1.strip_prefix("../../../"))
        .map(|path| project.root().join(path))
        .collect();
    let logs = results.join("logs");
    let known = |path: &Utf8Path| {
        sealed.contains(path)
            || *path == results.join("lock")
            || path.parent() == Some(&logs)
            || !path.starts_with(&results)
    };
    let paths = project.paths().into_iter();
    let paths = paths.map(|path| project.root().join(path));
    paths
        .filter(|path| path.is_file())
        .filter(|path| path.as_str().ends_with("tmp") || !known(path))
        .map(String::from)
        .collect()
}

/// Processes that were started from the project's own copy of lemctl and live.
pub fn lemctls(project: &Project) -> Vec<u32> {
    let program = project.root().parent().unwrap().join("lemctl");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program.as_std_path())
    })
    .collect()
}
