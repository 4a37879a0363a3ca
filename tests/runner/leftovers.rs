//! What earlier lives left standing: removed by label and lock, as far as nobody holds it; one thing that cannot be
//! removed keeps no other.

use camino::Utf8Path;
use lemctl::clock::Clock;
use lemctl::containers::{ContainerEngine, ContainerSpec, EngineError, Overlay, labels};
use lemctl::journal::Lock;
use lemctl::runner::{hold_campaign, remove_fetches, remove_left_over, remove_unborn, standing};
use lemctl::store::Folders;

use crate::stage::{EIGHT, Stage, service};

fn slow(what: &str) -> EngineError {
    EngineError::TimedOut {
        what: what.to_owned(),
        seconds: 30,
    }
}

/// A container with what it mounts, as a session of campaign `id` makes it.
pub async fn stand(stage: &Stage, id: &str, name: &str, backend: &str) -> Folders {
    let folders = Folders::new(&stage.root(), name, id);
    stand_of(stage, &folders, backend).await;
    folders
}

/// The same for a campaign of another folder, on the same engine.
async fn stand_of(stage: &Stage, folders: &Folders, backend: &str) {
    let (id, name, root) = (&*folders.id, &*folders.campaign, &*folders.root_key());
    let own = [(labels::ROOT, root), (labels::BACKEND, backend)];
    if id.is_empty() {
        let base = folders.root.join(format!(".lem/fetch-{name}"));
        return put(stage, &base, &format!("lem-fetch-{root}-{name}"), &own).await;
    }
    let campaign = [(labels::CAMPAIGN, id), (labels::CAMPAIGN_NAME, name)];
    let base = folders.live().join(backend);
    let marks = [campaign, own].concat();
    put(stage, &base, &format!("lem-{id}-{backend}"), &marks).await;
}

/// A container that runs, with these labels and what it mounts in `base`.
pub async fn put(stage: &Stage, base: &Utf8Path, name: &str, marks: &[(&str, &str)]) {
    for folder in ["control", "outbox"] {
        std::fs::create_dir_all(base.join(folder)).unwrap();
    }
    for file in ["passwd", "group", "lease"] {
        std::fs::write(base.join("control").join(file), "1\n").unwrap();
    }
    let marks = marks.iter();
    let overlay = Overlay {
        name: name.to_owned(),
        labels: marks
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        gpus: Vec::new(),
        without_devices: Vec::new(),
        control: base.join("control"),
        outbox: base.join("outbox"),
        model: None,
    };
    let spec = ContainerSpec::new(&service("reference"), &overlay).unwrap();
    let created = stage.engine.create(&spec).await.unwrap();
    stage.engine.start(&created).await.unwrap();
}

const DEAD: &str = "20260101T000000Z-aaaaaa";
pub const HELD: &str = "20260101T000001Z-bbbbbb";
const GONE: &str = "20260101T000002Z-cccccc";

