//! `versions:` of the file: which catalogue a backend is held against.

use std::sync::Arc;

use super::grid::GridReader;
use crate::catalogue::{Catalogue, Catalogues};
use crate::diagnostics::nearest;
use crate::document::Entry;

impl<'a> GridReader<'a> {
    /// The catalogue of a backend at the version that the file asks for. One that is not at hand is told by
    /// [`versions`](Self::versions), and the pinned one stands in: so what it no longer has is told as well.
    pub(super) fn chosen(&mut self, backend: &str) -> Option<&'a Arc<Catalogue>> {
        let asked = self.entries(self.root.find(&["versions"]));
        let version = asked
            .iter()
            .find(|entry| Catalogues::canonical(&entry.key) == Catalogues::canonical(backend))
            .and_then(|entry| entry.node.as_text());
        let at_hand = version.and_then(|version| self.catalogues.at(backend, version));
        at_hand.or_else(|| self.catalogues.get(backend))
    }

    /// Keys of `versions` that are no backend of the file, and versions that are not at hand.
    pub(super) fn versions(&mut self, backends: &[Arc<Catalogue>]) {
        let experiments = self.root.find(&["experiments"]);
        let single = Self::items(experiments)
            .iter()
            .filter_map(|item| item.find(&["backend"])?.as_text())
            .map(Catalogues::canonical);
        let used: Vec<&str> = backends
            .iter()
            .map(|catalogue| catalogue.backend())
            .chain(single)
            .collect();
        for Entry {
            key,
            key_place,
            node,
        } in self.entries(self.root.find(&["versions"]))
        {
            let name = Catalogues::canonical(key);
            if !used.contains(&name) {
                let near = nearest(name, used.iter().copied());
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                let message =
                    format!("the file runs nothing on `{key}`, so its version says nothing");
                self.say(*key_place, message, hint);
                continue;
            }
            let Some(version) = node.as_text() else {
                continue;
            };
            if self.catalogues.at(name, version).is_some() {
                continue;
            }
            let Some(pinned) = self.catalogues.get(name) else {
                continue;
            };
            let here: Vec<&str> = self.catalogues.versions(name).collect();
            let hint = format!(
                "at hand: {}; the parameters were checked against {}, so what it no longer has is told too",
                here.join(", "),
                pinned.version()
            );
            let message = format!("there is no catalogue of {name} {version}");
            self.say(node.place, message, Some(hint));
        }
    }
}
