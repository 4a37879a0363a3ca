//! A container means harm: what it leaves in its outbox is not followed, not believed, and gone afterwards.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;
use lemctl::worker::collect;

use crate::campaign_files::{Files, campaign_text, docker, text};
use crate::project::Project;
use crate::terminal::assert_harmless;

/// A static program of tests/support/.
fn built(source: &str) -> Vec<u8> {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    let build = || {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("program");
        let source = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let mut rustc = Command::new("rustc");
        rustc.args([
            "--edition",
            "2024",
            "-C",
            "opt-level=1",
            "-C",
            "strip=symbols",
        ]);
        rustc.args(["-C", "target-feature=+crt-static"]);
        let said = rustc.arg(source).arg("-o").arg(&target).output().unwrap();
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        std::fs::read(target).unwrap()
    };
    BYTES.get_or_init(build).clone()
}

/// An image with the hostile worker in front of the real one.
pub struct Hostile {
    pub project: Project,
    image: String,
}

impl Hostile {
    pub fn new() -> Option<Self> {
        let project = Project::with_docker()?;
        let image = format!("lemt-hostile-{}:1", std::process::id());
        let root = project.root();
        let compose = std::fs::read_to_string(root.join("compose/reference.yaml")).unwrap();
        project.write(
            "compose/reference.yaml",
            &compose.replace("lemctl/reference:0.1.0", &image),
        );
        let dockerfile = root.join("images/reference/Dockerfile");
        let recipe = std::fs::read_to_string(&dockerfile).unwrap();
        let recipe = recipe.replace(
            "COPY lem-worker /lem/worker",
            "COPY lem-worker /lem/real\nCOPY hostile /lem/worker",
        );
        project.write("images/reference/Dockerfile", &recipe);
        let program = root.join("images/reference/hostile");
        std::fs::write(&program, built("tests/support/hostile_worker.rs")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let user = &project.user;
        std::os::unix::fs::chown(&program, Some(user.uid), Some(user.gid)).unwrap();
        project.expect(0, &["images", "build", "reference", "--quiet"]);
        Some(Self { project, image })
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["image", "rm", "--force", &self.image])
            .output();
    }
}

#[test]
fn docker_a_worker_that_means_harm_fails_and_leaves_nothing() {
    let Some(hostile) = Hostile::new() else {
        return;
    };
    let project = &hostile.project;
    let shared = "hidden_size: [32], batch_size: [1, 2, 3, 4, 5, 6, 7, 8, 9]";
    let campaign = campaign_text("hostile", shared, "cycles: 1", 0.2);
    project.write("campaigns/hostile.yaml", &campaign);
    let up = project.expect(
        5,
        &[
            "campaign",
            "up",
            "campaigns/hostile.yaml",
            "--progress",
            "plain",
        ],
    );
    let files = Files::of(project, "hostile");
    let experiments: BTreeMap<String, String> = files.manifest()["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let size = it["config"]["request"]["batch_size"].to_string();
            (text(&it["id"]), size)
        })
        .collect();
    let mut verdicts = BTreeMap::new();
    for run in files.manifest()["runs"].as_array().unwrap() {
        verdicts.insert(
            experiments[&text(&run["experiment"])].clone(),
            run["verdict"].to_string(),
        );
    }
    for (trick, words) in [
        ("1", "accepted"),
        ("2", "a link"),
        ("3", "a file with 2 names"),
        ("4", "no plain file"),
        ("5", "larger than"),
        ("6", "not a record"),
        ("7", "a link"),
        ("8", "accepted"),
        ("9", "evil"),
    ] {
        let verdict = &verdicts[trick];
        assert!(verdict.contains(words), "trick {trick}: {verdict}");
        let failed = verdict.contains("failed");
        assert_eq!(failed, words != "accepted", "trick {trick}: {verdict}");
    }
    // Nothing of the host came in, nothing of the container's is left, all is the user's and a plain file.
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let first = passwd.lines().next().unwrap();
    assert_eq!(crate::shelf::holding(project, first), Vec::<String>::new());
    assert_eq!(project.foreign(), Vec::<String>::new());
    assert!(!project.root().join(".lem").join(&files.id).exists());
    for path in project
        .paths()
        .iter()
        .filter(|path| path.starts_with("results/"))
    {
        let found = std::fs::symlink_metadata(project.root().join(path)).unwrap();
        assert!(found.is_file() || found.is_dir(), "{path}: {found:?}");
    }
    // What it said drives no terminal, wherever it is shown again.
    assert_harmless("up", &(up.stdout + &up.stderr));
    for arguments in [
        &["campaign", "status", "hostile"][..],
        &["campaign", "status", "hostile", "--format", "json"],
        &["results", "list", "hostile"],
        &["manifest", "show", "hostile"],
        &["manifest", "show", "hostile", "--format", "json"],
    ] {
        let said = project.run(arguments);
        assert_harmless(&arguments.join(" "), &(said.stdout + &said.stderr));
    }
    for log in files.results().join("logs").read_dir_utf8().unwrap() {
        let log = std::fs::read_to_string(log.unwrap().path()).unwrap();
        assert!(log.contains("evil"), "the log holds what was said: {log:?}");
        assert_harmless("a log", &log);
    }
    project.expect(0, &["manifest", "verify", "hostile"]);
    files.assert_nothing_left();
    assert_eq!(
        docker(&[
            "ps",
            "--all",
            "--quiet",
            "--filter",
            &format!("ancestor={}", hostile.image)
        ]),
        ""
    );
}

/// While one thread swaps the record for a link to a secret, and back, the secret never comes in.
#[test]
fn a_record_that_is_swapped_while_it_is_copied_is_never_another_file() {
    let scratch = tempfile::tempdir().unwrap();
    let outbox = Utf8Path::from_path(scratch.path()).unwrap();
    let secret = outbox.join("secret");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::create_dir(outbox.join("a1")).unwrap();
    let (record, fresh) = (outbox.join("a1/record.json"), outbox.join("a1/fresh"));
    let end = AtomicBool::new(false);
    let (mut taken, mut refused, mut leaked) = (0, 0, false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                std::fs::write(&fresh, "{}").unwrap();
                std::fs::rename(&fresh, &record).unwrap();
                std::os::unix::fs::symlink(&secret, &fresh).unwrap();
                std::fs::rename(&fresh, &record).unwrap();
            }
        });
        // A secret ends it too: the other thread must not go on for ever.
        while (taken < 200 || refused < 200) && !leaked {
            match collect(outbox, "a1") {
                Ok(collected) => {
                    leaked = collected.bytes == b"secret";
                    taken += 1;
                }
                Err(_) => refused += 1,
            }
        }
        end.store(true, Ordering::Relaxed);
    });
    assert!(!leaked, "the file that the link names came in");
}

/// A device, and a folder where a file should be.
#[test]
fn what_is_no_file_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let outbox = Utf8Path::from_path(scratch.path()).unwrap();
    std::fs::create_dir_all(outbox.join("a1/record.json")).unwrap();
    let refused = |attempt: &str| collect(outbox, attempt).unwrap_err().to_string();
    assert!(refused("a1").contains("no plain file"), "{}", refused("a1"));
    std::fs::create_dir(outbox.join("a2")).unwrap();
    let device = outbox.join("a2/record.json");
    let made = Command::new("mknod")
        .args([device.as_str(), "c", "1", "5"])
        .status();
    if !made.is_ok_and(|made| made.success()) {
        println!("SKIPPED: making a device needs root");
        return;
    }
    assert!(refused("a2").contains("no plain file"), "{}", refused("a2"));
}
