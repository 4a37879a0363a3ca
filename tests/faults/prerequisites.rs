//! Faults 13 and 14: no permission, a volume of root's, a missing bind, an image that is not the one planned.

use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::campaign_files::{Files, campaign_text};
use crate::guarantees;
use crate::project::Project;
use crate::session::Session;
use crate::socket_proxy::SocketProxy;

const FILE: &str = "campaigns/fault.yaml";
const UP: [&str; 3] = ["campaign", "up", FILE];
const COMPOSE: &str = "compose/reference.yaml";

/// A campaign of three runs.
fn begun() -> Option<Project> {
    begun_with(0.3)
}

/// The same with windows of so many seconds: long, where something is taken in one.
fn begun_with(seconds: f64) -> Option<Project> {
    let project = Project::with_docker()?;
    project.pin_image();
    let shared = "hidden_size: [32], batch_size: [1, 2, 3]";
    let text = campaign_text("fault", shared, "cycles: 1", seconds);
    project.write(FILE, &text);
    Some(project)
}

/// The same; the Compose file is changed by `change`.
fn changed(change: impl Fn(String) -> String) -> Option<(Project, String)> {
    let project = begun()?;
    let path = project.root().join(COMPOSE);
    let text = std::fs::read_to_string(path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "nothing was changed");
    project.write(COMPOSE, &changed);
    Some((project, text))
}

fn mode(path: &Utf8Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn finishes(project: &Project) {
    guarantees::finishes_with(project, "fault", 3, &["--retry", "failed"]);
}

#[test]
fn docker_no_permission_on_the_results_folder() {
    let Some(project) = begun() else { return };
    project.folder("results");
    let results = project.root().join("results");
    mode(&results, 0o500);
    let before = project.paths();
    let said = project.expect(4, &UP);
    guarantees::names(&said, &["ermission denied"], &["lemctl check"]);
    assert!(said.stderr.contains("results"), "{said:#?}");
    assert_eq!(project.paths(), before);
    mode(&results, 0o755);
    project.expect(0, &UP);
    finishes(&project);
}

/// Taken away in the middle of a window: the result cannot be stored, so the run is not accepted.
#[test]
fn docker_permission_on_results_lost_in_the_middle() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    let files = Files::of(&project, "fault");
    mode(&files.results(), 0o500);
    let said = session.end();
    mode(&files.results(), 0o755);
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &["ermission denied"], &["lemctl check", "ls -ld"]);
    files.assert_nothing_left();
    finishes(&project);
}

/// The container's only writable place is taken from it while it measures.
#[test]
fn docker_permission_on_the_outbox_lost_in_the_middle() {
    let Some(project) = begun_with(2.0) else {
        return;
    };
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("warm-up");
    let files = Files::of(&project, "fault");
    let outbox = project
        .root()
        .join(".lem")
        .join(&files.id)
        .join("reference/outbox");
    mode(&outbox, 0o500);
    let said = session.end();
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(
        &said,
        &["record_failed", "outbox"],
        &["disk full", "outbox"],
    );
    finishes(&project);
}

#[test]
fn docker_permission_on_the_socket_lost_in_the_middle() {
    let Some(mut project) = begun_with(5.0) else {
        return;
    };
    let proxy = SocketProxy::before(Utf8Path::new("/var/run/docker.sock"));
    project.through(Some(proxy.socket()));
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    // Forbidden to its owner, too: the proxy's is who runs these tests, and lemctl need not be another.
    mode(&proxy.socket(), 0o000);
    let files = Files::of(&project, "fault");
    files.docker(&["kill", &files.container().unwrap()]);
    let said = session.end();
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &["no permission on"], &["usermod -aG"]);
    guarantees::hold(&files);
    mode(&proxy.socket(), 0o666);
    finishes(&project);
}

/// A named volume over a path that the image lacks belongs to root: no other user can write there.
#[test]
fn docker_a_volume_of_roots() {
    let volume = format!("lem-faults-{}", std::process::id());
    let Some((project, _)) = changed(|text| {
        let mounted = text
            .replace(
                "XDG_CACHE_HOME: /tmp/cache",
                "XDG_CACHE_HOME: /cache\n      LEM_BACKEND: reference",
            )
            .replace(
                "    shm_size: 64m",
                &format!("    shm_size: 1g\n    volumes: [\"{volume}:/cache\"]"),
            );
        format!("{mounted}volumes:\n  {volume}:\n    name: {volume}\n")
    }) else {
        return;
    };
    let said = project.expect(5, &UP);
    guarantees::names(
        &said,
        &["agent::cache_not_writable"],
        &["docker volume rm", "chown", "chmod"],
    );
    let files = Files::of(&project, "fault");
    files.assert_nothing_left();
    files.docker(&["volume", "rm", &volume]);
    // The image's own path would have been taken over with its mode; without the volume nothing is in the way.
    let path = project.root().join(COMPOSE);
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replace(
        "XDG_CACHE_HOME: /cache\n      LEM_BACKEND: reference",
        "XDG_CACHE_HOME: /tmp/cache",
    );
    project.write(
        COMPOSE,
        &text.replace(&format!("    volumes: [\"{volume}:/cache\"]\n"), ""),
    );
    finishes(&project);
}

