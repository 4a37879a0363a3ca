//! The project's own description of its backends: `.env` and `compose/<backend>.yaml`, read from disk.
//!
//! Knows where they lie and who invokes lemctl; what they mean is `compose`'s.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;

use crate::compose::{self, ComposeFile, ComposeReport, MAX_ENV_BYTES};
use crate::containers::ALLOW_ROOT;
use crate::diagnostics::{Exit, Fault};
use crate::document;
use crate::store::{StoreError, read_bounded};

/// The setting that chooses a variant of the backends' Compose files.
const VARIANT: &str = "LEM_COMPOSE_VARIANT";

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
    /// The variant that the settings ask for is nobody's.
    #[error(
        "LEM_COMPOSE_VARIANT is `{variant}`, but compose/variants holds no file `<backend>.{variant}.yaml`"
    )]
    #[diagnostic(code(project::unknown_variant), help("{fix}"))]
    UnknownVariant {
        /// The name that was asked for.
        variant: String,
        /// The names there are.
        fix: String,
    },
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
            Self::Store(_) | Self::Compose(_) | Self::UnknownVariant { .. } => {
                Exit::EnvironmentNotReady
            }
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
        yaml_stems(&self.root.join("compose"))
    }

    /// The Compose file of a backend, its variables replaced.
    ///
    /// # Errors
    /// If there is none, or it or `.env` cannot be read or used.
    pub fn compose(&self, backend: &str) -> Result<ComposeFile, ProjectError> {
        let path = self.root.join(format!("compose/{backend}.yaml"));
        let known = self.backends()?;
        if !known.iter().any(|name| name == backend) {
            let fix = format!("backends here: {}", known.join(", "));
            return Err(ProjectError::UnknownBackend {
                backend: backend.to_owned(),
                path,
                fix,
            });
        }
        let variables = self.settings()?;
        let variant = variables.get(VARIANT).map_or("", String::as_str);
        let file = self.file_of(backend, variant)?;
        let path = self.root.join(&file);
        let text = read_text(&path, document::MAX_BYTES)?;
        let parsed = compose::parse(file.as_str(), &text, &variables)?;
        Ok(parsed.anchored(path.parent().unwrap_or(&self.root)))
    }

    /// The backend's own file, or its variant: a backend that has none of that name needs none.
    fn file_of(&self, backend: &str, variant: &str) -> Result<Utf8PathBuf, ProjectError> {
        let plain = Utf8PathBuf::from(format!("compose/{backend}.yaml"));
        if variant.is_empty() {
            return Ok(plain);
        }
        let folder = Utf8Path::new("compose/variants");
        let there = yaml_stems(&self.root.join(folder))?;
        if there
            .iter()
            .any(|stem| *stem == format!("{backend}.{variant}"))
        {
            return Ok(folder.join(format!("{backend}.{variant}.yaml")));
        }
        let variants: BTreeSet<&str> = there
            .iter()
            .filter_map(|stem| Some(stem.split_once('.')?.1))
            .collect();
        if variants.contains(variant) {
            return Ok(plain);
        }
        let known: Vec<&str> = variants.into_iter().collect();
        Err(ProjectError::UnknownVariant {
            variant: variant.to_owned(),
            fix: format!("variants here: {} (none: leave it empty)", known.join(", ")),
        })
    }

    /// Whether uid 0 may be a container's user: allowed by name in `.env` or the environment.
    #[must_use]
    pub fn root_is_allowed(&self, env_file: &BTreeMap<String, String>) -> bool {
        self.variables(env_file).get(ALLOW_ROOT).map(String::as_str) == Some("1")
    }

    /// What the settings say, by name: `.env`, and over it the environment.
    ///
    /// # Errors
    /// As [`Project::env_file`].
    pub fn settings(&self) -> Result<BTreeMap<String, String>, ProjectError> {
        Ok(self.variables(&self.env_file()?.unwrap_or_default()))
    }

    fn variables(&self, env_file: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        compose::variables(env_file, self.environment.clone(), self.uid, self.gid)
    }
}

/// Names of the YAML files in a folder, without their ending, in order.
fn yaml_stems(folder: &Utf8Path) -> Result<Vec<String>, StoreError> {
    let entries = folder
        .read_dir_utf8()
        .map_err(StoreError::at("read", folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::at("read", folder))?;
        names.extend(entry.file_name().strip_suffix(".yaml").map(str::to_owned));
    }
    names.sort();
    Ok(names)
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

    /// It is not read first and measured then.
    #[test]
    fn no_more_of_an_env_file_is_read_than_64_kib() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(&folder);
        std::fs::write(project.root.join(".env"), "#".repeat(64 * 1024 + 1)).unwrap();
        let error = project.settings().unwrap_err();
        assert!(matches!(error, ProjectError::Store(_)), "{error:?}");
    }

    #[test]
    fn a_variant_is_chosen_by_the_settings_and_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(&folder);
        let file = |variant: &str| {
            std::fs::write(
                project.root.join(".env"),
                format!("LEM_COMPOSE_VARIANT={variant}\n"),
            )
            .unwrap();
            project.compose("reference").map(|file| file.file)
        };
        let variants = project.root.join("compose/variants");
        std::fs::create_dir(&variants).unwrap();
        let text = "services: {worker: {image: v}}";
        std::fs::write(variants.join("reference.nodes.yaml"), text).unwrap();
        std::fs::write(variants.join("other.odd.yaml"), text).unwrap();
        assert_eq!(file("").unwrap(), "compose/reference.yaml");
        assert_eq!(
            file("nodes").unwrap(),
            "compose/variants/reference.nodes.yaml"
        );
        assert_eq!(
            file("odd").unwrap(),
            "compose/reference.yaml",
            "another backend's"
        );
        let error = file("node").unwrap_err();
        assert_eq!(error.exit(), Exit::EnvironmentNotReady);
        assert!(error.help().unwrap().to_string().contains("nodes, odd"));
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
