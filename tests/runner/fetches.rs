//! Fetches of models on fakes: whose container a fetch clears away before its own begins.

use std::time::Duration;

use lem_protocol::{AGENT, FetchReply, FetchRequest, ModelFile};
use lemctl::runner::models::{Ensured, Models, Owner, Wanted, Watch, ensure};
use lemctl::runner::{Identity, Lease};
use lemctl::store::ModelStore;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::fake_engine::Process;
use crate::leftovers::{HELD, put, stand};
use crate::stage::{EIGHT, Stage, UID, service};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The models of a stage, where `pulls` fetches at a time are waited for before one answers.
fn models(stage: &Stage, pulls: usize) -> Models {
    stage.engine.add_image(&service("fetch").image);
    let models = Models {
        store: ModelStore::new(stage.root().join("models")),
        fetch: Some(service("fetch")),
        endpoint: "http://hub".to_owned(),
        token: None,
        root: stage.root(),
        identity: Identity { uid: UID, gid: UID },
    };
    let (engine, store) = (stage.engine.clone(), models.store.root().to_owned());
    stage
        .engine
        .add_program(AGENT, move |mut process: Process| {
            let (engine, store) = (engine.clone(), store.clone());
            async move {
                let mut line = String::new();
                let mut stdin = BufReader::new(&mut process.stdin);
                stdin.read_line(&mut line).await.unwrap();
                let Ok(FetchRequest::Hub { folder, .. }) = serde_json::from_str(&line) else {
                    panic!("no fetch: {line}");
                };
                // Not for ever: one that was ended by another is told by its answer.
                for _ in 0..100 {
                    if engine.names().len() >= pulls {
                        break;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                std::fs::create_dir_all(store.join(&folder)).unwrap();
                std::fs::write(store.join(&folder).join("config.json"), "{}").unwrap();
                let file = ModelFile {
                    path: "config.json".to_owned(),
                    bytes: 2,
                    sha256: "a".repeat(64),
                };
                let reply = FetchReply::Done { files: vec![file] };
                process.stdout(serde_json::to_vec(&reply).unwrap()).await;
                process.stdout("\n").await;
                0
            }
        });
    models
}

async fn pull(stage: &Stage, models: &Models, id: &str) -> Ensured {
    let wanted = Wanted::hub(id, COMMIT).unwrap();
    let owner = Owner::of_pull(models, &wanted);
    let lease = Lease::new(stage.worker.clock.clone());
    let mut watch = Watch {
        stop: &stage.stop.1,
        told: &mut |_, _| {},
    };
    let had = ensure(&stage.engine, models, &wanted, &owner, &lease, &mut watch);
    had.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_pulls_do_not_clear_each_other() {
    let stage = Stage::new(EIGHT);
    let models = models(&stage, 2);
    let (one, other) = tokio::join!(
        pull(&stage, &models, "org/one"),
        pull(&stage, &models, "org/other")
    );
    assert!(one.fetched && other.fetched && one.folder != other.folder);
    let calls = stage.engine.calls();
    let created = calls.iter().filter(|call| call.starts_with("create"));
    assert_eq!(created.count(), 2);
    assert_eq!(stage.engine.names(), [].into());
}

#[tokio::test(start_paused = true)]
async fn a_pull_clears_what_its_own_left_and_no_campaigns_fetch() {
    let stage = Stage::new(EIGHT);
    let models = models(&stage, 1);
    stand(&stage, HELD, "held", "fetch").await;
    let own = Owner::of_pull(&models, &Wanted::hub("org/one", COMMIT).unwrap());
    let marks: Vec<_> = own.labels.iter().map(|(k, v)| (&**k, &**v)).collect();
    let base = stage.root().join(".lem").join(&own.live);
    put(&stage, &base, &format!("lem-{}", own.name), &marks).await;
    assert!(pull(&stage, &models, "org/one").await.fetched);
    assert_eq!(stage.engine.names(), [format!("lem-{HELD}-fetch")].into());
}
