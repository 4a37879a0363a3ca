//! The catalogues at hand: for each backend one version or several, of which one is pinned.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Catalogue, CatalogueError, PINS};

/// Other names of backends.
const ALIASES: [(&str, &str); 1] = [("transformers", "pytorch")];

/// Catalogues by backend and version.
#[derive(Debug, Clone, Default)]
pub struct Catalogues {
    by_backend: BTreeMap<String, Shelf>,
}

/// The versions of one backend.
#[derive(Debug, Clone)]
struct Shelf {
    used: String,
    versions: BTreeMap<String, Arc<Catalogue>>,
}

impl Catalogues {
    /// Collects catalogues of which each backend has one.
    ///
    /// # Errors
    /// Two of them are for the same backend.
    pub fn new(catalogues: impl IntoIterator<Item = Catalogue>) -> Result<Self, CatalogueError> {
        Self::pinned(catalogues, &BTreeMap::new())
    }

    /// Reads the texts of catalogues by file name, as [`joined`](super::joined) gives them; `pins.json`
    /// says which of several versions is used.
    ///
    /// # Errors
    /// One is no catalogue, or pins and catalogues do not fit.
    pub fn read(texts: &BTreeMap<String, String>) -> Result<Self, CatalogueError> {
        let mut pins = BTreeMap::new();
        let mut catalogues = Vec::new();
        for (name, text) in texts {
            let file = format!("catalogues/{name}");
            if name == PINS {
                pins = serde_json::from_str(text).map_err(|error| CatalogueError::Malformed {
                    file,
                    detail: error.to_string(),
                })?;
            } else {
                catalogues.push(Catalogue::parse(&file, text)?);
            }
        }
        Self::pinned(catalogues, &pins)
    }

    fn pinned(
        catalogues: impl IntoIterator<Item = Catalogue>,
        pins: &BTreeMap<String, String>,
    ) -> Result<Self, CatalogueError> {
        let mut by_backend: BTreeMap<String, Shelf> = BTreeMap::new();
        for catalogue in catalogues {
            let (backend, version) = (
                catalogue.backend().to_owned(),
                catalogue.version().to_owned(),
            );
            let duplicate = |first: &str| CatalogueError::Duplicate {
                backend: backend.clone(),
                first: first.to_owned(),
                second: version.clone(),
            };
            let shelf = by_backend.entry(backend.clone()).or_insert_with(|| Shelf {
                used: pins.get(&backend).unwrap_or(&version).clone(),
                versions: BTreeMap::new(),
            });
            if !pins.contains_key(&backend) && !shelf.versions.is_empty() {
                return Err(duplicate(&shelf.used));
            }
            if shelf.versions.contains_key(&version) {
                return Err(duplicate(&version));
            }
            shelf.versions.insert(version, Arc::new(catalogue));
        }
        for (backend, version) in pins {
            let here = by_backend.get(backend);
            if here.is_none_or(|shelf| !shelf.versions.contains_key(version)) {
                return Err(CatalogueError::Inconsistent {
                    file: format!("catalogues/{PINS}"),
                    detail: format!("it pins {backend} {version}, which has no catalogue here"),
                });
            }
        }
        Ok(Self { by_backend })
    }

    /// The pinned catalogue of a backend, which may be named by its alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Catalogue>> {
        let shelf = self.by_backend.get(Self::canonical(name))?;
        shelf.versions.get(&shelf.used)
    }

    /// The catalogue of a backend at a version.
    #[must_use]
    pub fn at(&self, name: &str, version: &str) -> Option<&Arc<Catalogue>> {
        self.by_backend
            .get(Self::canonical(name))?
            .versions
            .get(version)
    }

    /// The versions of a backend at hand.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &str> {
        let shelf = self.by_backend.get(Self::canonical(name));
        shelf
            .into_iter()
            .flat_map(|shelf| shelf.versions.keys().map(String::as_str))
    }

    /// A backend's own name: `transformers` is `pytorch`.
    #[must_use]
    pub fn canonical(name: &str) -> &str {
        ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map_or(name, |(_, backend)| backend)
    }

    /// The backends, by name.
    pub fn backends(&self) -> impl Iterator<Item = &str> {
        self.by_backend.keys().map(String::as_str)
    }

    /// The pinned catalogues, by the backend's name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Catalogue>> {
        self.by_backend
            .values()
            .filter_map(|shelf| shelf.versions.get(&shelf.used))
    }
}
