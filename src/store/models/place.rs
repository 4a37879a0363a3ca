//! Where in the store a model lies.

use lem_protocol::RANDOM_WEIGHTS;

use crate::units::Digest;

/// A model's place: a path of two or three plain names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    parent: String,
    name: String,
}

impl Place {
    /// Weights drawn by `seed` for the `config.json` with that SHA-256.
    #[must_use]
    pub fn random(config: &str, seed: u64) -> Self {
        let what = serde_json::json!({ "scheme": RANDOM_WEIGHTS, "seed": seed, "config": config });
        Self {
            parent: "random".to_owned(),
            name: Digest::of_canonical(&what).short(16),
        }
    }

    /// Only the `config.json` with that SHA-256.
    #[must_use]
    pub fn dummy(config: &str) -> Self {
        let name = Digest::of(config.as_bytes()).short(16);
        Self {
            parent: "dummy".to_owned(),
            name,
        }
    }

    /// A commit of a hub's repository. None if the id or the commit is no plain name.
    #[must_use]
    pub fn hub(id: &str, commit: &str) -> Option<Self> {
        let plain = |name: &str| {
            (1..=120).contains(&name.len())
                && !name.starts_with(['.', '-'])
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let (owner, name) = id.split_once('/')?;
        (plain(owner) && plain(name) && plain(commit)).then(|| Self {
            parent: format!("hub/{owner}--{name}"),
            name: commit.to_owned(),
        })
    }

    /// The place whose path below the store's root that is; none if it is that of no model.
    pub(super) fn at(path: &camino::Utf8Path) -> Option<Self> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        let plain = |part: camino::Utf8Component<'_>| matches!(part, camino::Utf8Component::Normal(part) if !part.starts_with('.'));
        path.components().all(plain).then(|| Self {
            parent: parent.to_string(),
            name: name.to_owned(),
        })
    }

    /// Its path below the store's root.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.parent, self.name)
    }

    /// The folder that it lies in.
    pub(super) fn parent(&self) -> &str {
        &self.parent
    }

    /// Where it is made, until it is whole.
    pub(super) fn partial(&self) -> String {
        format!("{}/.partial-{}", self.parent, self.name)
    }

    /// What stands for it in names of files and containers.
    #[must_use]
    pub fn key(&self) -> String {
        Digest::of(self.path().as_bytes()).short(16)
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