#[tokio::test(start_paused = true)]
async fn one_that_is_slow_to_go_keeps_no_other_and_is_tried_again() {
    let stage = Stage::new(EIGHT);
    let folders = stand(&stage, DEAD, "dead", "reference").await;
    stand(&stage, DEAD, "dead", "gadget").await;
    stage.engine.fail("remove", 0, slow("removing"));
    let cleared = remove_left_over(&stage.engine, &folders).await.unwrap();
    assert_eq!((cleared.removed.len(), cleared.left.len()), (2, 0));
    assert_eq!(stage.engine.names(), [].into());
    assert!(!folders.live().exists());
    let again = remove_left_over(&stage.engine, &folders).await.unwrap();
    assert_eq!((again.removed.len(), again.left.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_go_is_named_and_keeps_its_folder() {
    let stage = Stage::new(EIGHT);
    let folders = stand(&stage, DEAD, "dead", "reference").await;
    stand(&stage, DEAD, "dead", "gadget").await;
    for _ in 0..20 {
        let name = format!("remove lem-{DEAD}-gadget");
        stage.engine.fail(&name, 0, slow("removing"));
    }
    let cleared = remove_left_over(&stage.engine, &folders).await.unwrap();
    assert_eq!((cleared.removed.len(), cleared.left.len()), (1, 1));
    assert_eq!(cleared.left[0].0.name, format!("lem-{DEAD}-gadget"));
    // What it mounts is not taken from under it.
    assert!(folders.live().exists());
}

/// A create that a killed lemctl asked for comes through after the first look.
#[tokio::test(start_paused = true)]
async fn one_that_appears_late_is_found() {
    let stage = Stage::new(EIGHT);
    let folders = stand(&stage, DEAD, "dead", "reference").await;
    let look = async { remove_left_over(&stage.engine, &folders).await.unwrap() };
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        stand(&stage, DEAD, "dead", "gadget").await;
    };
    let (cleared, ()) = tokio::join!(look, late);
    assert_eq!((cleared.removed.len(), cleared.left.len()), (2, 0));
    assert_eq!(stage.engine.names(), [].into());
}

/// The first look finds nothing at all, but the live folder tells that something may come.
#[tokio::test(start_paused = true)]
async fn one_that_appears_behind_an_empty_look_is_found() {
    let stage = Stage::new(EIGHT);
    let folders = Folders::new(&stage.root(), "dead", DEAD);
    std::fs::create_dir_all(folders.live()).unwrap();
    let look = async { remove_left_over(&stage.engine, &folders).await.unwrap() };
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        stand(&stage, DEAD, "dead", "reference").await;
    };
    let (cleared, ()) = tokio::join!(look, late);
    assert_eq!((cleared.removed.len(), cleared.left.len()), (1, 0));
    assert_eq!(stage.engine.names(), [].into());
    assert!(!folders.live().exists());
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_called_as_something_of_ours_takes_nothing_along() {
    let stage = Stage::new(EIGHT);
    let pull = stage.root().join(".lem/fetch-0123456789abcdef");
    std::fs::create_dir_all(&pull).unwrap();
    for name in ["fetch-0123456789abcdef", "..", "."] {
        let folders = Folders::new(&stage.root(), "strange", name);
        let cleared = remove_left_over(&stage.engine, &folders).await.unwrap();
        assert_eq!((cleared.removed.len(), cleared.left.len()), (0, 0));
        assert!(pull.exists(), "{name}");
    }
}

/// A crash right behind the first event: there are no logs and no results yet.
#[tokio::test]
async fn a_campaign_that_has_begun_is_not_taken_for_one_that_has_not() {
    let stage = Stage::new(EIGHT);
    drop(stage.create());
    let name = &stage.planned.campaign.name;
    assert_eq!(remove_unborn(&stage.root(), name).unwrap(), [""; 0]);
    assert!(stage.journal().exists());
}

#[tokio::test(start_paused = true)]
async fn a_session_removes_what_dead_campaigns_left_and_nothing_that_is_held() {
    let stage = Stage::new(EIGHT);
    let dead = stand(&stage, DEAD, "dead", "reference").await;
    let held = stand(&stage, HELD, "held", "reference").await;
    let gone = stand(&stage, GONE, "gone", "reference").await;
    stand(&stage, "", "0123456789abcdef", "fetch").await;
    for folders in [&dead, &held] {
        std::fs::create_dir_all(folders.results()).unwrap();
    }
    let _held = Lock::take(&held.results()).unwrap();
    stage.up().await.unwrap();
    let left = [
        format!("lem-{HELD}-reference"),
        format!("lem-{GONE}-reference"),
    ];
    assert_eq!(
        stage.engine.names(),
        left.into(),
        "without results it is left to `down`"
    );
    assert!(!dead.live().exists() && held.live().exists() && gone.live().exists());
    assert!(!stage.root().join(".lem/fetch-0123456789abcdef").exists());
    let found = standing(&stage.engine, &stage.root()).await.unwrap();
    assert_eq!(found, [held.clone(), gone.clone()]);
    // Who holds it is told; the one without results is free, since nobody renews its lease.
    let clock = &*stage.worker.clock;
    let told = hold_campaign(&held, clock).await.unwrap_err().to_string();
    assert!(
        told.contains(&format!("pid {}", std::process::id())),
        "{told}"
    );
    assert!(hold_campaign(&gone, clock).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_is_somebodys() {
    let stage = Stage::new(EIGHT);
    let gone = stand(&stage, GONE, "gone", "reference").await;
    stand(&stage, "", "0123456789abcdef", "fetch").await;
    let fetch = stage.root().join(".lem/fetch-0123456789abcdef");
    let leases = [
        gone.live().join("reference/control/lease"),
        fetch.join("control/lease"),
    ];
    // Twenty seconds of a clock that hardly goes on.
    for lease in &leases {
        std::fs::write(lease, "20000000000\n").unwrap();
    }
    let clock = stage.worker.clock.clone();
    let renewing = tokio::spawn({
        let leases = leases.clone();
        async move {
            for second in 0.. {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                for lease in &leases {
                    std::fs::write(lease, format!("2000000{second:04}\n")).unwrap();
                }
            }
        }
    });
    assert!(hold_campaign(&gone, &*clock).await.is_err());
    let kept = remove_fetches(&stage.engine, &stage.root(), &*clock, true).await;
    assert_eq!(kept.unwrap().removed, []);
    renewing.abort();
    let _ = renewing.await;
    // It holds for a while yet, and nobody renews it.
    assert!(hold_campaign(&gone, &*clock).await.unwrap().is_none());
    let hasty = remove_fetches(&stage.engine, &stage.root(), &*clock, false).await;
    assert_eq!(hasty.unwrap().removed, []);
    let patient = remove_fetches(&stage.engine, &stage.root(), &*clock, true).await;
    assert_eq!(patient.unwrap().removed.len(), 1);
    assert!(!fetch.exists());
}

/// A copy of the project elsewhere has the same ids and another root.
#[tokio::test(start_paused = true)]
async fn what_stands_of_another_root_is_not_ours() {
    let stage = Stage::new(EIGHT);
    let ours = stand(&stage, DEAD, "dead", "reference").await;
    let copy = stage.root().join("copy");
    // An engine has a name once, so it is of another backend.
    stand_of(&stage, &Folders::new(&copy, "dead", DEAD), "gadget").await;
    stand_of(&stage, &Folders::new(&copy, "gone", GONE), "reference").await;
    stand_of(
        &stage,
        &Folders::new(&copy, "0123456789abcdef", ""),
        "fetch",
    )
    .await;
    let theirs = stage.engine.names();
    let ours_only = [format!("lem-{DEAD}-reference")].into();
    let theirs = theirs.difference(&ours_only).cloned().collect();
    let found = standing(&stage.engine, &stage.root()).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&ours));
    remove_left_over(&stage.engine, &ours).await.unwrap();
    let clock = &*stage.worker.clock;
    let fetches = remove_fetches(&stage.engine, &stage.root(), clock, false).await;
    assert_eq!(fetches.unwrap().removed, []);
    assert_eq!(stage.engine.names(), theirs);
}

/// Labels may say anything, and folders are named by them.
#[tokio::test(start_paused = true)]
async fn a_label_that_is_no_id_or_no_name_leads_to_no_folder() {
    let stage = Stage::new(EIGHT);
    let known = stand(&stage, DEAD, "dead", "reference").await;
    let root = known.root_key();
    let odd = [
        ("../x", "x"),
        ("..", ""),
        ("/etc", "x"),
        (HELD, "../x"),
        (GONE, ".lem"),
        ("20260101T000003Z-dddddd", "a/b"),
    ];
    for (index, (id, name)) in odd.into_iter().enumerate() {
        let marks = [
            (labels::CAMPAIGN, id),
            (labels::CAMPAIGN_NAME, name),
            (labels::ROOT, &root),
        ];
        let base = stage.root().join("mounted");
        put(&stage, &base, &format!("odd-{index}"), &marks).await;
    }
    let found = standing(&stage.engine, &stage.root()).await.unwrap();
    assert_eq!(found, [known]);
}

/// Called as a pull's would be, and somebody's by its labels.
#[tokio::test(start_paused = true)]
async fn a_fetch_that_belongs_to_somebody_is_no_pulls() {
    let stage = Stage::new(EIGHT);
    let root = Folders::new(&stage.root(), "", "").root_key();
    for (name, label) in [("campaigns", labels::CAMPAIGN), ("probes", labels::PROBE)] {
        let marks = [
            (labels::ROOT, &*root),
            (labels::BACKEND, "fetch"),
            (label, DEAD),
        ];
        let base = stage.root().join("mounted");
        put(&stage, &base, &format!("lem-fetch-{root}-{name}"), &marks).await;
    }
    let clock = &*stage.worker.clock;
    let cleared = remove_fetches(&stage.engine, &stage.root(), clock, false).await;
    assert_eq!(cleared.unwrap().removed, []);
    assert_eq!(stage.engine.names().len(), 2);
}

/// A boot sets the clock back that leases are written by.
#[tokio::test(start_paused = true)]
async fn a_lease_of_another_boot_is_nobodys() {
    let stage = Stage::new(EIGHT);
    let gone = stand(&stage, GONE, "gone", "reference").await;
    stand(&stage, "", "0123456789abcdef", "fetch").await;
    let fetch = stage.root().join(".lem/fetch-0123456789abcdef");
    let clock = stage.worker.clock.clone();
    let in_100_days = clock.monotonic_ns() + 100 * 86_400 * 1_000_000_000;
    for control in [gone.live().join("reference/control"), fetch.join("control")] {
        std::fs::write(control.join("lease"), format!("{in_100_days}\n")).unwrap();
    }
    assert!(hold_campaign(&gone, &*clock).await.unwrap().is_none());
    let hasty = remove_fetches(&stage.engine, &stage.root(), &*clock, false).await;
    assert_eq!(hasty.unwrap().removed.len(), 1);
    assert!(!fetch.exists());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_a_session_cannot_remove_keeps_its_folder() {
    let stage = Stage::new(EIGHT);
    // At the end of its last step, and at the session's.
    for _ in 0..2 {
        stage.engine.fail("remove", 0, slow("removing"));
    }
    let ended = stage.up().await.unwrap();
    assert_eq!(ended.tally.accepted, 8);
    let folders = stage.folders();
    assert_eq!(stage.engine.names().len(), 1);
    assert!(folders.live().join("reference").exists(), "it is mounted");
    remove_left_over(&stage.engine, &folders).await.unwrap();
    stage.assert_complete();
}

/// While the dead of another campaign are cleared away nobody is kept from going on with it.
#[tokio::test(start_paused = true)]
async fn a_dead_campaign_is_not_held_between_two_looks() {
    let stage = Stage::new(EIGHT);
    let dead = stand(&stage, DEAD, "dead", "reference").await;
    std::fs::create_dir_all(dead.results()).unwrap();
    let results = dead.results();
    let (engine, live) = (stage.engine.clone(), dead.live());
    let taken = tokio::spawn(async move {
        while engine.names().iter().any(|name| name.contains(DEAD)) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!(live.exists(), "it is looked again");
        Lock::take(&results).map(|_| ())
    });
    stage.up().await.unwrap();
    taken.await.unwrap().unwrap();
}

/// What crashes left under temporary names goes when the next session begins, and nothing else does.
#[tokio::test(start_paused = true)]
async fn a_session_removes_what_was_half_written() {
    let stage = Stage::new(EIGHT);
    drop(stage.create());
    std::fs::create_dir_all(stage.folders().manifests()).unwrap();
    let dead = 4_194_305; // Beyond the largest pid of Linux.
    let (results, root) = (stage.folders().results(), stage.root());
    let half = [
        results.join(format!("inputs/x.{dead}.0.lem-tmp")),
        stage
            .folders()
            .manifests()
            .join(format!("manifest.json.{dead}.1.lem-tmp")),
        root.join(format!(".env.{dead}.2.lem-tmp")),
    ];
    let others = [
        root.join("notes.tmp"),
        root.join(format!(".env.{}.0.lem-tmp", 1)),
    ];
    for file in half.iter().chain(&others) {
        std::fs::write(file, "half").unwrap();
    }
    stage.resume().await.unwrap();
    for file in &half {
        assert!(!file.exists(), "{file} is left");
    }
    for file in &others {
        assert!(file.exists(), "{file} was somebody else's");
    }
}
