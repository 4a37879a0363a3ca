//! The catalogues at hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Catalogue, CatalogueError};

/// Other names of backends.
const ALIASES: [(&str, &str); 1] = [("transformers", "pytorch")];

/// One catalogue per backend.
#[derive(Debug, Clone, Default)]
pub struct Catalogues {
    by_backend: BTreeMap<String, Arc<Catalogue>>,
}

impl Catalogues {
    /// Collects catalogues.
    ///
    /// # Errors
    /// Two of them are for the same backend.
    pub fn new(catalogues: impl IntoIterator<Item = Catalogue>) -> Result<Self, CatalogueError> {
        let mut by_backend: BTreeMap<String, Arc<Catalogue>> = BTreeMap::new();
        for catalogue in catalogues {
            if let Some(first) = by_backend.get(catalogue.backend()) {
                return Err(CatalogueError::Duplicate {
                    backend: catalogue.backend().to_owned(),
                    first: first.version().to_owned(),
                    second: catalogue.version().to_owned(),
                });
            }
            by_backend.insert(catalogue.backend().to_owned(), Arc::new(catalogue));
        }
        Ok(Self { by_backend })
    }

    /// The catalogue of a backend, which may be named by its alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Catalogue>> {
        self.by_backend.get(Self::canonical(name))
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

    /// The catalogues, by the backend's name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Catalogue>> {
        self.by_backend.values()
    }
}
