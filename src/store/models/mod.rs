//! The model store: folders of model files, each made whole or not at all, with a description beside the files.
//!
//! `hub/<organisation>--<name>/<commit>/`, `random/<digest>/`, `dummy/<digest>/`. It knows where models lie and whether
//! one is whole; not how one is had.

mod local;
mod lock;
mod place;

use std::ops::ControlFlow;

use camino::{Utf8Path, Utf8PathBuf};
use lem_protocol::{MAX_MODEL_FILES, ModelFile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StoreError, opened, read_regular, sync_folder, write_durable};
use crate::units::Digest;

pub use local::{LocalError, local_files, sums_anew, sums_of};
pub use lock::ModelLock;
pub use place::Place;

/// Name of the description in a model's folder.
pub const MODEL_NOTE_FILE: &str = ".lem-model.json";
/// Version of its layout.
const NOTE_VERSION: u32 = 1;
/// Largest description that is read, in bytes.
const MAX_NOTE_BYTES: u64 = 4 * 1024 * 1024;

/// Which model it is, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    /// `random`, `dummy`, `local` or `hub`.
    pub source: String,
    /// What it is called: a hub's id, a local model's name, a digest of config and seed.
    pub id: String,
    /// The hub's commit; null for others.
    pub revision: Option<String>,
    /// SHA-256 over the canonical JSON of all files' paths, sizes and SHA-256, by path.
    pub weights_sha256: Digest,
}

/// The description of a model in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredModel {
    /// Version of this layout.
    pub schema_version: u32,
    /// Which model it is.
    #[serde(flatten)]
    pub identity: ModelIdentity,
    /// Its files, by path.
    pub files: Vec<ModelFile>,
}

impl StoredModel {
    /// Describes files.
    #[must_use]
    pub fn new(
        source: &str,
        id: &str,
        revision: Option<String>,
        mut files: Vec<ModelFile>,
    ) -> Self {
        files.sort();
        Self {
            schema_version: NOTE_VERSION,
            identity: ModelIdentity {
                source: source.to_owned(),
                id: id.to_owned(),
                revision,
                weights_sha256: Digest::of_canonical(&serde_json::json!(files)),
            },
            files,
        }
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStore {
    root: Utf8PathBuf,
}

/// A model that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundModel {
    /// Its folder.
    pub folder: Utf8PathBuf,
    /// Its description.
    pub model: StoredModel,
}

impl ModelStore {
    /// The store in `root`, which need not be there yet.
    #[must_use]
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Makes its folder: the Engine makes none.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(&self) -> Result<(), StoreError> {
        std::fs::create_dir_all(&self.root).map_err(StoreError::at("make", &self.root))
    }

    /// Where a model is, or would be.
    #[must_use]
    pub fn folder(&self, place: &Place) -> Utf8PathBuf {
        self.root.join(place.path())
    }

    /// The model at a place, if it is whole: every file of the description there with its size. Hashes are
    /// looked at by [`FoundModel::damage`].
    #[must_use]
    pub fn find(&self, place: &Place) -> Option<FoundModel> {
        let found = read_note(&self.folder(place))?;
        found.wrong_sizes().is_empty().then_some(found)
    }

    /// A folder for a model that is not whole yet. What an earlier try left there stays.
    ///
    /// # Errors
    /// If its parent cannot be made.
    pub fn partial(&self, place: &Place) -> Result<String, StoreError> {
        let partial = place.partial();
        let parent = self.root.join(place.parent());
        std::fs::create_dir_all(&parent).map_err(StoreError::at("make", &parent))?;
        Ok(partial)
    }

