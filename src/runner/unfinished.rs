//! What a killed lemctl left on disk below the campaign's own folders: files that were written and never journaled, and
//! campaigns that were made and never begun. None of it ever counted; the next session takes it away.
//!
//! Knows the layout of a campaign's folders and what its state cites. What the journal cites is never touched.

use std::collections::BTreeSet;

use camino::Utf8Path;
use lem_protocol::QUALITY_FILE;

use super::live::remove;
use crate::execution::{State, Verdict};
use crate::journal::{FILE, Lock, replay};
use crate::store::{Folders, StoreError};

/// Removes the folders of attempts that never had a result, and quality records that were never journaled. What once was a
/// result stays where it is, as long as its folder shows whose it was: it may be what somebody wants to look at. Files
/// that were being written are known by their names: the store removes them.
///
/// # Errors
/// If something of it cannot be removed.
pub(super) fn remove_unfinished(folders: &Folders, state: &State) -> Result<(), StoreError> {
    let results = folders.results();
    let plan = state.plan();
    let assessed = plan.experiments.iter();
    let assessed: BTreeSet<String> = assessed
        .filter_map(|experiment| state.quality(&experiment.hash)?.file.clone())
        .map(|file| file.path)
        .collect();
    for placed in state.placed() {
        let path = Folders::attempt(&placed.made_as, placed.number);
        let folder = results.join(&path);
        let was_a_result = matches!(
            placed.attempt.verdict,
            Some(Verdict::Accepted | Verdict::Rejected { .. })
        );
        match (&placed.attempt.result, was_a_result && !placed.renamed) {
            (None, false) => remove(&folder)?,
            (None, true) => {}
            (Some(_), _) if assessed.contains(&format!("{path}/{QUALITY_FILE}")) => {}
            (Some(_), _) => remove_file(&folder.join(QUALITY_FILE))?,
        }
    }
    Ok(())
}

fn remove_file(path: &Utf8Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::at("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes the campaigns of a name that lemctl died over before their first event was on disk: folders of which nothing
/// but copies of inputs exists, that no lemctl works on. Gives their ids.
///
/// # Errors
/// If one cannot be removed.
pub fn remove_unborn(root: &Utf8Path, campaign: &str) -> Result<Vec<String>, StoreError> {
    let mut removed = Vec::new();
    let all = Folders::all(root)?.into_iter();
    for folders in all.filter(|folders| folders.campaign == campaign) {
        let results = folders.results();
        if !holds_inputs_only(&folders)? {
            continue;
        }
        // Looked at once more under the lock: another lemctl may be making it now.
        let Ok(_lock) = Lock::take(&results) else {
            continue;
        };
        if has_no_event(&results) {
            remove(&results)?;
            removed.push(folders.id);
        }
    }
    Ok(removed)
}

/// Whether the folder is one that lemctl makes, and has nothing that comes after the first event.
fn holds_inputs_only(folders: &Folders) -> Result<bool, StoreError> {
    let results = folders.results();
    let entries = results
        .read_dir_utf8()
        .map_err(StoreError::at("read", &results))?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::at("read", &results))?;
        names.insert(entry.file_name().to_owned());
    }
    let ours = ["inputs", "lock", "logs", FILE];
    Ok(Folders::is_id(&folders.id)
        && names.iter().all(|name| ours.contains(&name.as_str()))
        && folders
            .logs()
            .read_dir_utf8()
            .map_or(true, |mut logs| logs.next().is_none())
        && has_no_event(&results))
}

/// Whether no event took effect: no journal, or one without a whole line.
fn has_no_event(results: &Utf8Path) -> bool {
    let begun = replay(results, |_| Err(String::new()));
    !results.join(FILE).exists() || begun.is_ok_and(|replayed| replayed.head.events == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_began_is_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = camino::Utf8PathBuf::from_path_buf(folder.path().to_owned()).expect("UTF-8");
        let make = |campaign: &str, id: &str, files: &[(&str, &str)]| {
            let results = Folders::new(&root, campaign, id).results();
            std::fs::create_dir_all(results.join("logs")).expect("made");
            for (name, text) in files {
                let path = results.join(name);
                std::fs::create_dir_all(path.parent().expect("below")).expect("made");
                std::fs::write(path, text).expect("written");
            }
            results
        };
        let unborn = [
            make("a", "20261124T000001Z-00000a", &[]),
            make(
                "a",
                "20261124T000002Z-00000a",
                &[("lock", "7\n"), ("inputs/x.tmp", "x")],
            ),
            make("a", "20261124T000003Z-00000a", &[("lock", ""), (FILE, "")]),
            make(
                "a",
                "20261124T000004Z-00000a",
                &[("lock", ""), (FILE, "{\"seq\":1")],
            ),
        ];
        let held = make("a", "20261124T000005Z-00000a", &[(FILE, "")]);
        let _lock = Lock::take(&held).expect("free");
        let kept = [
            held,
            make("a", "20261124T000006Z-00000a", &[(FILE, "not a journal\n")]),
            make("a", "20261124T000007Z-00000a", &[("logs/s1-w1.log", "x")]),
            make("a", "20261124T000008Z-00000a", &[("r/a1/result.json", "x")]),
            make("a", "notes", &[]),
            make("b", "20261124T000009Z-00000a", &[(FILE, "")]),
        ];
        let removed = remove_unborn(&root, "a").expect("removed");
        assert_eq!(removed.len(), unborn.len());
        for folder in &unborn {
            assert!(!folder.exists(), "{folder}");
        }
        for folder in &kept {
            assert!(folder.exists(), "{folder}");
        }
    }
}
