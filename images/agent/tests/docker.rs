//! The agent as PID 1 of real containers, FROM scratch and with least privilege. Needs an Engine, the
//! docker command and `make images`.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "docker/refusals.rs"]
mod refusals;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lem_protocol::{
    AGENT_LEASE_PASSED, AGENT_REFUSED, AGENT_STOPPED, ExitRecord, ProbeReport, SweepReport,
};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{chown, getuid};
use tempfile::TempDir;

const SECOND_NS: u64 = 1_000_000_000;

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker")
        .args(arguments)
        .output()
        .expect("the docker command is installed")
}

fn docker_ok(arguments: &[&str]) -> String {
    let output = docker(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec().unsigned_abs() * SECOND_NS + now.tv_nsec().unsigned_abs()
}

/// An image that holds the agent only, and what one container of it is mounted. Removed at the end.
struct Bench {
    name: String,
    folder: TempDir,
    user: String,
}

impl Bench {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "lemt-agent-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = TempDir::new().unwrap();
        let build = folder.path().join("build");
        for name in ["build", "control", "outbox"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::copy(built_agent(), build.join("lem-agent")).unwrap();
        let dockerfile =
            "FROM scratch\nCOPY lem-agent /lem/agent\nENTRYPOINT [\"/lem/agent\",\"init\"]\n";
        fs::write(build.join("Dockerfile"), dockerfile).unwrap();
        docker_ok(&["build", "--quiet", "--tag", &name, build.to_str().unwrap()]);
        // As root, to see another user's; otherwise one's own.
        let uid = if getuid().is_root() {
            12_345
        } else {
            getuid().as_raw()
        };
        if getuid().is_root() {
            chown(
                &folder.path().join("outbox"),
                Some(uid.into()),
                Some(uid.into()),
            )
            .unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            name,
            folder,
            user: format!("{uid}:{uid}"),
        }
    }

    /// Lets the container live for so many seconds from now.
    fn lease(&self, seconds: u64) {
        let control = self.folder.path().join("control");
        fs::write(
            control.join("lease.new"),
            format!("{}\n", monotonic_ns() + seconds * SECOND_NS),
        )
        .unwrap();
        fs::rename(control.join("lease.new"), control.join("lease")).unwrap();
    }

    fn mount(&self, name: &str, target: &str, options: &str) -> [String; 2] {
        let source = self.folder.path().join(name);
        [
            "--mount".into(),
            format!(
                "type=bind,source={},target={target}{options}",
                source.display()
            ),
        ]
    }

    fn mounts(&self) -> Vec<String> {
        [
            self.mount("control", "/run/lem", ",readonly"),
            self.mount("outbox", "/outbox", ""),
        ]
        .concat()
    }

    fn start(&self, user: &str, extra: &[String]) {
        let mut arguments = vec![
            "run",
            "--detach",
            "--name",
            &self.name,
            "--user",
            user,
            "--read-only",
            "--network",
        ];
        arguments.extend([
            "none",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
        ]);
        arguments.extend(extra.iter().map(String::as_str));
        arguments.push(&self.name);
        docker_ok(&arguments);
    }

    /// A container as lemctl makes it, and in it the shell and tools of this machine.
    fn with_tools() -> Self {
        let bench = Self::new();
        bench.lease(120);
        let mut extra = bench.mounts();
        for folder in ["/usr", "/bin", "/lib", "/lib64"] {
            if Path::new(folder).exists() {
                extra.extend(["--volume".into(), format!("{folder}:{folder}:ro")]);
            }
        }
        bench.start(&bench.user, &extra);
        bench
    }

    fn exec(&self, argv: &[&str]) -> Output {
        docker(&[&["exec", &self.name], argv].concat())
    }

    fn shell(&self, script: &str) -> String {
        String::from_utf8(self.exec(&["/bin/sh", "-c", script]).stdout).unwrap()
    }

    fn sweep(&self) -> SweepReport {
        serde_json::from_slice(&self.exec(&["/lem/agent", "sweep"]).stdout).unwrap()
    }

    /// Waits for the container's end: its exit code and its log.
    fn ended(&self) -> (i32, String) {
        let code = docker_ok(&["wait", &self.name]).trim().parse().unwrap();
        (
            code,
            String::from_utf8(docker(&["logs", &self.name]).stderr).unwrap(),
        )
    }

    /// A container that refuses to start, and the one line in which it says why.
    fn refusal(&self, user: &str, extra: &[String]) -> String {
        self.start(user, extra);
        let (code, log) = self.ended();
        docker_ok(&["rm", &self.name]);
        assert_eq!((code, log.lines().count()), (AGENT_REFUSED, 1), "{log}");
        assert!(
            ["found ", "; expected ", "; mend it with: "]
                .iter()
                .all(|part| log.contains(part)),
            "{log}"
        );
        log
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.name]);
        docker(&["rmi", &self.name]);
    }
}

fn built_agent() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/lem-agent");
    assert!(
        path.exists(),
        "{} is missing: run `make images`",
        path.display()
    );
    path
}

