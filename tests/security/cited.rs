//! A journal from a stranger: the files that it cites lie below their campaign's folder.

use std::sync::Arc;

use lemctl::execution::{Assessed, Event, IllegalEvent, ResultFile, State};
use lemctl::plan::Plan;
use lemctl::quality::{Quality, codes};
use lemctl::units::Digest;

use crate::machine::{World, created, drive, plan, session};

/// Paths that lead elsewhere, or that no file of a campaign has.
const ELSEWHERE: [&str; 7] = [
    "/etc/passwd",
    "../../x/result.json",
    "a//b",
    "a/./b",
    "a/..",
    "",
    "a\nb",
];

/// A whole journal, and where it first cites a result.
fn written(plan: &Arc<Plan>) -> (Vec<Event>, usize) {
    let mut state = State::new(plan.clone());
    let mut journal = vec![created(plan), session(1)];
    for event in &journal {
        state.apply(event).unwrap();
    }
    journal.extend(drive(&mut state, &mut World::default(), &mut || 0));
    let at = journal
        .iter()
        .position(|event| {
            matches!(
                event,
                Event::AttemptEnded {
                    result: Some(_),
                    ..
                }
            )
        })
        .unwrap();
    (journal, at)
}

fn applied(plan: &Arc<Plan>, journal: &[Event], forged: &Event) -> Result<(), IllegalEvent> {
    let mut state = State::new(plan.clone());
    for event in journal {
        state.apply(event).unwrap();
    }
    state.apply(forged)
}

#[test]
fn a_journal_cites_no_file_of_somebody_else() {
    let plan = plan("grouped", 1, false);
    let (journal, at) = written(&plan);
    assert!(applied(&plan, &journal[..at], &journal[at]).is_ok());
    for path in ELSEWHERE {
        let mut forged = journal[at].clone();
        let Event::AttemptEnded {
            result: Some(file), ..
        } = &mut forged
        else {
            unreachable!("it was looked for")
        };
        file.path = path.to_owned();
        assert!(applied(&plan, &journal[..at], &forged).is_err(), "{path}");
    }
}

#[test]
fn a_journal_cites_no_answers_of_somebody_else() {
    let plan = plan("grouped", 1, false);
    let (journal, at) = written(&plan);
    let cited = |path: &str| Event::QualityAssessed {
        experiment: plan.experiment_of(0).hash,
        assessed: Assessed {
            run: plan.runs[0].id.clone(),
            attempt: 1,
            prompts: Digest::ZERO,
            file: Some(ResultFile {
                path: path.to_owned(),
                sha256: Digest::ZERO,
            }),
            quality: Quality::not_assessed(codes::ASSESS_FAILED, "x"),
        },
    };
    let told = |path: &str| applied(&plan, &journal[..=at], &cited(path));
    told("run/a1/quality.json").unwrap();
    for path in ELSEWHERE {
        let refused = told(path).expect_err(path).to_string();
        assert!(refused.contains("its file lies elsewhere"), "{refused}");
    }
}