    /// Turns a partial folder into the model at `place`, durably. The files must be synced already; what the
    /// description says of their sizes is checked.
    ///
    /// # Errors
    /// If a file is not what the description says, or the disk says no.
    pub fn commit(&self, place: &Place, model: StoredModel) -> Result<FoundModel, StoreError> {
        let partial = self.root.join(place.partial());
        let found = FoundModel {
            folder: partial.clone(),
            model,
        };
        if let Some(wrong) = found.wrong_sizes().into_iter().next() {
            let source = std::io::Error::other("its size is not what was said of it");
            return Err(StoreError::at("keep", &partial.join(wrong))(source));
        }
        let note = serde_json::to_vec_pretty(&found.model)
            .map_err(|error| StoreError::at("describe", &partial)(std::io::Error::other(error)))?;
        write_durable(&partial.join(MODEL_NOTE_FILE), &note)?;
        sync_folder(&partial)?;
        let folder = self.folder(place);
        // What stands there was found wanting, or it would have been used.
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::at("remove", &folder)(error));
            }
            _ => {}
        }
        std::fs::rename(&partial, &folder).map_err(StoreError::at("rename", &partial))?;
        sync_folder(&self.root.join(place.parent()))?;
        Ok(FoundModel {
            folder,
            model: found.model,
        })
    }

    /// The model in a folder of the store, as it is described; it need not be whole.
    #[must_use]
    pub fn at(&self, folder: &Utf8Path) -> Option<FoundModel> {
        folder.starts_with(&self.root).then(|| read_note(folder))?
    }

    /// The place of a folder of the store.
    #[must_use]
    pub fn place_of(&self, folder: &Utf8Path) -> Option<Place> {
        Place::at(folder.strip_prefix(&self.root).ok()?)
    }

    /// Removes a model of the store.
    ///
    /// # Errors
    /// If something of it cannot be removed.
    pub fn remove(&self, found: &FoundModel) -> Result<(), StoreError> {
        // Without its description it is none any more, whatever else stays.
        let note = found.folder.join(MODEL_NOTE_FILE);
        std::fs::remove_file(&note).map_err(StoreError::at("remove", &note))?;
        std::fs::remove_dir_all(&found.folder).map_err(StoreError::at("remove", &found.folder))
    }

    /// Everything in it that is described, by folder; and folders of models that never became whole.
    #[must_use]
    pub fn list(&self) -> (Vec<FoundModel>, Vec<Utf8PathBuf>) {
        let (mut models, mut partial) = (Vec::new(), Vec::new());
        let hub = folders(&self.root.join("hub"));
        let kinds = ["random", "dummy"].map(|kind| self.root.join(kind));
        for folder in hub.iter().chain(&kinds).flat_map(|parent| folders(parent)) {
            let hidden = folder.file_name().is_some_and(|name| name.starts_with('.'));
            match read_note(&folder) {
                Some(found) if !hidden => models.push(found),
                _ => partial.push(folder),
            }
        }
        (models, partial)
    }
}

impl FoundModel {
    /// Files that are not there with the size that the description names.
    #[must_use]
    pub fn wrong_sizes(&self) -> Vec<String> {
        let right = |file: &ModelFile| {
            std::fs::symlink_metadata(self.folder.join(&file.path))
                .is_ok_and(|found| found.is_file() && found.len() == file.bytes)
        };
        let wrong = self.model.files.iter().filter(|file| !right(file));
        wrong.map(|file| file.path.clone()).collect()
    }

    /// Files whose bytes are not those of the description: every byte is read. `progress` is told of bytes read; where it
    /// ends the reading, what it did not see counts as damaged.
    #[must_use]
    pub fn damage(&self, progress: &dyn Fn(u64) -> ControlFlow<()>) -> Vec<String> {
        let mut damaged = self.wrong_sizes();
        for file in &self.model.files {
            if damaged.contains(&file.path) {
                continue;
            }
            let read = local::sum_of(&self.folder.join(&file.path), progress);
            if read.map_or(true, |(_, sum)| sum != file.sha256) {
                damaged.push(file.path.clone());
            }
        }
        damaged
    }
}

/// The description in a folder; none that is damaged, too new, or names what no description of ours names.
fn read_note(folder: &Utf8Path) -> Option<FoundModel> {
    let bytes = read_regular(&folder.join(MODEL_NOTE_FILE), MAX_NOTE_BYTES).ok()?;
    let model: StoredModel = serde_json::from_slice(&bytes).ok()?;
    let plain = |file: &ModelFile| is_file_name(&file.path);
    let identity = &model.identity;
    let same = StoredModel::new(
        &identity.source,
        &identity.id,
        identity.revision.clone(),
        model.files.clone(),
    );
    let sound = model.schema_version == NOTE_VERSION
        && model.files.len() <= MAX_MODEL_FILES
        && model.files.iter().all(plain)
        && same == model;
    sound.then(|| FoundModel {
        folder: folder.to_owned(),
        model,
    })
}

/// Whether a name is that of a file in the folder itself.
pub(crate) fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains('/')
        && !name.chars().any(char::is_control)
}

fn folders(parent: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = parent.read_dir_utf8() else {
        return Vec::new();
    };
    let mut found: Vec<Utf8PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(camino::Utf8DirEntry::into_path)
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests;
