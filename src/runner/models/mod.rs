//! The model's files: had before anything is measured, and known to the byte.
//!
//! What has a network is the `fetch` container, never lemctl itself. Used by a campaign's EnsureModel and by
//! `lemctl models pull`.

mod ensure;
mod fetching;
mod hashing;
mod step;
mod token;
mod verify;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::project::{Project, ProjectError};
use super::session::Identity;
use crate::compose::{MountSource, Service};
use crate::store::ModelStore;

pub use ensure::{Ensured, Wanted, Watch, ensure, look};
pub use fetching::Owner;
pub use step::{drift, recorded};
pub use token::Token;
pub use verify::verify;

/// The hub that is asked where nothing else is said.
const HUB: &str = "https://huggingface.co";

/// Where models lie and how they are had.
#[derive(Debug, Clone)]
pub struct Models {
    /// The store.
    pub store: ModelStore,
    /// The service that fetches; none where no backend has one.
    pub fetch: Option<Service>,
    /// Address of the hub.
    pub endpoint: String,
    /// The hub's token, if the user has one.
    pub token: Option<Token>,
    /// The project's folder.
    pub root: Utf8PathBuf,
    /// Whose containers and files.
    pub identity: Identity,
}

impl Models {
    /// As the project's settings and the Compose files of `backends` say.
    ///
    /// # Errors
    /// If one of them cannot be read or used.
    pub fn of(
        project: &Project,
        backends: &[String],
        identity: Identity,
    ) -> Result<Self, ProjectError> {
        let settings = project.settings()?;
        let mut fetch = None;
        for backend in backends {
            fetch = fetch.or(project.compose(backend)?.fetch);
        }
        let folder = fetch.as_ref().and_then(models_folder);
        let folder = folder.unwrap_or_else(|| match set(&settings, "LEM_MODELS") {
            // Compose reads a relative path from its own folder.
            Some(path) => project.root.join("compose").join(path),
            None => project.root.join("models"),
        });
        Ok(Self {
            store: ModelStore::new(folder),
            fetch,
            endpoint: set(&settings, "HF_ENDPOINT").unwrap_or(HUB).to_owned(),
            token: Token::of(&settings),
            root: project.root.clone(),
            identity,
        })
    }

    /// Where sums of the user's own folders are remembered.
    fn memory(&self) -> Utf8PathBuf {
        self.root.join(".lem/model-sums.json")
    }
}

/// A setting that says something.
fn set<'a>(settings: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let value = settings.get(name).map(|value| value.trim());
    value.filter(|value| !value.is_empty())
}

/// The host folder that the service has at [`lem_protocol::MODELS`].
fn models_folder(fetch: &Service) -> Option<Utf8PathBuf> {
    let mount = fetch
        .mounts
        .iter()
        .find(|mount| mount.target == lem_protocol::MODELS)?;
    match &mount.source {
        MountSource::Bind(path) => Some(Utf8Path::new(path).to_owned()),
        MountSource::Volume(_) => None,
    }
}