#[test]
fn docker_probe_sees_what_was_asked_for() {
    let bench = Bench::with_tools();
    let report: ProbeReport =
        serde_json::from_slice(&bench.exec(&["/lem/agent", "probe"]).stdout).unwrap();
    assert_eq!(format!("{}:{}", report.uid, report.gid), bench.user);
    assert!(report.cap_eff.bytes().all(|digit| digit == b'0') && report.no_new_privs);
    assert!(report.outbox_writable && !report.root_writable);
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(report.boot_id, boot_id.trim_end());
    let now = monotonic_ns();
    assert!(
        report.monotonic_ns.abs_diff(now) < 30 * SECOND_NS,
        "the clock is the host's"
    );
    assert!(report.lease_ns.is_some_and(|lease| lease > now));
}

#[test]
fn docker_no_process_inside_can_end_pid_1_and_orphans_are_reaped() {
    let bench = Bench::with_tools();
    bench.shell("for s in TERM INT HUP QUIT KILL STOP ABRT SEGV USR1; do kill -$s 1; done");
    bench.shell("for i in 1 2 3 4 5; do (sleep 0.1 &) ; done");
    // Ends with the lease if one is never reaped, and the next line with it.
    bench.shell("while grep -qx sleep /proc/[0-9]*/comm; do sleep 0.1; done");
    assert_eq!(
        bench.shell("tr '\\0' ' ' < /proc/1/cmdline").trim(),
        "/lem/agent init"
    );
}

#[test]
fn docker_a_sweep_finds_who_left_the_session() {
    let bench = Bench::with_tools();
    // The first child has left the session before the script ends.
    let script = "session() { cut -d' ' -f6 /proc/$1/stat; }; setsid sleep 1000 & p=$!; sleep 1000 & \
                  while [ \"$(session $p)\" = \"$(session $$)\" ]; do sleep 0.02; done; exit 5";
    let output = bench.exec(&[
        "/lem/agent",
        "exec",
        "--id",
        "w-1",
        "--",
        "/bin/sh",
        "-c",
        script,
    ]);
    assert_eq!(output.status.code(), Some(5));
    let record = fs::read(bench.folder.path().join("outbox/exits/w-1.json")).unwrap();
    let record: ExitRecord = serde_json::from_slice(&record).unwrap();
    assert_eq!(
        (record.exit_code, record.leftovers),
        (Some(5), 1),
        "the one in the session is gone already"
    );
    assert_eq!(bench.sweep(), SweepReport { swept: 1, left: 0 });
    assert_eq!(bench.sweep(), SweepReport { swept: 0, left: 0 });
}

#[test]
fn docker_a_worker_outlives_neither_a_sweep_nor_its_stdin() {
    let bench = Bench::with_tools();
    let start = |id: &str| {
        let argv = [
            "exec",
            "-i",
            &bench.name,
            "/lem/agent",
            "exec",
            "--id",
            id,
            "--",
            "/bin/cat",
        ];
        Command::new("docker")
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut swept = start("w-1");
    while bench
        .shell("cat /proc/[0-9]*/comm")
        .lines()
        .all(|name| name != "cat")
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(
        bench.sweep(),
        SweepReport { swept: 2, left: 0 },
        "the worker and its wrapper"
    );
    assert!(!swept.wait().unwrap().success());
    let mut ended = start("w-2");
    drop(ended.stdin.take());
    assert!(ended.wait().unwrap().success());
    assert!(bench.folder.path().join("outbox/exits/w-2.json").exists());
}

#[test]
fn docker_term_from_outside_ends_everything_at_once() {
    let bench = Bench::with_tools();
    docker_ok(&[
        "exec",
        "--detach",
        &bench.name,
        "/usr/bin/setsid",
        "/bin/sleep",
        "1000",
    ]);
    let start_ns = monotonic_ns();
    docker_ok(&["stop", "--time", "20", &bench.name]);
    assert!(
        monotonic_ns() - start_ns < 10 * SECOND_NS,
        "it did not wait to be killed"
    );
    let (code, log) = bench.ended();
    assert_eq!(code, AGENT_STOPPED);
    assert!(
        log.contains("signal 15 from outside; 1 processes swept, 0 left"),
        "{log}"
    );
}

#[test]
fn docker_a_lease_that_is_not_renewed_ends_everything() {
    let bench = Bench::with_tools();
    docker_ok(&[
        "exec",
        "--detach",
        &bench.name,
        "/usr/bin/setsid",
        "/bin/sleep",
        "1000",
    ]);
    // Renewed past the first one's end, with room for a busy machine, and then no more.
    bench.lease(6);
    std::thread::sleep(Duration::from_secs(1));
    bench.lease(60);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(bench.shell("echo alive"), "alive\n", "renewed");
    bench.lease(1);
    let (code, log) = bench.ended();
    assert_eq!(code, AGENT_LEASE_PASSED);
    assert!(log.contains("1 processes swept, 0 left"), "{log}");
}
