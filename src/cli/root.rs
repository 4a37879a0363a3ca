//! The project's folder and the files that every command reads from it.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::CliError;
use crate::campaign::PromptSource;
use crate::catalogue;
use crate::diagnostics::Failure;
use crate::runner::Planned;
use crate::runner::project::Project;
use crate::store::read_bounded;

/// Largest text file of the project that is read, in bytes.
const MAX_TEXT: u64 = 64 * 1024 * 1024;

/// The project's folder.
#[derive(Debug, Clone)]
pub struct Root {
    path: Utf8PathBuf,
}

impl Root {
    /// The folder that was named, or the nearest one upwards from here that looks like a project.
    ///
    /// # Errors
    /// [`CliError::NoProject`].
    pub fn find(named: Option<Utf8PathBuf>) -> Result<Self, CliError> {
        let here = std::env::current_dir()
            .ok()
            .and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
        let here = here.unwrap_or_else(|| Utf8PathBuf::from("."));
        let is_project =
            |path: &Utf8Path| path.join("compose").is_dir() && path.join("catalogues").is_dir();
        match named {
            Some(named) => {
                let path = named.canonicalize_utf8().unwrap_or_else(|_| named.clone());
                if is_project(&path) {
                    Ok(Self { path })
                } else {
                    Err(CliError::NoProject { from: named })
                }
            }
            None => here
                .ancestors()
                .find(|path| is_project(path))
                .map(|path| Self {
                    path: path.to_owned(),
                })
                .ok_or(CliError::NoProject { from: here.clone() }),
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// A path for people: below the root where it is.
    #[must_use]
    pub fn shown(&self, path: &Utf8Path) -> String {
        path.strip_prefix(&self.path).unwrap_or(path).to_string()
    }

    /// Validates and plans a campaign file.
    ///
    /// # Errors
    /// If a file cannot be read, or the campaign is invalid.
    pub fn plan(&self, file: &Utf8Path) -> Result<Planned, Failure> {
        let text = text(
            file,
            "name a campaign file: lemctl campaign plan campaigns/quickstart.yaml",
        )?;
        let folder = file.parent().unwrap_or(Utf8Path::new("")).to_owned();
        Ok(Planned::new(
            file.as_str(),
            &text,
            &self.catalogues()?,
            &Beside(folder),
        )?)
    }

    /// Texts of all catalogues, by file name: pairs joined, with the pins.
    ///
    /// # Errors
    /// If one cannot be read, or has lost its other half.
    pub fn catalogues(&self) -> Result<BTreeMap<String, String>, Failure> {
        let folder = self.path.join("catalogues");
        let unreadable = |reason: std::io::Error| CliError::Unreadable {
            path: folder.clone(),
            reason: reason.to_string(),
            fix: "restore catalogues/ from the repository".to_owned(),
        };
        let mut texts = BTreeMap::new();
        for entry in folder.read_dir_utf8().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.into_path();
            if path.extension() == Some("json") {
                let name = path.file_name().unwrap_or_default().to_owned();
                texts.insert(
                    name,
                    text(&path, "restore catalogues/ from the repository")?,
                );
            }
        }
        Ok(catalogue::joined(texts)?)
    }

    /// The project as the runner sees it: the root, the invoking user and the environment.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line is the edge that reads the environment"
    )]
    pub fn project(&self) -> Project {
        // A variable that is not UTF-8 cannot be meant by a Compose file.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Project {
            root: self.path.clone(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            environment: environment.collect(),
        }
    }
}

/// Reads prompt files beside the campaign file.
struct Beside(Utf8PathBuf);

impl PromptSource for Beside {
    fn read(&self, path: &str) -> Result<String, String> {
        let path = self.0.join(path);
        let bytes = read_bounded(&path, MAX_TEXT).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8"))
    }

    fn folder(&self, path: &str) -> Result<String, String> {
        let path = self.0.join(path);
        let whole = path
            .canonicalize_utf8()
            .map_err(|error| error.to_string())?;
        Ok(whole.into_string())
    }
}

pub(super) fn text(path: &Utf8Path, fix: &str) -> Result<String, CliError> {
    let unreadable = |reason: String| CliError::Unreadable {
        path: path.to_owned(),
        reason,
        fix: fix.to_owned(),
    };
    let bytes =
        read_bounded(path, MAX_TEXT).map_err(|error| unreadable(error.source.to_string()))?;
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))
}

/// The invoking user's supplementary groups.
pub(super) fn groups() -> Vec<u32> {
    let groups = rustix::process::getgroups().unwrap_or_default();
    groups
        .into_iter()
        .map(rustix::process::Gid::as_raw)
        .collect()
}
