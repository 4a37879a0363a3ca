//! The contract of `ContainerEngine`: one suite, run on the fake and on the real Docker Engine. What
//! holds here is what the runner relies on.

#[path = "support/engine_bench.rs"]
mod engine_bench;
#[path = "support/fake_engine.rs"]
mod fake_engine;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use engine_bench::{Bench, TEST_LABEL, drain, testbox_argv};
use futures_util::{FutureExt, StreamExt};
use lemctl::compose::{MountSource, NamedVolume, ServiceMount};
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{
    ContainerEngine, ContainerId, ContainerSpec, ContextFile, EngineError, ExecOutput, ImageBuild,
};
use tokio::io::AsyncWriteExt;

/// Nothing in the suite takes longer than this, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Each clause becomes two tests. A clause that fails cleans up before it says so; one that passes must
/// have left nothing.
macro_rules! contract {
    ($($clause:ident),* $(,)?) => {
        mod fake { $(
            #[tokio::test]
            async fn $clause() {
                super::run(super::engine_bench::fake(), stringify!($clause), super::$clause).await;
            }
        )* }
        mod docker { $(
            #[tokio::test]
            async fn $clause() {
                let engine = super::DockerEngine::connect().await;
                let engine = engine.expect("these tests need a Docker Engine: make setup");
                super::run(engine, stringify!($clause), super::$clause).await;
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

contract!(
    an_engine_names_itself,
    an_image_that_is_not_there_is_none,
    a_build_tags_and_labels,
    a_failed_build_names_its_step,
    a_container_lives_and_goes,
    a_name_is_a_mutex,
    a_missing_bind_is_refused_and_not_created,
    a_missing_image_is_named,
    lists_by_every_label,
    one_line_each_way,
    streams_are_apart_and_the_exit_code_is_known,
    a_flood_arrives_whole_with_a_slow_reader,
    an_exec_needs_a_running_container,
    a_missing_program_ends_badly_but_ends,
    a_removed_container_ends_its_streams,
    volumes_outlive_containers,
    the_end_of_the_log_is_read,
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

async fn an_engine_names_itself<E: ContainerEngine>(bench: &Bench<E>) {
    let info = bench.engine.engine().await.expect("answers");
    assert!(
        !info.version.is_empty() && !info.kernel.is_empty() && !info.storage_driver.is_empty(),
        "{info:?}"
    );
    let minor: u32 = info
        .api_version
        .strip_prefix("1.")
        .expect("major 1")
        .parse()
        .expect("a number");
    assert!(minor >= 41, "{info:?}");
    assert!(info.runtimes.contains(&"runc".to_owned()), "{info:?}");
    assert!(info.memory_bytes > 1 << 28 && info.cpus > 0, "{info:?}");
}

async fn an_image_that_is_not_there_is_none<E: ContainerEngine>(bench: &Bench<E>) {
    assert_eq!(
        bench
            .engine
            .image("lemt-cont-nowhere:9.9")
            .await
            .expect("answers"),
        None
    );
}

async fn a_build_tags_and_labels<E: ContainerEngine>(bench: &Bench<E>) {
    let mut lines = Vec::new();
    let built = bench
        .engine
        .build(&bench.image_build(), &mut |line| {
            lines.push(line.to_owned())
        })
        .await;
    let built = built.expect("builds");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("Step 2/") && line.contains("COPY testbox")),
        "{lines:?}"
    );
    assert_eq!(
        built.labels.get(TEST_LABEL).map(String::as_str),
        Some("image")
    );
    assert!(built.id.starts_with("sha256:"), "{built:?}");
    assert_eq!(
        bench.engine.image(&bench.image).await.expect("answers"),
        Some(built)
    );
}

async fn a_failed_build_names_its_step<E: ContainerEngine>(bench: &Bench<E>) {
    let build = ImageBuild {
        reference: "lemt-cont-broken:1".to_owned(),
        dockerfile: "FROM scratch\nCOPY absent /x\n".to_owned(),
        files: vec![ContextFile {
            path: "other".to_owned(),
            bytes: vec![1],
            executable: false,
        }],
        labels: Default::default(),
    };
    let failed = bench
        .engine
        .build(&build, &mut |_| {})
        .await
        .expect_err("`absent` is not in the context");
    let EngineError::BuildFailed {
        reference,
        step,
        message,
    } = failed
    else {
        panic!("{failed:?}")
    };
    assert_eq!(reference, "lemt-cont-broken:1");
    assert!(step.contains("COPY absent"), "{step}: {message}");
    assert_eq!(
        bench
            .engine
            .image("lemt-cont-broken:1")
            .await
            .expect("answers"),
        None
    );
}

async fn a_container_lives_and_goes<E: ContainerEngine>(bench: &Bench<E>) {
    let engine = &bench.engine;
    let id = engine.create(&bench.spec("a")).await.expect("creates");
    let state = engine
        .inspect(&id)
        .await
        .expect("answers")
        .expect("is there");
    assert!(
        !state.running && state.exit_code.is_none() && state.pid.is_none(),
        "{state:?}"
    );
    assert_eq!(state.name, format!("{}-a", bench.key));
    assert_eq!(state.labels.get(TEST_LABEL), Some(&bench.key));

    engine.start(&id).await.expect("starts");
    engine.start(&id).await.expect("a second start is fine");
    let state = engine
        .inspect(&id)
        .await
        .expect("answers")
        .expect("is there");
    assert!(
        state.running && state.pid.is_some_and(|pid| pid > 1),
        "{state:?}"
    );
    let image = engine
        .image(&bench.image)
        .await
        .expect("answers")
        .expect("is there");
    assert_eq!(state.image_id, image.id);

    // PID 1 is deaf to TERM: the grace passes, then KILL.
    engine
        .stop(&id, Duration::from_millis(700))
        .await
        .expect("stops");
    let state = engine
        .inspect(&id)
        .await
        .expect("answers")
        .expect("is there");
    assert!(
        !state.running && state.exit_code == Some(137) && !state.oom_killed,
        "{state:?}"
    );
    engine
        .stop(&id, Duration::from_secs(1))
        .await
        .expect("a second stop is fine");

    engine.remove(&id).await.expect("removes");
    engine.remove(&id).await.expect("a second removal is fine");
    assert_eq!(engine.inspect(&id).await.expect("answers"), None);
    assert!(matches!(
        engine.start(&id).await,
        Err(EngineError::NotFound { .. })
    ));
    assert!(matches!(
        engine.stop(&id, Duration::ZERO).await,
        Err(EngineError::NotFound { .. })
    ));
}

async fn a_name_is_a_mutex<E: ContainerEngine>(bench: &Bench<E>) {
    let id = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect("creates");
    let taken = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect_err("the name is taken");
    assert!(matches!(&taken, EngineError::Conflict { .. }), "{taken:?}");
    assert!(taken.to_string().contains("-a"), "{taken}");
    bench
        .engine
        .remove(&id)
        .await
        .expect("removes a container that never ran");
    let id = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect("the name is free again");
    bench.engine.remove(&id).await.expect("removes");
}

async fn a_missing_bind_is_refused_and_not_created<E: ContainerEngine>(bench: &Bench<E>) {
    let mut overlay = bench.overlay("a");
    overlay.outbox = bench.folder().join("absent");
    let spec = ContainerSpec::new(&bench.service(), &overlay).expect("fits");
    let refused = bench
        .engine
        .create(&spec)
        .await
        .expect_err("the outbox is not there");
    assert!(
        matches!(refused, EngineError::Api { status: 400, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("absent"), "{refused}");
    assert!(
        !overlay.outbox.exists(),
        "the engine made a folder that nobody asked for"
    );
}

async fn a_missing_image_is_named<E: ContainerEngine>(bench: &Bench<E>) {
    let mut service = bench.service();
    service.image = "lemt-cont-nowhere:9.9".to_owned();
    let spec = ContainerSpec::new(&service, &bench.overlay("a")).expect("fits");
    let missing = bench
        .engine
        .create(&spec)
        .await
        .expect_err("there is no such image");
    let EngineError::ImageMissing { reference } = missing else {
        panic!("{missing:?}")
    };
    assert_eq!(reference, "lemt-cont-nowhere:9.9");
}

async fn lists_by_every_label<E: ContainerEngine>(bench: &Bench<E>) {
    let (a, b) = (
        started(bench, "a").await,
        bench
            .engine
            .create(&bench.spec("b"))
            .await
            .expect("creates"),
    );
    let ours = (TEST_LABEL, bench.key.as_str());
    let listed = bench.engine.list(&[ours]).await.expect("lists");
    let seen: Vec<_> = listed.iter().map(|c| (c.id.clone(), c.running)).collect();
    assert_eq!(
        seen,
        [(a.clone(), true), (b.clone(), false)],
        "running or not, in the order of names"
    );
    let name = |value| ("org.lemctl.test.name", value);
    let listed = bench.engine.list(&[ours, name("b")]).await.expect("lists");
    assert_eq!(listed.iter().map(|c| &c.id).collect::<Vec<_>>(), [&b]);
    assert_eq!(
        bench
            .engine
            .list(&[ours, name("")])
            .await
            .expect("lists")
            .len(),
        2,
        "an empty value is any"
    );
    assert!(
        bench
            .engine
            .list(&[ours, name("c")])
            .await
            .expect("lists")
            .is_empty()
    );
    for id in [a, b] {
        bench.engine.remove(&id).await.expect("removes");
    }
}

async fn one_line_each_way<E: ContainerEngine>(bench: &Bench<E>) {
    let id = started(bench, "a").await;
    let mut session = bench
        .engine
        .exec(&id, &testbox_argv(&["echo"]))
        .await
        .expect("execs");
    for round in 0..50 {
        let line = format!("{{\"round\":{round}}}\n");
        session
            .stdin
            .write_all(line.as_bytes())
            .await
            .expect("stdin is open");
        session.stdin.flush().await.expect("stdin is open");
        let mut answer = Vec::new();
        while answer.last() != Some(&b'\n') {
            match session
                .output
                .next()
                .await
                .expect("the stream goes on")
                .expect("the stream holds")
            {
                ExecOutput::Stdout(piece) => answer.extend(piece),
                ExecOutput::Stderr(piece) => panic!("{}", String::from_utf8_lossy(&piece)),
            }
        }
        assert_eq!(answer, line.as_bytes());
    }
    assert!(
        bench
            .engine
            .exec_status(&session.id)
            .await
            .expect("answers")
            .running
    );
    session.stdin.shutdown().await.expect("closes stdin");
    assert_eq!(
        drain(&mut session).await,
        (Vec::new(), Vec::new()),
        "EOF ends the program"
    );
    let status = bench
        .engine
        .exec_status(&session.id)
        .await
        .expect("answers");
    assert!(!status.running && status.exit_code == Some(0), "{status:?}");
    bench.engine.remove(&id).await.expect("removes");
}

async fn streams_are_apart_and_the_exit_code_is_known<E: ContainerEngine>(bench: &Bench<E>) {
    let id = started(bench, "a").await;
    let argv = testbox_argv(&["print", "out\u{1}\n", "err\n", "7"]);
    let mut session = bench.engine.exec(&id, &argv).await.expect("execs");
    let (stdout, stderr) = drain(&mut session).await;
    assert_eq!(
        (stdout.as_slice(), stderr.as_slice()),
        (&b"out\x01\n"[..], &b"err\n"[..])
    );
    let status = bench
        .engine
        .exec_status(&session.id)
        .await
        .expect("answers");
    assert!(!status.running && status.exit_code == Some(7), "{status:?}");
    bench.engine.remove(&id).await.expect("removes");
    let gone = bench.engine.exec_status(&session.id).await;
    assert!(
        matches!(gone, Err(EngineError::NotFound { .. })),
        "{gone:?}"
    );
}

async fn a_flood_arrives_whole_with_a_slow_reader<E: ContainerEngine>(bench: &Bench<E>) {
    const BYTES: usize = 8 << 20;
    let id = started(bench, "a").await;
    let argv = testbox_argv(&["flood", &BYTES.to_string()]);
    let mut session = bench.engine.exec(&id, &argv).await.expect("execs");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (stdout, _) = drain(&mut session).await;
    assert_eq!(stdout.len(), BYTES);
    assert!(
        stdout
            .iter()
            .enumerate()
            .all(|(index, byte)| usize::from(*byte) == index % 251)
    );
    bench.engine.remove(&id).await.expect("removes");
}

async fn an_exec_needs_a_running_container<E: ContainerEngine>(bench: &Bench<E>) {
    let id = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect("creates");
    let early = bench
        .engine
        .exec(&id, &testbox_argv(&["wait"]))
        .await
        .expect_err("it does not run");
    assert!(matches!(early, EngineError::Conflict { .. }), "{early:?}");
    bench.engine.remove(&id).await.expect("removes");
    let late = bench
        .engine
        .exec(&id, &testbox_argv(&["wait"]))
        .await
        .expect_err("it is gone");
    assert!(matches!(late, EngineError::NotFound { .. }), "{late:?}");
}

async fn a_missing_program_ends_badly_but_ends<E: ContainerEngine>(bench: &Bench<E>) {
    let id = started(bench, "a").await;
    let argv = ["/absent".to_owned()];
    let mut session = bench
        .engine
        .exec(&id, &argv)
        .await
        .expect("opens all the same");
    let (stdout, stderr) = drain(&mut session).await;
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(said.contains("no such file"), "{said}");
    let status = bench
        .engine
        .exec_status(&session.id)
        .await
        .expect("answers");
    assert!(
        !status.running && status.exit_code.is_some_and(|code| code > 0),
        "{status:?}"
    );
    bench.engine.remove(&id).await.expect("removes");
}

async fn a_removed_container_ends_its_streams<E: ContainerEngine>(bench: &Bench<E>) {
    let id = started(bench, "a").await;
    let mut session = bench
        .engine
        .exec(&id, &testbox_argv(&["echo"]))
        .await
        .expect("execs");
    // An exec that was opened need not have begun: the Engine starts the process after it answers.
    session
        .stdin
        .write_all(b"up\n")
        .await
        .expect("stdin is open");
    session.stdin.flush().await.expect("stdin is open");
    assert!(matches!(
        session.output.next().await,
        Some(Ok(ExecOutput::Stdout(_)))
    ));
    bench
        .engine
        .remove(&id)
        .await
        .expect("removes a running container");
    let end = tokio::time::timeout(Duration::from_secs(10), session.output.next()).await;
    let end = end.expect("the stream ends soon");
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}

async fn volumes_outlive_containers<E: ContainerEngine>(bench: &Bench<E>) {
    let name = format!("{}-cache", bench.key);
    let mut service = bench.service();
    service.mounts.push(ServiceMount {
        source: MountSource::Volume(NamedVolume {
            name: name.clone(),
            labels: [(TEST_LABEL.to_owned(), bench.key.clone())].into(),
        }),
        target: "/cache".to_owned(),
        read_only: false,
    });
    let spec = ContainerSpec::new(&service, &bench.overlay("a")).expect("fits");
    let id = bench.engine.create(&spec).await.expect("creates");
    let in_use = bench.engine.remove_volume(&name).await.expect_err("in use");
    assert!(matches!(in_use, EngineError::Conflict { .. }), "{in_use:?}");
    bench.engine.remove(&id).await.expect("removes");
    let volumes = bench
        .engine
        .list_volumes(&[(TEST_LABEL, &bench.key)])
        .await
        .expect("lists");
    assert_eq!(
        volumes
            .iter()
            .map(|volume| &volume.name)
            .collect::<Vec<_>>(),
        [&name]
    );
    bench.engine.remove_volume(&name).await.expect("removes");
    bench
        .engine
        .remove_volume(&name)
        .await
        .expect("a second removal is fine");
    assert!(
        bench
            .engine
            .list_volumes(&[(TEST_LABEL, &bench.key)])
            .await
            .expect("lists")
            .is_empty()
    );
}

async fn the_end_of_the_log_is_read<E: ContainerEngine>(bench: &Bench<E>) {
    let id = started(bench, "a").await;
    // The Engine copies what PID 1 writes a moment after it was written.
    let mut log = String::new();
    for _ in 0..100 {
        log = bench.engine.logs(&id, 10).await.expect("reads");
        if log.lines().count() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"], "both streams");
    assert_eq!(
        bench
            .engine
            .logs(&id, 1)
            .await
            .expect("reads")
            .lines()
            .count(),
        1
    );
    bench.engine.remove(&id).await.expect("removes");
    assert!(matches!(
        bench.engine.logs(&id, 1).await,
        Err(EngineError::NotFound { .. })
    ));
}
