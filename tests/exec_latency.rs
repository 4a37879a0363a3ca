//! The dispatch path: a JSON line each way over one open exec must cost a fraction of a bare exec.

#[path = "support/engine_bench.rs"]
mod engine_bench;
#[path = "support/fake_engine.rs"]
mod fake_engine;

use std::time::{Duration, Instant};

use engine_bench::{Bench, drain, testbox_argv};
use futures_util::StreamExt;
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{ContainerEngine, ExecOutput};
use tokio::io::AsyncWriteExt;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("Linux has /proc")
        .count()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "this test times the Engine")]
async fn docker_a_line_each_way_is_far_cheaper_than_an_exec() {
    let engine = DockerEngine::connect().await;
    let bench = Bench::new(
        engine.expect("these tests need a Docker Engine: make setup"),
        "latency",
    )
    .await;
    let id = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect("creates");
    bench.engine.start(&id).await.expect("starts");

    let mut execs = Vec::new();
    let mut descriptors = 0;
    for round in 0..20 {
        let begun = Instant::now();
        let mut session = bench
            .engine
            .exec(&id, &testbox_argv(&["print", "x", "", "0"]))
            .await
            .expect("execs");
        drain(&mut session).await;
        bench
            .engine
            .exec_status(&session.id)
            .await
            .expect("answers");
        execs.push(begun.elapsed());
        drop(session);
        match round {
            2 => descriptors = open_descriptors(),
            19 => assert!(
                open_descriptors() <= descriptors + 1,
                "an exec leaves descriptors open: {descriptors} became {}",
                open_descriptors()
            ),
            _ => {}
        }
    }

    let mut session = bench
        .engine
        .exec(&id, &testbox_argv(&["echo"]))
        .await
        .expect("execs");
    let line = format!(
        "{{\"id\":1,\"request\":{{\"type\":\"ping\",\"padding\":\"{}\"}}}}\n",
        "x".repeat(200)
    );
    let mut lines = Vec::new();
    for _ in 0..1000 {
        let begun = Instant::now();
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
                .expect("goes on")
                .expect("holds")
            {
                ExecOutput::Stdout(piece) => answer.extend(piece),
                ExecOutput::Stderr(piece) => panic!("{}", String::from_utf8_lossy(&piece)),
            }
        }
        lines.push(begun.elapsed());
    }
    bench.clear().await;
    // The fastest of each, which other work on the machine does not change.
    let fastest = |times: Vec<Duration>| times.into_iter().min().expect("some");
    let (line, exec) = (fastest(lines), fastest(execs));
    assert!(
        line * 10 < exec,
        "a line each way {line:?}, a whole exec {exec:?}"
    );
}
