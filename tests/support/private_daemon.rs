//! A Docker daemon of a test's own, for tests in which the daemon is the victim: its sockets, data root, exec root
//! and pid file lie in one folder, and it runs in a network and a mount namespace of its own. (A daemon that
//! is started with `--bridge=none` deletes the docker0 of the network namespace that it runs in.)
//!
//! The namespaces are held by a process that only sleeps, so that a daemon that is killed and started again finds
//! its mounts. When the value is dropped, every process of the namespaces and of the containers is killed and the
//! folder removed: with the last process the mounts are gone too. Knows nothing of lemctl.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::session::eventually;

/// How long a daemon may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What must be there to have one.
const PROGRAMS: [&str; 6] = ["dockerd", "docker", "unshare", "nsenter", "setpriv", "ip"];
/// Where shims put their sockets whatever the daemon was told; the namespace has its own.
const SHIMS: &str = "/run/containerd";
/// Makes the namespaces' own places, then only lives.
const HOLD: &str = "mkdir -p /run/containerd && mount -t tmpfs lem-test /run/containerd && ip link set lo up && exec sleep 3600";

/// A daemon.
pub struct PrivateDaemon {
    folder: tempfile::TempDir,
    holder: Child,
    daemon: Option<Child>,
    live_restore: bool,
}

impl PrivateDaemon {
    /// One that answers. None, with the reason said, where it cannot be had.
    pub fn start(live_restore: bool) -> Option<Self> {
        Self::start_on(live_restore, |_| {})
    }

    /// The same; `prepare` gets its data root, an empty folder, before the namespaces are made.
    pub fn start_on(live_restore: bool, prepare: impl FnOnce(&Utf8Path)) -> Option<Self> {
        if let Some(reason) = missing() {
            eprintln!("SKIPPED: {reason}. Nothing was tested against a daemon of our own.");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("daemon.json"), "{}").unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        prepare(Utf8Path::from_path(&data).unwrap());
        let holder = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "--mount",
                "sh",
                "-c",
                HOLD,
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut daemon = Self {
            folder,
            holder,
            daemon: None,
            live_restore,
        };
        let mounts = format!("/proc/{}/mounts", daemon.holder.id());
        eventually("the namespaces", PATIENCE, || {
            std::fs::read_to_string(&mounts)
                .is_ok_and(|text| text.contains(&format!("lem-test {SHIMS} ")))
        });
        daemon.restart();
        Some(daemon)
    }

    /// Starts it, after it ended.
    pub fn restart(&mut self) {
        assert!(self.daemon.is_none(), "it runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "nsenter", "--net", "--mount"])
            .args(["--target", &self.holder.id().to_string()])
            .args(["dockerd", "--bridge", "none", "--iptables=false"])
            .args(["--storage-driver", "vfs"])
            .arg(format!("--config-file={}", self.path("daemon.json")))
            .arg(format!("--host=unix://{}", self.socket()))
            .arg(format!("--data-root={}", self.path("data")))
            .arg(format!("--exec-root={}", self.path("exec")))
            .arg(format!("--pidfile={}", self.path("pid")))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if self.live_restore {
            command.arg("--live-restore");
        }
        let child = self.daemon.insert(command.spawn().unwrap());
        let pid = child.id();
        let socket = self.socket();
        eventually(&format!("an answer of dockerd: {self}"), PATIENCE, || {
            let ended = !Utf8PathBuf::from(format!("/proc/{pid}/exe")).exists();
            assert!(!ended, "dockerd ended: {self}");
            answers(&socket)
        });
        // The user who measures is in no group of this socket.
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    }

    /// Its socket; there also while it does not run.
    pub fn socket(&self) -> Utf8PathBuf {
        self.path("docker.sock")
    }

    /// Sends the daemon a signal; waits for nothing.
    pub fn signal(&self, name: &str) {
        let pid = self.daemon.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success(), "kill -s {name}");
    }

    /// Sends the daemon a signal that ends it, and waits for its end.
    pub fn end(&mut self, signal: &str) {
        self.signal(signal);
        let mut daemon = self.daemon.take().expect("it runs");
        eventually(&format!("the daemon's end by {signal}"), PATIENCE, || {
            daemon.try_wait().unwrap().is_some()
        });
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    /// Ids of the containers that it knows, by its files: it may be dead.
    fn containers(&self) -> Vec<String> {
        let folder = self.path("data/containers");
        let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_owned()).collect()
    }

    /// Processes in the namespaces: daemon, containerd, shims, and who holds them.
    fn processes(&self) -> Vec<u32> {
        let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let ours = namespace(self.holder.id());
        pids()
            .filter(|pid| ours.is_some() && namespace(*pid) == ours)
            .collect()
    }
}

/// The end of its log.
impl std::fmt::Display for PrivateDaemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        f.write_str(&lines[lines.len().saturating_sub(15)..].join("\n"))
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log ends with:\n{self}");
        }
        let containers = self.containers();
        // Those who could start others first: by the time the list is empty nothing can come back.
        for _ in 0..20 {
            let mut alive = self.processes();
            alive.retain(|pid| *pid != self.holder.id());
            alive.extend(containers.iter().flat_map(|id| cgroup_processes(id)));
            if alive.is_empty() {
                break;
            }
            for pid in alive {
                let kill = ["-s", "KILL", &pid.to_string()].map(str::to_owned);
                let _ = Command::new("kill")
                    .args(kill)
                    .stderr(Stdio::null())
                    .status();
            }
            if let Some(daemon) = &mut self.daemon {
                let _ = daemon.try_wait();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.wait();
        }
        for container in containers {
            remove_cgroups(&container);
        }
    }
}

/// Why none can be had here.
fn missing() -> Option<String> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Some("a daemon of our own needs root".to_owned());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let there = |program: &&str| {
        let mut folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
        folders.any(|folder| Utf8Path::new(folder).join(program).exists())
    };
    let absent: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|program| !there(program))
        .collect();
    if !absent.is_empty() {
        return Some(format!("not here: {}", absent.join(", ")));
    }
    let skip = std::env::var_os("LEM_SKIP_DOCKER_TESTS").is_some_and(|value| value == "1");
    if skip {
        return Some("LEM_SKIP_DOCKER_TESTS=1".to_owned());
    }
    // A container without CAP_SYS_ADMIN, for example.
    let tried = Command::new("unshare")
        .args([
            "--net", "--mount", "mount", "-t", "tmpfs", "lem-test", "/mnt",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
    (!tried.status.success()).then(|| format!("namespaces cannot be made: {said}"))
}

fn answers(socket: &Utf8Path) -> bool {
    let answer = Command::new("docker")
        .env("DOCKER_HOST", format!("unix://{socket}"))
        .args(["version", "--format", "{{.Server.Version}}"])
        .output();
    answer.is_ok_and(|answer| answer.status.success())
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn cgroup_processes(container: &str) -> Vec<u32> {
    pids()
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|cgroups| cgroups.contains(container))
        })
        .collect()
}

/// What the runtime would have removed: empty groups of a container, in every hierarchy.
fn remove_cgroups(container: &str) {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten();
    let roots = hierarchies.flatten().map(|entry| entry.path());
    for root in roots.chain(["/sys/fs/cgroup".into()]) {
        for group in [
            root.join("docker").join(container),
            root.join("system.slice")
                .join(format!("docker-{container}.scope")),
        ] {
            let _ = std::fs::remove_dir(group);
        }
    }
}