/// The Engine would make a missing folder, as root; asked for a mount it refuses.
#[test]
fn docker_a_missing_bind() {
    let Some((project, _)) = changed(|text| {
        text.replace(
            "    shm_size: 64m",
            "    shm_size: 64m\n    volumes: [\"./data:/data:ro\"]",
        )
    }) else {
        return;
    };
    let data = project.root().join("compose/data");
    let said = project.expect(5, &UP);
    guarantees::names(
        &said,
        &["bind source path does not exist"],
        &["campaign status"],
    );
    assert!(said.stderr.contains(data.as_str()), "{said:#?}");
    assert!(!data.exists(), "somebody made {data}");
    Files::of(&project, "fault").assert_nothing_left();
    project.folder("compose/data");
    finishes(&project);
}

/// What the Compose file names.
fn image_of(project: &Project) -> String {
    let text = std::fs::read_to_string(project.root().join(COMPOSE)).unwrap();
    let mut lines = text.lines().map(str::trim);
    let named = lines.find_map(|line| line.strip_prefix("image: "));
    named.expect("a service has an image").to_owned()
}

/// An image of a test's own under a name of its own; the name is removed at the end.
struct Image<'a> {
    project: &'a Project,
    name: String,
    /// Id of the image that is planned with.
    right: String,
}

impl<'a> Image<'a> {
    fn of(project: &'a Project, test: &str) -> Self {
        let name = format!("lem-faults-{test}:{}", std::process::id());
        let right = image_of(project);
        let image = Self {
            project,
            name,
            right,
        };
        let compose = project.root().join(COMPOSE);
        let text = std::fs::read_to_string(compose).unwrap();
        project.write(COMPOSE, &text.replace(&image.right, &image.name));
        image.back();
        image.make_other();
        image
    }

    fn docker(&self, arguments: &[&str]) {
        let done = self.project.docker_command().args(arguments).output();
        assert!(done.as_ref().unwrap().status.success(), "{done:?}");
    }

    /// The name is that of the image that was planned with.
    fn back(&self) {
        self.docker(&["tag", &self.right, &self.name]);
    }

    /// The name is another image's, which differs by a label.
    fn moves(&self) {
        self.docker(&["tag", &self.other(), &self.name]);
    }

    fn other(&self) -> String {
        format!("{}-other", self.name)
    }

    /// Builds the other image.
    fn make_other(&self) {
        let folder: Utf8PathBuf = self.project.root().join("moved");
        self.project.folder("moved");
        let text = format!("FROM {}\nLABEL moved={}\n", self.right, self.name);
        self.project.write("moved/Dockerfile", &text);
        let other = self.other();
        self.docker(&["build", "--quiet", "--tag", &other, folder.as_str()]);
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        let mut remove = self.project.docker_command();
        let names = [self.name.clone(), self.other()];
        let _ = remove.args(["rmi", "--force"]).args(names).output();
    }
}

/// The tag is moved while the session runs, and then its container is needed anew: nothing is measured in the other.
#[test]
fn docker_image_tag_moved_in_the_middle() {
    let Some(project) = begun_with(1.5) else {
        return;
    };
    let image = Image::of(&project, "middle");
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    image.moves();
    let files = Files::of(&project, "fault");
    files.docker(&["kill", &files.container().unwrap()]);
    let said = session.end();
    assert!(matches!(said.code, Some(4 | 5)), "{said:#?}");
    guarantees::names(
        &said,
        &["image_moved"],
        &["do not build images while a campaign runs"],
    );
    files.assert_nothing_left();
    guarantees::hold(&files);
    image.back();
    finishes(&project);
}

/// Between two sessions: `resume` refuses, names the image, and writes nothing; with the old one it goes on.
#[test]
fn docker_image_tag_moved_between_sessions() {
    let Some(project) = begun() else { return };
    let image = Image::of(&project, "between");
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.signal("INT");
    assert_eq!(session.end().code, Some(130));
    image.moves();
    let journal = Files::of(&project, "fault").results().join("journal.jsonl");
    let before = std::fs::read(&journal).unwrap();
    let said = project.expect(7, &["campaign", "resume", "fault"]);
    guarantees::names(&said, &["image"], &["--accept-environment"]);
    assert_eq!(std::fs::read(&journal).unwrap(), before);
    image.back();
    finishes(&project);
}

/// A digest that no image here has: neither tag nor name makes up for it, and nothing is written.
#[test]
fn docker_wrong_digest_in_the_compose_file() {
    let digest = "0".repeat(64);
    for wrong in ["lemctl/reference", "lemctl/reference:0.1.0"] {
        let wrong = format!("{wrong}@sha256:{digest}");
        let Some((project, right)) = changed(|text| {
            let mut lines = text.lines().map(str::trim);
            let named = lines.find_map(|line| line.strip_prefix("image: "));
            text.replace(named.unwrap_or_default(), &wrong)
        }) else {
            return;
        };
        let before = project.paths();
        let said = project.expect(4, &UP);
        guarantees::names(&said, &["is not on this machine"], &["lemctl images build"]);
        assert!(said.stderr.contains(&wrong), "{said:#?}");
        assert_eq!(project.paths(), before);
        project.write(COMPOSE, &right);
        project.expect(0, &["campaign", "plan", FILE]);
    }
}
