//! A session that a failure cut short leaves the open question to the next one: what is missing is not sealed.

use std::sync::Arc;

use crate::fake_worker::Act;
use crate::quality::{REFERENCE, qualities, real, want};
use crate::stage::Stage;

/// The same as of a stop, of a breaker: here the disk has no place for the last answer.
#[tokio::test(start_paused = true)]
async fn a_breaker_before_the_last_answer_seals_nothing() {
    let stage = Stage::new(&real(REFERENCE).replace("cycles: 2,", "cycles: 1,"));
    let opened = stage.create();
    let run = &opened.planned.plan.runs[1].id;
    // A folder stands where the second run's answers belong.
    let taken = opened
        .folders
        .results()
        .join(format!("{run}/a1/quality.json"));
    let folder = taken.clone();
    let take = Act::Also(Arc::new(move || std::fs::create_dir(&folder).unwrap()));
    stage.worker.at("assess", 2, take);
    let ended = stage.run(opened).await.unwrap();
    let cause = ended.breaker.expect("the disk opens the breaker");
    assert!(cause.is_of_disk(), "{cause}");
    assert_eq!(
        (ended.stopped, ended.tally.due, ended.unasked),
        (None, 0, 1)
    );
    assert!(ended.manifest.is_none(), "it would be sealed as not_asked");
    stage.assert_nothing_left();
    std::fs::remove_dir(&taken).unwrap();
    stage.resume().await.unwrap();
    stage.assert_complete();
    assert_eq!(qualities(&stage), want("passed", "passed"));
    assert_eq!(
        stage.worker.count("measure"),
        2,
        "nothing is measured for it"
    );
}
