//! Processes in containers: what crosses their streams.

use std::time::Duration;

use futures_util::StreamExt;
use lemctl::containers::{ContainerEngine, EngineError, ExecOutput};
use tokio::io::AsyncWriteExt;

use crate::engine_bench::{Bench, drain, testbox_argv};
use crate::started;

pub async fn one_line_each_way<E: ContainerEngine>(bench: &Bench<E>) {
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

pub async fn streams_are_apart_and_the_exit_code_is_known<E: ContainerEngine>(bench: &Bench<E>) {
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

pub async fn a_flood_arrives_whole_with_a_slow_reader<E: ContainerEngine>(bench: &Bench<E>) {
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

pub async fn an_exec_needs_a_running_container<E: ContainerEngine>(bench: &Bench<E>) {
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

pub async fn a_missing_program_ends_badly_but_ends<E: ContainerEngine>(bench: &Bench<E>) {
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

pub async fn a_removed_container_ends_its_streams<E: ContainerEngine>(bench: &Bench<E>) {
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

pub async fn the_end_of_the_log_is_read<E: ContainerEngine>(bench: &Bench<E>) {
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

pub async fn what_befell_a_container_is_told<E: ContainerEngine>(bench: &Bench<E>) {
    let since = now();
    let id = started(bench, "a").await;
    let other = started(bench, "b").await;
    let mut session = bench
        .engine
        .exec(&id, &testbox_argv(&["wait"]))
        .await
        .expect("execs");
    let told = bench.engine.happened(&id, since, now()).await;
    let told = told.expect("the Engine tells");
    let of_it: Vec<_> = told
        .iter()
        .filter(|seen| seen.exec.as_deref() == Some(&*session.id) && seen.disturbs())
        .collect();
    assert_eq!(of_it.len(), 1, "{told:?}");
    assert_eq!(of_it[0].action, "exec_start");
    assert!(of_it[0].detail.contains("wait"), "{of_it:?}");
    // Neither what came later, nor what befell another container.
    let before = bench.engine.happened(&id, since, since).await;
    assert_eq!(before.expect("the Engine tells"), []);
    let others = bench.engine.happened(&other, since, now()).await;
    let others = others.expect("the Engine tells");
    assert!(others.iter().all(|seen| seen.exec.is_none()), "{others:?}");
    // Who runs in it now.
    let running =
        |state: Option<lemctl::containers::ContainerState>| state.expect("is there").execs;
    let state = bench.engine.inspect(&id).await.expect("answers");
    assert_eq!(running(state), [session.id.clone()]);
    session.stdin.shutdown().await.expect("closes stdin");
    drain(&mut session).await;
    for container in [&id, &other] {
        bench.engine.remove(container).await.expect("removes");
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the Engine's own clock is this machine's"
)]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}
