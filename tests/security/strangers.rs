//! A project's folder from a stranger: what its links, pipes and journal name is not read, written or removed elsewhere.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use lemctl::journal::{Lock, replay};
use lemctl::store::{Inputs, is_folder, make_within, read_bounded, read_regular, write_durable};
use lemctl::units::Digest;
use lemctl::worker::LogFile;

use crate::project::Project;

/// A folder, and beside it a file that is nobody's business.
struct Given {
    _scratch: tempfile::TempDir,
    folder: Utf8PathBuf,
    other: Utf8PathBuf,
}

const KEPT: &str = "# mine\n";

impl Given {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        let (folder, other) = (root.join("given"), root.join("other"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("file"), KEPT).unwrap();
        Self {
            folder,
            other,
            _scratch: scratch,
        }
    }

    /// A link of the folder to the file.
    fn link(&self, name: &str) -> Utf8PathBuf {
        let path = self.folder.join(name);
        let _ = std::fs::remove_file(&path);
        symlink(self.other.join("file"), &path).unwrap();
        path
    }

    fn pipe(&self, name: &str) -> Utf8PathBuf {
        let path = self.folder.join(name);
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        path
    }

    #[track_caller]
    fn untouched(&self) {
        let names: Vec<_> = self.other.read_dir_utf8().unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(
            std::fs::read_to_string(self.other.join("file")).unwrap(),
            KEPT
        );
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let given = Given::new();
    given.link(&format!("result.json.{}.0.lem-tmp", std::process::id()));
    given.link("result.json");
    write_durable(&given.folder.join("result.json"), b"new").unwrap();
    assert_eq!(
        std::fs::read(given.folder.join("result.json")).unwrap(),
        b"new"
    );
    given.untouched();

    given.link("s1-w1.log");
    LogFile::create(&given.folder, "s1-w1").unwrap().push(b"x");
    given.untouched();

    given.link("lock");
    assert!(Lock::take(&given.folder).is_err());
    given.untouched();

    symlink(&given.other, given.folder.join("run")).unwrap();
    assert!(make_within(&given.folder, "run/a1".into()).is_err());
    assert!(is_folder(&given.folder.join("run")).is_err());
    assert!(
        Inputs::new(given.folder.join("run"))
            .keep([b"x".as_slice()])
            .is_err()
    );
    given.untouched();
}

/// Each would hang for ever, or read without end.
#[test]
fn no_pipe_and_no_device_is_read() {
    let given = Given::new();
    let pipe = given.pipe("pipe");
    for read in [read_bounded, read_regular] {
        assert!(read(&pipe, 10).is_err());
        assert!(read("/dev/zero".into(), 10).is_err());
    }
    let link = given.link("link");
    assert_eq!(read_bounded(&link, 100).unwrap(), KEPT.as_bytes());
    assert!(
        read_regular(&link, 100).is_err(),
        "what others put there is no link"
    );
    given.pipe("journal.jsonl");
    assert!(replay(&given.folder, |_| Ok(())).is_err());
    std::fs::remove_file(given.folder.join("journal.jsonl")).unwrap();
    given.link("journal.jsonl");
    assert!(replay(&given.folder, |_| Ok(())).is_err());
    let digest = Digest::of(KEPT.as_bytes());
    given.link(&digest.to_string());
    assert!(Inputs::new(given.folder.clone()).read(digest).is_err());
}

/// The command line over files that are none: an error, and no hang.
#[test]
fn a_campaign_that_names_pipes_and_devices_is_refused() {
    let project = Project::without_docker();
    let root = project.root();
    let fifo = root.join("campaigns/pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    std::fs::set_permissions(&fifo, PermissionsExt::from_mode(0o666)).unwrap();
    let text = |file: &str| {
        format!(
            "campaign_name: x\nmodel: {{random: {{seed: 7}}}}\nworkload: {{jsonl: {{file: {file}, output_tokens: 8}}, arrival: batch, measure: {{min_seconds: 1}}}}\n\
             grid: {{backends: [reference], shared: {{vocab_size: 512}}}}\n"
        )
    };
    for file in ["pipe", "/dev/zero"] {
        project.write("campaigns/x.yaml", &text(file));
        let said = project.run(&["campaign", "plan", "campaigns/x.yaml"]);
        assert_eq!(said.code, Some(3), "{file}: {said:#?}");
        assert!(
            said.stderr.contains("not a regular file"),
            "{file}: {said:#?}"
        );
    }
    for name in ["campaigns/pipe", "/dev/zero", "campaigns"] {
        let said = project.run(&["campaign", "plan", name]);
        assert_eq!(said.code, Some(2), "{name}: {said:#?}");
    }
    std::fs::rename(&fifo, root.join("catalogues/pipe.json")).unwrap();
    let said = project.run(&["params", "list", "reference"]);
    assert_eq!(said.code, Some(2), "{said:#?}");
}

/// Names that would leave their folder, or that no file system takes.
#[test]
fn names_in_a_campaign_are_plain() {
    let project = Project::without_docker();
    for name in [
        "../x",
        "/x",
        "a/b",
        ".x",
        "-x",
        "",
        "\"a\\0b\"",
        "\"a\\nb\"",
        &"x".repeat(65),
    ] {
        let text = format!("campaign_name: {name}\nmodel: {{random: {{seed: 7}}}}\n");
        project.write("campaigns/x.yaml", &text);
        let said = project.run(&["campaign", "plan", "campaigns/x.yaml"]);
        assert_eq!(said.code, Some(3), "{name}: {said:#?}");
        assert!(
            name.is_empty()
                || said.stderr.contains("cannot name a campaign")
                || said.stderr.contains("at most 64 are allowed"),
            "{said:#?}"
        );
    }
    for model in [
        "hub: {id: ../../x, revision: main}",
        "hub: {id: a/.., revision: main}",
        "hub: {id: a/b, revision: ../../x}",
    ] {
        let text = format!("campaign_name: x\nmodel: {{{model}}}\n");
        project.write("campaigns/x.yaml", &text);
        let said = project.run(&["campaign", "plan", "campaigns/x.yaml"]);
        assert!(
            said.code == Some(3) && said.stderr.contains("../") || said.stderr.contains("a/.."),
            "{model}: {said:#?}"
        );
    }
    for pull in ["../x", "a/../b", "a/b@../x", "a/.."] {
        let said = project.without_engine(&["models", "pull", pull]);
        assert_ne!(said.code, Some(0), "{pull}");
        assert!(
            said.stderr.contains("neither a campaign file nor"),
            "{pull}: {said:#?}"
        );
    }
}

/// `.lem` as a link, and a campaign whose id is the name of somebody's folder there: `down` removes what is lemctl's.
#[test]
fn docker_down_removes_nothing_beyond_a_link() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let root = project.root();
    // The second is called as lemctl calls campaigns.
    let names = ["letters", "20261124T000001Z-00000a"];
    for name in names {
        project.folder(&format!("documents/{name}"));
        project.write(&format!("documents/{name}/one"), KEPT);
        project.folder(&format!("results/x/{name}"));
    }
    let lem = root.join(".lem");
    if lem.exists() {
        std::fs::remove_dir_all(&lem).unwrap();
    }
    symlink(root.join("documents"), &lem).unwrap();
    project.expect(0, &["campaign", "down", names[0]]);
    let said = project.expect(4, &["campaign", "down", names[1]]);
    assert!(said.stderr.contains("it is a link"), "{said:#?}");
    for name in names {
        let path = root.join(format!("documents/{name}/one"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), KEPT);
    }
}
