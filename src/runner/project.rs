//! The project's own description of its backends: `.env` and `compose/<backend>.yaml`, read from disk.
//!
//! Knows where they lie and who invokes lemctl; what they mean is `compose`'s.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;

use crate::compose::{self, ComposeFile, ComposeReport, MAX_ENV_BYTES};
use crate::containers::ALLOW_ROOT;
use crate::diagnostics::{Exit, Fault};
use crate::document;
use crate::store::{StoreError, read_bounded};

/// A project root, and who works in it.
#[derive(Debug, Clone)]
pub struct Project {
    /// The root: an absolute path.
    pub root: Utf8PathBuf,
    /// Uid of the invoking user.
    pub uid: u32,
    /// Gid of the invoking user.
    pub gid: u32,
    /// The process's environment, which wins over `.env`.
    pub environment: BTreeMap<String, String>,
}

/// Why a backend's description cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ProjectError {
    /// A file could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A file is not what it must be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Compose(#[from] ComposeReport),
    /// There is no Compose file for that backend.
    #[error("there is no backend `{backend}`: {path} does not exist")]
    #[diagnostic(code(project::unknown_backend), help("{fix}"))]
    UnknownBackend {
        /// The name that was asked for.
        backend: String,
        /// Where its file would be.
        path: Utf8PathBuf,
        /// The names there are.
        fix: String,
    },
}

impl Fault for ProjectError {
    fn exit(&self) -> Exit {
        match self {
            Self::UnknownBackend { .. } => Exit::Usage,
            Self::Store(_) | Self::Compose(_) => Exit::EnvironmentNotReady,
        }
    }
}

impl Project {
    /// What stands in `.env`; `None` without one.
    ///
    /// # Errors
    /// If it cannot be read or has lines that it must not have.
    pub fn env_file(&self) -> Result<Option<BTreeMap<String, String>>, ProjectError> {
        match read_text(&self.root.join(".env"), MAX_ENV_BYTES) {
            Ok(text) => Ok(Some(compose::parse_env(".env", &text)?)),
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Names of the backends: the Compose files there are, in order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn backends(&self) -> Result<Vec<String>, StoreError> {
        let folder = self.root.join("compose");
        let entries = folder
            .read_dir_utf8()
            .map_err(StoreError::at("read", &folder))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(StoreError::at("read", &folder))?;
            names.extend(entry.file_name().strip_suffix(".yaml").map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The Compose file of a backend, its variables replaced.
    ///
    /// # Errors
    /// If there is none, or it or `.env` cannot be read or used.
    pub fn compose(&self, backend: &str) -> Result<ComposeFile, ProjectError> {
        let file = format!("compose/{backend}.yaml");
        let path = self.root.join(&file);
        let known = self.backends()?;
        if !known.iter().any(|name| name == backend) {
            let fix = format!("backends here: {}", known.join(", "));
            return Err(ProjectError::UnknownBackend {
                backend: backend.to_owned(),
                path,
                fix,
            });
        }
        let text = read_text(&path, document::MAX_BYTES)?;
        Ok(compose::parse(
            &file,
            &text,
            &self.variables(&self.env_file()?.unwrap_or_default()),
        )?)
    }

    /// Whether uid 0 may be a container's user: allowed by name in `.env` or the environment.
    #[must_use]
    pub fn root_is_allowed(&self, env_file: &BTreeMap<String, String>) -> bool {
        self.variables(env_file).get(ALLOW_ROOT).map(String::as_str) == Some("1")
    }

    fn variables(&self, env_file: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        compose::variables(env_file, self.environment.clone(), self.uid, self.gid)
    }
}

/// A file of at most `limit` bytes, as text.
pub(super) fn read_text(path: &Utf8Path, limit: usize) -> Result<String, StoreError> {
    let bytes = read_bounded(path, limit as u64)?;
    String::from_utf8(bytes).map_err(|_| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8");
        StoreError {
            action: "read",
            path: path.to_owned(),
            source,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(folder: &tempfile::TempDir) -> Project {
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        std::fs::create_dir(root.join("compose")).unwrap();
        let text = "services:\n  worker:\n    image: i\n    user: ${PUID:?run lemctl init}:${PGID:?run lemctl init}\n";
        std::fs::write(root.join("compose/reference.yaml"), text).unwrap();
        std::fs::write(root.join("compose/notes.md"), "").unwrap();
        Project {
            root,
            uid: 7,
            gid: 8,
            environment: BTreeMap::new(),
        }
    }

    #[test]
    fn the_env_file_is_read_and_the_user_fills_in() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(&folder);
        let user = |project: &Project| project.compose("reference").unwrap().worker.user.unwrap();
        assert_eq!(user(&project), "7:8");
        std::fs::write(project.root.join(".env"), "PUID=70\nPGID=80\n").unwrap();
        assert_eq!(user(&project), "70:80");
        let environment = BTreeMap::from([("PUID".to_owned(), "700".to_owned())]);
        assert_eq!(
            user(&Project {
                environment,
                ..project.clone()
            }),
            "700:80"
        );
        std::fs::write(project.root.join(".env"), "PUID='70'\n").unwrap();
        assert!(matches!(
            project.compose("reference"),
            Err(ProjectError::Compose(_))
        ));
    }

    #[test]
    fn an_unknown_backend_is_named_with_those_there_are() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["vllm", "../compose/reference", "notes"] {
            let error = project_once(&folder).compose(name).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage);
            assert!(
                error.help().unwrap().to_string().contains("reference"),
                "{name}"
            );
        }
    }

    fn project_once(folder: &tempfile::TempDir) -> Project {
        let _ = std::fs::remove_dir_all(folder.path().join("compose"));
        project(folder)
    }
}
