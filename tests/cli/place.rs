//! A project in a temporary folder, and the program in it with an environment of its own in which no Docker
//! Engine can be reached.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

/// A project that nothing ran in yet.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a finished program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for file in [
            "compose/reference.yaml",
            "catalogues/reference-0.1.0.json",
            "campaigns/quickstart.yaml",
        ] {
            place.write(file, &source(file));
        }
        // As root, containers must be allowed by name before anything else is looked at.
        place.write(".env", "LEM_ALLOW_ROOT=1\n");
        place
    }

    pub fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn lemctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lemctl"));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            // Whoever debugs has this set: a backtrace still has no place in what users see.
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program, which must end with `code`, and neither panic nor show a backtrace.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Said {
        let said = said(&self.lemctl(arguments).output().unwrap());
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:#?}");
        assert!(
            !said.stderr.contains("panicked") && !said.stderr.contains("backtrace"),
            "{arguments:?}: {said:#?}"
        );
        said
    }

    /// Everything below the root: paths, with the contents of files.
    pub fn contents(&self) -> BTreeMap<Utf8PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                let content = (!path.is_dir()).then(|| std::fs::read(&path).unwrap());
                if content.is_none() {
                    folders.push(path.clone());
                }
                found.insert(path, content);
            }
        }
        found
    }
}

pub fn said(output: &Output) -> Said {
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout.clone()).unwrap(),
        stderr: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// A file of the repository.
pub fn source(file: &str) -> String {
    std::fs::read_to_string(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}
