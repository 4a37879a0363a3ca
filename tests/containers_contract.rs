//! The contract of `ContainerEngine`: one suite, run on the fake and on the real Docker Engine. What
//! holds here is what the runner relies on.

#[path = "support/engine_bench.rs"]
mod engine_bench;
#[path = "containers_contract/execs.rs"]
mod execs;
#[path = "support/fake_engine.rs"]
mod fake_engine;
#[path = "containers_contract/gpus.rs"]
mod gpus;
#[path = "containers_contract/images.rs"]
mod images;
#[path = "containers_contract/life.rs"]
mod life;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use engine_bench::Bench;
use futures_util::FutureExt;
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{ContainerEngine, ContainerId};

/// Nothing in the suite takes longer than this, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Each clause becomes two tests. A clause that fails cleans up before it says so; one that passes must
/// have left nothing.
macro_rules! contract {
    ($($part:ident::$clause:ident),* $(,)?) => {
        mod fake { $(
            #[tokio::test]
            async fn $clause() {
                super::run(super::engine_bench::fake(), stringify!($clause), super::$part::$clause).await;
            }
        )* }
        mod docker { $(
            #[tokio::test]
            async fn $clause() {
                let engine = super::DockerEngine::connect().await;
                let engine = engine.expect("these tests need a Docker Engine: make setup");
                super::run(engine, stringify!($clause), super::$part::$clause).await;
            }
        )* }
    };
}

async fn run<E: ContainerEngine>(engine: E, name: &str, clause: impl AsyncFn(&Bench<E>)) {
    let bench = Bench::new(engine, name).await;
    let outcome = AssertUnwindSafe(tokio::time::timeout(PATIENCE, clause(&bench)))
        .catch_unwind()
        .await;
    let left = bench.clear().await;
    match outcome {
        Err(panic) => std::panic::resume_unwind(panic),
        Ok(Err(_)) => panic!("the clause took longer than {PATIENCE:?}"),
        Ok(Ok(())) => assert!(left.is_empty(), "left behind: {left:?}"),
    }
}

macro_rules! on_docker {
    ($($part:ident::$clause:ident),* $(,)?) => {
        mod docker_fields { $(
            #[tokio::test]
            async fn $clause() {
                let engine = super::DockerEngine::connect().await;
                let engine = engine.expect("these tests need a Docker Engine: make setup");
                super::run(engine, stringify!($clause), super::$part::$clause).await;
            }
        )* }
    };
}

contract!(
    images::an_engine_names_itself,
    images::an_image_that_is_not_there_is_none,
    images::a_build_tags_and_labels,
    images::a_failed_build_names_its_step,
    life::a_container_lives_and_goes,
    life::a_name_is_a_mutex,
    life::a_missing_bind_is_refused_and_not_created,
    life::a_missing_image_is_named,
    life::lists_by_every_label,
    life::volumes_outlive_containers,
    execs::one_line_each_way,
    execs::streams_are_apart_and_the_exit_code_is_known,
    execs::a_flood_arrives_whole_with_a_slow_reader,
    execs::an_exec_needs_a_running_container,
    execs::a_missing_program_ends_badly_but_ends,
    execs::a_removed_container_ends_its_streams,
    execs::the_end_of_the_log_is_read,
    execs::what_befell_a_container_is_told,
);

// What only the real Engine shows: the fields of a container, and its own words.
on_docker!(
    gpus::the_campaigns_gpus_stand_in_for_the_reservation,
    gpus::gpus_without_the_runtime_are_refused_with_the_way_out,
    gpus::nodes_of_other_gpus_are_left_out,
    gpus::a_model_is_mounted_read_only_beside_the_caches,
);

async fn started<E: ContainerEngine>(bench: &Bench<E>, name: &str) -> ContainerId {
    let id = bench
        .engine
        .create(&bench.spec(name))
        .await
        .expect("creates");
    bench.engine.start(&id).await.expect("starts");
    id
}
