//! A project of its own for tests of the program: a copy of what a clone has, owned by a normal user, and
//! lemctl run as that user with a small fixed environment.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

#[path = "said.rs"]
pub mod said;

pub use said::{Said, said};

/// Campaigns compute: under plain `cargo test`, too, one at a time.
static TURN: Mutex<()> = Mutex::new(());
/// Who measures where the tests run as root: checks of owners mean nothing for root.
const NORMAL_USER: u32 = 1000;

/// Who lemctl runs as.
#[derive(Debug, Clone, Copy)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Whether that is somebody else than who runs the tests.
    switched: bool,
}

/// A project in a temporary folder.
pub struct Project {
    folder: tempfile::TempDir,
    pub user: User,
    /// The socket of the Engine that its containers run on, where that is not the host's own.
    engine: Option<Utf8PathBuf>,
    /// The socket that lemctl is told of, where that is another one than the Engine's.
    through: Option<Utf8PathBuf>,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Project {
    /// A project whose image is built. None, said loudly, where Docker tests are skipped.
    pub fn with_docker() -> Option<Self> {
        if std::env::var_os("LEM_SKIP_DOCKER_TESTS").is_some_and(|value| value == "1") {
            eprintln!(
                "SKIPPED: LEM_SKIP_DOCKER_TESTS=1. Nothing was tested against a Docker Engine."
            );
            return None;
        }
        let answer = Command::new("docker")
            .args(["version", "--format", "{{.Server.Version}}"])
            .output();
        let answers = answer.as_ref().is_ok_and(|answer| answer.status.success());
        assert!(
            answers,
            "these tests need a Docker Engine and the docker command: `make setup` installs both, \
             LEM_SKIP_DOCKER_TESTS=1 skips the tests. docker version: {answer:?}"
        );
        Some(Self::built(None))
    }

    /// A project whose image is built on the Engine behind `socket`.
    pub fn on(socket: &Utf8Path) -> Self {
        Self::built(Some(socket.to_owned()))
    }

    fn built(engine: Option<Utf8PathBuf>) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut project = Self::new(Some(turn));
        project.engine = engine;
        project.set_up();
        project
    }

    /// A second project on the same Engine: of user `uid` where the tests run as root, else of the same user.
    pub fn beside(&self, uid: u32) -> Self {
        let mut project = Self::new(None);
        project.engine.clone_from(&self.engine);
        if project.user.switched {
            project.user = User {
                uid,
                gid: uid,
                switched: true,
            };
        }
        project.set_up();
        project
    }

    fn set_up(&self) {
        for file in ["lem-agent", "lem-worker"] {
            let built = Utf8Path::new("images/dist").join(file);
            assert!(
                built.exists(),
                "{built} is not there: `make images` builds it"
            );
            self.copy(built.as_str());
        }
        self.copy("images/reference/Dockerfile");
        self.give_to_user();
        assert_eq!(self.run(&["init"]).code, Some(0));
        let built = self.run(&["images", "build", "reference"]);
        assert_eq!(built.code, Some(0), "{built:?}");
    }

    /// Names the image in the Compose file by its id: whoever builds it anew meanwhile, elsewhere on this Engine, moves
    /// only the tag.
    pub fn pin_image(&self) {
        let asked = ["images", "--quiet", "--no-trunc", "lemctl/reference:0.1.0"];
        let output = self.docker_command().args(asked).output().unwrap();
        let id = String::from_utf8(output.stdout).unwrap();
        let id = id.lines().next().expect("the image was built").to_owned();
        let path = self.root().join("compose/reference.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        self.write(
            "compose/reference.yaml",
            &text.replace("lemctl/reference:0.1.0", &id),
        );
    }

    /// From now on lemctl reaches the Engine through `socket`, or directly.
    pub fn through(&mut self, socket: Option<Utf8PathBuf>) {
        self.through = socket;
    }

    /// A project for what needs no container.
    pub fn without_docker() -> Self {
        let project = Self::new(None);
        project.give_to_user();
        project
    }

    fn new(turn: Option<MutexGuard<'static, ()>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Self {
            folder,
            user: invoking_user(),
            engine: None,
            through: None,
            _turn: turn,
        };
        std::fs::set_permissions(
            project.folder.path(),
            std::fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        // The target folder may be closed to the user who measures.
        let program = project.program();
        if std::fs::hard_link(env!("CARGO_BIN_EXE_lemctl"), &program).is_err() {
            std::fs::copy(env!("CARGO_BIN_EXE_lemctl"), &program).unwrap();
        }
        for file in ["compose/reference.yaml", "catalogues/reference-0.1.0.json"] {
            project.copy(file);
        }
        std::fs::create_dir(project.root().join("campaigns")).unwrap();
        project
    }

    /// Copies a file of the clone.
    pub fn copy(&self, file: &str) {
        self.folder(Utf8Path::new(file).parent().unwrap().as_str());
        let target = self.root().join(file);
        std::fs::copy(
            Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(file),
            &target,
        )
        .unwrap();
        self.give(&target);
    }

