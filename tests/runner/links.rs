//! Links in a folder that somebody else gave: a campaign neither begins, measures nor seals through one, and goes on once it
//! is taken away.

use std::os::unix::fs::symlink;

use camino::Utf8PathBuf;
use lemctl::journal::{Journal, Lock, replay};
use lemctl::runner::create;

use crate::stage::{EIGHT, Stage};

/// A folder beside the project's that nothing may come into.
struct Elsewhere {
    scratch: tempfile::TempDir,
}

impl Elsewhere {
    /// With a link to it at `path`.
    fn behind(path: &Utf8PathBuf) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = std::fs::remove_dir(path);
        symlink(scratch.path(), path).unwrap();
        Self { scratch }
    }

    #[track_caller]
    fn untouched(&self) {
        let found: Vec<_> = std::fs::read_dir(self.scratch.path()).unwrap().collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_campaign_does_not_begin_behind_a_link() {
    for top in ["results", "manifests"] {
        let stage = Stage::new(EIGHT);
        let path = stage.root().join(top).join(&stage.planned.campaign.name);
        let elsewhere = Elsewhere::behind(&path);
        let refused = create(
            &stage.root(),
            stage.planned.clone(),
            &*stage.worker.clock.clone(),
        );
        let said = refused.map(|_| ()).unwrap_err().to_string();
        assert!(
            said.contains(path.as_str()) && said.contains("link"),
            "{top}: {said}"
        );
        elsewhere.untouched();
        std::fs::remove_file(&path).unwrap();
        stage.create();
    }
}

/// Somebody else's journal, whole as it is, is neither taken for the campaign's nor written on.
#[test]
fn no_journal_is_read_or_written_through_a_link() {
    let stage = Stage::new(EIGHT);
    drop(stage.create());
    let results = stage.folders().results();
    let replayed = replay(&results, |_| Ok(())).unwrap();
    let other = stage.root().join("other.jsonl");
    std::fs::rename(stage.journal(), &other).unwrap();
    symlink(&other, stage.journal()).unwrap();
    let whole = std::fs::read(&other).unwrap();
    assert!(replay(&results, |_| Ok(())).is_err());
    let lock = Lock::take(&results).unwrap();
    assert!(Journal::open(&results, lock, &replayed).is_err());
    assert_eq!(std::fs::read(&other).unwrap(), whole);
}

/// The top folders are the user's, who may have laid them on another disk.
#[tokio::test(start_paused = true)]
async fn the_top_folders_may_be_links() {
    let stage = Stage::new(EIGHT);
    let disk = tempfile::tempdir().unwrap();
    for top in ["results", "manifests"] {
        std::fs::create_dir(disk.path().join(top)).unwrap();
        symlink(disk.path().join(top), stage.root().join(top)).unwrap();
    }
    stage.up().await.unwrap();
    stage.assert_complete();
}

/// What is laid there after the campaign began: it stops, keeps what it has, and goes on.
#[tokio::test(start_paused = true)]
async fn no_run_log_or_manifest_is_written_through_a_link() {
    for (what, accepted) in [("run", 3), ("log", 0), ("manifest", 8)] {
        let stage = Stage::new(EIGHT);
        let opened = stage.create();
        let folders = stage.folders();
        let path = match what {
            "run" => folders.results().join(&stage.planned.plan.runs[3].id),
            "log" => folders.logs(),
            _ => folders.manifests(),
        };
        let elsewhere = Elsewhere::behind(&path);
        match stage.run(opened).await {
            Ok(ended) => assert!(ended.manifest.is_none() && what != "manifest", "{what}"),
            Err(error) => assert!(error.to_string().contains("link"), "{what}: {error}"),
        }
        elsewhere.untouched();
        assert_eq!(stage.times_accepted().len(), accepted, "{what}");
        std::fs::remove_file(&path).unwrap();
        if what == "log" {
            std::fs::create_dir(&path).unwrap();
        }
        stage.resume().await.unwrap();
        stage.assert_complete();
    }
}
