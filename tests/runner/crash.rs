//! Every point at which lemctl can die: the journal up to there, with the files that were written, is
//! reopened and finished. Nothing accepted is repeated, everything is accepted once.

use std::collections::BTreeSet;

use camino::Utf8Path;
use lemctl::execution::{Event, State, Verdict};
use lemctl::journal::{FILE, JournalError, replay};
use lemctl::manifest::verify;
use lemctl::runner::{RunnerError, reopen};
use lemctl::store::Folders;

use crate::engine::four;
use crate::stage::Stage;

fn accepted(events: &[Event]) -> BTreeSet<String> {
    let ended = events.iter().filter_map(|event| match event {
        Event::AttemptEnded {
            run,
            verdict: Verdict::Accepted,
            ..
        } => Some(run.clone()),
        _ => None,
    });
    ended.collect()
}

/// Copies a folder with all in it.
pub fn copy(from: &Utf8Path, to: &Utf8Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A stage on which the session of `whole` died when its journal had `keep` bytes.
pub fn died_at(whole: &Stage, keep: usize, with_manifest: bool) -> Stage {
    let stage = Stage::new(&four());
    copy(&whole.root().join("results"), &stage.root().join("results"));
    if with_manifest {
        copy(
            &whole.root().join("manifests"),
            &stage.root().join("manifests"),
        );
    }
    let journal = std::fs::read(whole.journal()).unwrap();
    std::fs::write(stage.journal(), &journal[..keep]).unwrap();
    stage
}

#[tokio::test(start_paused = true)]
async fn a_session_that_died_anywhere_is_finished_by_the_next() {
    let whole = Stage::new(&four());
    whole.up().await.unwrap();
    let journal = std::fs::read(whole.journal()).unwrap();
    let ends: Vec<usize> = (0..journal.len())
        .filter(|at| journal[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    // Each whole line but the seal, and cuts in the middle of the line after it.
    for (index, end) in ends[..ends.len() - 1].iter().enumerate() {
        let next = ends[index + 1];
        for keep in [*end, end + 1, (end + next) / 2, next - 1] {
            let stage = died_at(&whole, keep, false);
            let before = stage.events();
            assert_eq!(before.len(), index + 1);
            stage
                .resume()
                .await
                .unwrap_or_else(|error| panic!("{keep}: {error}"));
            stage.assert_complete();
            let after = stage.events();
            assert_eq!(after[..before.len()], before, "history stays");
            let kept = accepted(&before);
            let again: Vec<&Event> = after[before.len()..]
                .iter()
                .filter(|event| matches!(event, Event::AttemptStarted { run, .. } if kept.contains(run)))
                .collect();
            assert_eq!(again, Vec::<&Event>::new(), "after event {}", index + 1);
            assert!(stage.times_accepted().values().all(|times| *times == 1));
            let state = stage.state();
            for (run, planned) in state.plan().runs.iter().enumerate() {
                for (index, attempt) in state.history(run).enumerate() {
                    let number = u32::try_from(index + 1).unwrap();
                    let folder = Folders::attempt(&planned.id, number);
                    let folder = stage.folders().results().join(folder);
                    assert_eq!(folder.exists(), attempt.result.is_some(), "{folder}");
                }
            }
        }
    }
}

/// What a state says of every run, and what stands.
fn shape(state: &State) -> String {
    let runs = (0..state.plan().runs.len()).map(|run| (state.status(run), state.attempts(run)));
    format!(
        "{:?} {:?} {:?} {} {:?}",
        runs.collect::<Vec<_>>(),
        state.tally(),
        state.loaded(),
        state.session(),
        state.sealed()
    )
}

/// The journal of a whole campaign cut at every byte: what is replayed is the whole lines before the cut and gives the
/// state that lemctl had then. At some of the cuts the next session finishes the campaign; the test above does that at
/// every line.
#[tokio::test(start_paused = true)]
async fn a_journal_cut_at_any_byte_gives_the_state_of_then() {
    let whole = Stage::new(&four());
    whole.up().await.unwrap();
    let journal = std::fs::read(whole.journal()).unwrap();
    let events = whole.events();
    let mut live = vec![shape(&State::new(whole.planned.plan.clone()))];
    let mut state = State::new(whole.planned.plan.clone());
    for event in &events {
        state.apply(event).unwrap();
        live.push(shape(&state));
    }
    let folder = tempfile::tempdir_in(whole.root()).unwrap();
    let cut = Utf8Path::from_path(folder.path()).unwrap();
    for keep in 0..=journal.len() {
        std::fs::write(cut.join(FILE), &journal[..keep]).unwrap();
        let mut state = State::new(whole.planned.plan.clone());
        let replayed = replay(cut, |entry| {
            state.apply(&entry.event).map_err(|error| error.to_string())
        });
        let replayed = replayed.unwrap_or_else(|error| panic!("byte {keep}: {error}"));
        let lines = journal[..keep].split_inclusive(|byte| *byte == b'\n');
        let lines: Vec<usize> = lines
            .filter(|line| line.ends_with(b"\n"))
            .map(<[u8]>::len)
            .collect();
        let bytes = lines.iter().sum::<usize>() as u64;
        assert_eq!(replayed.head.events, lines.len() as u64, "byte {keep}");
        assert_eq!(
            (replayed.bytes, replayed.torn_bytes),
            (bytes, keep as u64 - bytes)
        );
        assert_eq!(shape(&state), live[lines.len()], "byte {keep}");
        // A cut in the seal itself belongs to a manifest that is there.
        if keep % 211 == 0 && (1..events.len() - 1).contains(&lines.len()) {
            let stage = died_at(&whole, keep, false);
            let ended = stage.resume().await;
            ended.unwrap_or_else(|error| panic!("byte {keep}: {error}"));
            stage.assert_complete();
            assert!(stage.times_accepted().values().all(|times| *times == 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_seal_and_list_of_hashes_is_mended() {
    let whole = Stage::new(&four());
    whole.up().await.unwrap();
    let journal = std::fs::read(whole.journal()).unwrap();
    let stage = died_at(&whole, journal.len(), true);
    let sums = stage.folders().manifests().join("SHA256SUMS");
    let text = std::fs::read_to_string(&sums).unwrap();
    std::fs::remove_file(&sums).unwrap();
    assert_ne!(verify(&stage.folders()).findings, []);
    reopen(stage.folders()).unwrap().mend_seal().unwrap();
    assert_eq!(std::fs::read_to_string(&sums).unwrap(), text);
    stage.assert_complete();
}

#[tokio::test(start_paused = true)]
async fn a_sealed_journal_that_became_shorter_is_damage() {
    let whole = Stage::new(&four());
    whole.up().await.unwrap();
    let journal = std::fs::read(whole.journal()).unwrap();
    let lines = journal.iter().filter(|byte| **byte == b'\n').count();
    let ends: Vec<usize> = (0..journal.len())
        .filter(|at| journal[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    for keep in [ends[lines - 3], ends[lines - 2] - 1, ends[lines - 4] + 5] {
        let stage = died_at(&whole, keep, true);
        let error = stage.resume().await.unwrap_err();
        assert!(
            matches!(error, RunnerError::Journal(JournalError::Damaged { .. })),
            "{error}"
        );
        assert_eq!(
            std::fs::read(stage.journal()).unwrap().len(),
            keep,
            "left as it is"
        );
    }
    // The seal itself may be torn off: the manifest was written, its event was not.
    let stage = died_at(&whole, ends[lines - 2] + 3, true);
    stage.resume().await.unwrap();
    stage.assert_complete();
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_lost_or_altered_is_measured_again() {
    type Harm = fn(&Utf8Path);
    let harms: [(&str, Harm); 4] = [
        ("result removed", |folder| {
            std::fs::remove_file(folder.join("result.json")).unwrap()
        }),
        ("result altered", |folder| {
            std::fs::write(folder.join("result.json"), "{}").unwrap()
        }),
        ("record removed", |folder| {
            std::fs::remove_file(folder.join("record.json")).unwrap()
        }),
        ("record altered", |folder| {
            std::fs::write(folder.join("record.json"), "{}").unwrap()
        }),
    ];
    for (name, harm) in harms {
        let whole = Stage::new(&four());
        whole.up().await.unwrap();
        let journal = std::fs::read(whole.journal()).unwrap();
        let seal = journal[..journal.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        let stage = died_at(&whole, seal, false);
        let run = stage.state().plan().runs[1].id.clone();
        harm(&stage.folders().results().join(&run).join("a1"));
        let ended = stage
            .resume()
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(ended.tally.accepted, 4, "{name}");
        stage.assert_complete();
        let tries: Vec<u32> = stage
            .verdicts()
            .into_iter()
            .map(|(_, _, tries)| tries)
            .collect();
        assert_eq!(tries, [1, 2, 1, 1], "{name}");
        let lost = stage
            .events()
            .into_iter()
            .filter(|event| matches!(event, Event::ResultLost { .. }))
            .count();
        assert_eq!(lost, 1, "{name}");
    }
}