    /// Copies a folder of the clone with everything in it.
    pub fn copy_folder(&self, folder: &str) {
        let clone = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
        for path in walk(&clone.join(folder)) {
            if path.is_file() {
                self.copy(path.strip_prefix(clone).unwrap().as_str());
            }
        }
    }

    /// A folder of the project with those above it; they may be there.
    pub fn folder(&self, folder: &str) {
        let mut path = self.root();
        for part in std::iter::once("").chain(Utf8Path::new(folder)) {
            path.push(part);
            if !path.exists() {
                std::fs::create_dir(&path).unwrap();
                self.give(&path);
            }
        }
    }

    /// A file that the test put there belongs to the user.
    pub fn give(&self, path: &Utf8Path) {
        if self.user.switched {
            std::os::unix::fs::lchown(path, Some(self.user.uid), Some(self.user.gid)).unwrap();
        }
    }

    /// Everything under the root belongs to the user.
    fn give_to_user(&self) {
        if self.user.switched {
            for path in walk(&self.root()) {
                self.give(&path);
            }
        }
    }

    fn program(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path())
            .unwrap()
            .join("lemctl")
    }

    /// The project's folder.
    pub fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path())
            .unwrap()
            .join("project")
    }

    /// Writes a file of the project.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        std::fs::write(&path, text).unwrap();
        self.give(&path);
    }

    /// lemctl as the user, in the project, with a small fixed environment.
    pub fn lemctl(&self, arguments: &[&str]) -> Command {
        let User { uid, gid, switched } = self.user;
        let mut command = if switched {
            let group =
                std::fs::metadata("/var/run/docker.sock").map_or(gid, |socket| socket.gid());
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={uid}"))
                .arg(format!("--regid={gid}"));
            command
                .arg(format!("--groups={group}"))
                .arg("--")
                .arg(self.program());
            command
        } else {
            Command::new(self.program())
        };
        command.args(arguments).current_dir(self.root()).env_clear();
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/nonexistent");
        if let Some(socket) = self.through.as_ref().or(self.engine.as_ref()) {
            command.env("DOCKER_HOST", format!("unix://{socket}"));
        } else if let (false, Some(host)) = (switched, std::env::var_os("DOCKER_HOST")) {
            command.env("DOCKER_HOST", host);
        }
        command.stdin(Stdio::null());
        command
    }

    /// The docker command on the Engine of this project's containers.
    pub fn docker_command(&self) -> Command {
        let mut command = Command::new("docker");
        if let Some(socket) = &self.engine {
            command.env("DOCKER_HOST", format!("unix://{socket}"));
        }
        command
    }

    /// Runs lemctl to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        said(self.lemctl(arguments).stdout(Stdio::piped()))
    }

    /// Runs lemctl to its end where no Engine is.
    pub fn without_engine(&self, arguments: &[&str]) -> Said {
        said(
            self.lemctl(arguments)
                .stdout(Stdio::piped())
                .env("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
        )
    }

    /// Runs lemctl to its end, which must be `code`; gives what it printed.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(
            said.code,
            Some(code),
            "lemctl {}: {said:#?}",
            arguments.join(" ")
        );
        said
    }

    /// Paths below the root, sorted, without the root's own.
    pub fn paths(&self) -> Vec<String> {
        let root = self.root();
        let paths = walk(&root).into_iter().skip(1);
        let mut paths: Vec<String> = paths
            .map(|path| path.strip_prefix(&root).unwrap().to_string())
            .collect();
        paths.sort();
        paths
    }

    /// Files and folders below the root that belong to somebody else than the user.
    pub fn foreign(&self) -> Vec<String> {
        let User { uid, gid, .. } = self.user;
        let foreign = |path: &Utf8PathBuf| {
            let found = std::fs::symlink_metadata(path).unwrap();
            (found.uid(), found.gid()) != (uid, gid)
        };
        walk(&self.root())
            .into_iter()
            .filter(foreign)
            .map(String::from)
            .collect()
    }
}

impl Drop for Project {
    /// A failed test leaves no container behind for the next one to stumble over.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let results = self.root().join("results");
        for name in results.read_dir_utf8().into_iter().flatten().flatten() {
            for id in name.path().read_dir_utf8().into_iter().flatten().flatten() {
                let containers = ["reference", "pytorch"]
                    .map(|backend| format!("lem-{}-{backend}", id.file_name()));
                let mut remove = self.docker_command();
                let _ = remove.args(["rm", "--force"]).args(containers).output();
            }
        }
    }
}

fn invoking_user() -> User {
    let own = std::fs::metadata("/proc/self").unwrap();
    if own.uid() == 0 {
        User {
            uid: NORMAL_USER,
            gid: NORMAL_USER,
            switched: true,
        }
    } else {
        User {
            uid: own.uid(),
            gid: own.gid(),
            switched: false,
        }
    }
}

/// `folder` and everything in it.
fn walk(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if std::fs::symlink_metadata(&found[next]).unwrap().is_dir() {
            let entries = found[next].read_dir_utf8().unwrap();
            found.extend(
                entries
                    .map(|entry| entry.unwrap().into_path())
                    .collect::<Vec<_>>(),
            );
        }
        next += 1;
    }
    found
}

/// JSON in a file.
pub fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}: {text}"))
}
