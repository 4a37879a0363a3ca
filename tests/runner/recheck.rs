//! What lies on disk is not what the journal cites: what is lost is measured again or sealed without, what cannot be read
//! now is not given up, and a seal without its files gets them again.

use lemctl::clock::HostClock;
use lemctl::execution::{Event, Verdict};
use lemctl::manifest::{mend_seal, verify};
use lemctl::runner::{Ended, Opened, RunnerError, reopen};

use crate::crash::died_at;
use crate::engine::four;
use crate::stage::{EIGHT, Stage, plan};

/// Takes over an edited campaign.
fn edited(stage: &Stage, text: &str) -> Opened {
    let opened = reopen(stage.folders()).unwrap();
    opened.accept(plan(text), &HostClock).unwrap()
}

/// Of the four runs, those of one experiment.
fn two() -> String {
    four().replace("num_layers: [1, 2]", "num_layers: [1]")
}

async fn resealed(stage: &Stage, opened: Opened) -> Result<Ended, RunnerError> {
    let ended = stage.run(opened).await?;
    assert!(ended.manifest.is_some());
    let found = verify(&stage.folders());
    assert_eq!(found.findings, []);
    Ok(ended)
}

#[tokio::test(start_paused = true)]
async fn a_lost_result_of_a_run_that_an_edit_retired_does_not_keep_from_sealing() {
    let stage = Stage::new(&four());
    stage.up().await.unwrap();
    let opened = edited(&stage, &two());
    let retired = opened.state.retired();
    assert_eq!(retired.len(), 2);
    let (lost, folder) = (&retired[0].run, stage.folders().results());
    std::fs::remove_dir_all(folder.join(lost)).unwrap();
    resealed(&stage, opened).await.unwrap();
    let told = |event: &Event| matches!(event, Event::ResultLost { run, .. } if run == lost);
    assert_eq!(stage.events().iter().filter(|event| told(event)).count(), 1);
    // Brought back, it is due: only the other one is there still.
    let opened = edited(&stage, &four());
    assert_eq!(opened.state.tally().due, 1);
    resealed(&stage, opened).await.unwrap();
    assert_eq!(stage.state().tally().accepted, 4);
}

/// Ids hold the axes that have several values: one more value of another axis renames runs that stay what they are.
#[tokio::test(start_paused = true)]
async fn what_a_dead_session_left_of_a_run_that_was_renamed_is_taken_away() {
    let whole = Stage::new(&four());
    whole.up().await.unwrap();
    let journal = std::fs::read_to_string(whole.journal()).unwrap();
    let end = journal.find("{\"attempt_ended\":").unwrap();
    let line = journal[..end].rfind('\n').unwrap() + 1;
    let stage = died_at(&whole, line, false);
    let first = stage.planned.plan.runs[0].id.clone();
    let left = stage.folders().results().join(&first);
    // The other runs have not begun yet.
    for run in &stage.planned.plan.runs[1..] {
        std::fs::remove_dir_all(stage.folders().results().join(&run.id)).unwrap();
    }
    assert!(left.join("a1/result.json").exists());
    let opened = edited(&stage, EIGHT);
    assert!(!opened.planned.plan.runs.iter().any(|run| run.id == first));
    resealed(&stage, opened).await.unwrap();
    assert!(!left.join("a1").exists());
}

#[tokio::test(start_paused = true)]
async fn what_once_was_a_result_stays_where_it_is() {
    let whole = Stage::new(&four());
    whole.up().await.unwrap();
    let journal = std::fs::read_to_string(whole.journal()).unwrap();
    let seal = journal.trim_end().rfind('\n').unwrap() + 1;
    let stage = died_at(&whole, seal, false);
    let run = stage.planned.plan.runs[1].id.clone();
    let result = stage.folders().results().join(run).join("a1/result.json");
    std::fs::write(&result, "edited").unwrap();
    stage.resume().await.unwrap();
    stage.assert_complete();
    assert_eq!(std::fs::read_to_string(&result).unwrap(), "edited");
    let state = stage.state();
    let first = state.history(1).next().unwrap();
    assert_eq!(
        (first.verdict, first.result),
        (Some(Verdict::Accepted), None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_seal_without_its_files_gets_them_again() {
    let stage = Stage::new(&four());
    stage.up().await.unwrap();
    let folder = stage.folders().manifests();
    let files = ["manifest.json", "SHA256SUMS"].map(|name| folder.join(name));
    let read = || files.each_ref().map(|file| std::fs::read(file).unwrap());
    let sealed = read();
    std::fs::remove_dir_all(stage.root().join("manifests")).unwrap();
    reopen(stage.folders()).unwrap().mend_seal().unwrap();
    assert_eq!(read(), sealed);
    std::fs::remove_file(&files[0]).unwrap();
    reopen(stage.folders()).unwrap().mend_seal().unwrap();
    assert_eq!(read(), sealed);
}

/// Another version of lemctl may make another manifest of the same journal: what was sealed is not replaced by it.
#[tokio::test(start_paused = true)]
async fn a_manifest_that_would_be_another_is_not_written() {
    let stage = Stage::new(&four());
    stage.up().await.unwrap();
    let folders = stage.folders();
    let manifest = folders.manifests().join("manifest.json");
    std::fs::remove_file(&manifest).unwrap();
    let opened = reopen(folders.clone()).unwrap();
    // The journal's end stands in the manifest.
    let elsewhere = opened.journal.head();
    let said = mend_seal(&folders, &opened.planned.campaign, &opened.state, elsewhere);
    let said = said.unwrap_err().to_string();
    assert!(said.contains("is gone"), "{said}");
    assert!(!manifest.exists());
}

/// The list cannot be written, and what helps is not refused for it.
#[tokio::test(start_paused = true)]
async fn a_seal_without_its_list_and_with_a_lost_result_is_measured_again() {
    let stage = Stage::new(&four());
    stage.up().await.unwrap();
    let folders = stage.folders();
    let run = folders.results().join(&stage.planned.plan.runs[1].id);
    std::fs::write(run.join("a1/result.json"), "{}").unwrap();
    std::fs::remove_file(folders.manifests().join("SHA256SUMS")).unwrap();
    let mut opened = reopen(folders).unwrap();
    let said = opened.mend_seal().unwrap_err();
    assert!(said.to_string().contains("result.json"), "{said}");
    assert_eq!(opened.recheck(&HostClock).unwrap().len(), 1);
    let ended = resealed(&stage, opened).await.unwrap();
    assert_eq!(ended.tally.accepted, 4);
}
