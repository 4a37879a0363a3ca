//! Where the contract suite meets an engine: an image with the testbox program, folders to mount, and
//! the promise that nothing is left behind.

#![allow(dead_code, reason = "each integration test uses its own part")]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use futures_util::StreamExt;
use lemctl::compose::Service;
use lemctl::containers::{
    BuildFile, ContainerEngine, ContainerSpec, ExecOutput, ExecSession, ImageBuild, Overlay,
};
use lemctl::units::Digest;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::fake_engine::{FakeEngine, Process};

/// Label that marks what a test made.
pub const TEST_LABEL: &str = "org.lemctl.test";
/// Path of the program in the test image.
pub const TESTBOX: &str = "/testbox";

/// An engine with the test image in it, and a place of its own.
pub struct Bench<E> {
    pub engine: E,
    pub image: String,
    pub key: String,
    folder: tempfile::TempDir,
}

impl<E: ContainerEngine> Bench<E> {
    /// `test` names the test: unique among those that run at the same time.
    pub async fn new(engine: E, test: &str) -> Self {
        let key = format!("lemt-cont-{test}-{}", std::process::id());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = Utf8Path::from_path(folder.path()).expect("a path in UTF-8");
        for name in ["control", "outbox"] {
            std::fs::create_dir(root.join(name)).expect("a new folder");
        }
        std::fs::write(root.join("control/passwd"), "lem:x:1000:1000::/tmp:/\n")
            .expect("a new file");
        std::fs::write(root.join("control/group"), "lem:x:1000:\n").expect("a new file");
        // One small image, named by what is in it: built once, and kept as the layer cache would be.
        let image = format!("lemt-cont-testbox:{}", Digest::of(testbox()).short(12));
        let bench = Self {
            engine,
            image,
            key,
            folder,
        };
        let present = bench
            .engine
            .image(&bench.image)
            .await
            .expect("the engine answers");
        if present.is_none() {
            bench
                .engine
                .build(&bench.image_build(), &mut |_| {})
                .await
                .expect("the test image builds");
        }
        bench
    }

    /// How the test image is built.
    pub fn image_build(&self) -> ImageBuild {
        ImageBuild {
            reference: self.image.clone(),
            dockerfile: "FROM scratch\nCOPY testbox /testbox\nCOPY testbox /lem/agent\n".to_owned(),
            files: vec![BuildFile {
                path: "testbox".to_owned(),
                bytes: testbox().to_vec(),
                executable: true,
            }],
            labels: BTreeMap::from([(TEST_LABEL.to_owned(), "image".to_owned())]),
            arguments: Default::default(),
        }
    }

    pub fn folder(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).expect("checked in `new`")
    }

    /// A service that only waits.
    pub fn service(&self) -> Service {
        Service {
            image: self.image.clone(),
            user: Some("1000:1000".to_owned()),
            entrypoint: Some(vec![TESTBOX.to_owned(), "init".to_owned()]),
            network_mode: Some("none".to_owned()),
            ..Service::default()
        }
    }

    pub fn overlay(&self, name: &str) -> Overlay {
        Overlay {
            name: format!("{}-{name}", self.key),
            labels: BTreeMap::from([
                (TEST_LABEL.to_owned(), self.key.clone()),
                ("org.lemctl.test.name".to_owned(), name.to_owned()),
            ]),
            gpus: Vec::new(),
            without_devices: Vec::new(),
            control: self.folder().join("control"),
            outbox: self.folder().join("outbox"),
            model: None,
        }
    }

    pub fn spec(&self, name: &str) -> ContainerSpec {
        ContainerSpec::new(&self.service(), &self.overlay(name)).expect("a spec that fits")
    }

    /// Removes what the test made; says what there was.
    pub async fn clear(&self) -> Vec<String> {
        let left = self
            .engine
            .list(&[(TEST_LABEL, &self.key)])
            .await
            .expect("the engine lists");
        for container in &left {
            self.engine
                .remove(&container.id)
                .await
                .expect("the engine removes");
        }
        for volume in self
            .engine
            .list_volumes(&[(TEST_LABEL, &self.key)])
            .await
            .expect("the engine lists")
        {
            self.engine
                .remove_volume(&volume.name)
                .await
                .expect("the engine removes");
        }
        left.into_iter().map(|container| container.name).collect()
    }
}

/// Arguments for the testbox.
pub fn testbox_argv(arguments: &[&str]) -> Vec<String> {
    std::iter::once(&TESTBOX)
        .chain(arguments)
        .map(|argument| (*argument).to_owned())
        .collect()
}

/// All of a session's output, up to the end of its stream: stdout, stderr.
pub async fn drain(session: &mut ExecSession) -> (Vec<u8>, Vec<u8>) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(piece) = session.output.next().await {
        match piece.expect("the stream holds") {
            ExecOutput::Stdout(bytes) => stdout.extend(bytes),
            ExecOutput::Stderr(bytes) => stderr.extend(bytes),
        }
    }
    (stdout, stderr)
}

/// A fake engine whose containers hold a testbox.
pub fn fake() -> FakeEngine {
    let engine = FakeEngine::new();
    engine.add_program(TESTBOX, fake_testbox);
    engine.add_boot_line("one");
    engine.add_boot_line("two");
    engine
}

/// The testbox, played.
async fn fake_testbox(mut process: Process) -> i64 {
    let arguments: Vec<String> = process.argv[1..].to_vec();
    match arguments[0].as_str() {
        "echo" => {
            let (stdin, output) = (process.stdin, process.output);
            let mut lines = BufReader::new(stdin).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if output
                    .send(ExecOutput::Stdout(format!("{line}\n").into_bytes()))
                    .await
                    .is_err()
                {
                    return 1;
                }
            }
            0
        }
        "print" => {
            process.stdout(arguments[1].as_str()).await;
            process.stderr(arguments[2].as_str()).await;
            arguments[3].parse().expect("an exit code")
        }
        "flood" => {
            let bytes: usize = arguments[1].parse().expect("a number of bytes");
            let all: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
            for piece in all.chunks(32 * 1024) {
                process.stdout(piece).await;
            }
            0
        }
        "wait" => {
            let mut rest = Vec::new();
            let _ = process.stdin.read_to_end(&mut rest).await;
            0
        }
        other => panic!("the fake testbox does not know `{other}`"),
    }
}

/// The program, built once per test binary: static, so that it runs FROM scratch.
pub fn testbox() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("testbox");
        let source = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/testbox.rs");
        let built = Command::new("rustc")
            .args([
                "--edition",
                "2024",
                "-C",
                "opt-level=1",
                "-C",
                "target-feature=+crt-static",
                "-C",
                "strip=symbols",
            ])
            .arg(source)
            .arg("-o")
            .arg(&target)
            .output()
            .expect("rustc runs");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        std::fs::read(target).expect("the built program")
    })
}
