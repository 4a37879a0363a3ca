//! Images: who one is, and what one is built from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Who an image is. A reference can move; these do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIdentity {
    /// The reference it was found under.
    pub reference: String,
    /// The Engine's id, `sha256:…`: the config digest, or the manifest digest where
    /// `containerd_store` is set.
    pub id: String,
    /// `repository@sha256:…` entries; empty for an image that never saw a registry.
    pub repo_digests: Vec<String>,
    /// The id names a manifest, since the image lies in containerd's store.
    pub containerd_store: bool,
    /// Storage driver that holds it.
    pub storage_driver: String,
    /// When it was built, RFC 3339, as the image says.
    pub created: Option<String>,
    /// Its size in bytes as the Engine counts it.
    pub size_bytes: u64,
    /// Operating system and architecture, for example `linux/amd64`.
    pub platform: String,
    /// What it runs unless told otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Whom it runs as unless told otherwise; none is root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What an image is built from: everything is in memory, nothing comes from a registry unless the
/// Dockerfile's `FROM` names an image that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBuild {
    /// Reference that the result gets.
    pub reference: String,
    /// Text of the Dockerfile.
    pub dockerfile: String,
    /// The rest of the build context.
    pub files: Vec<BuildFile>,
    /// Labels of the image, on top of those in the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Values of the Dockerfile's ARGs.
    pub arguments: BuildArguments,
}

/// Build arguments by name. Values may hold passwords (an index, a proxy): they are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BuildArguments(pub BTreeMap<String, String>);

impl std::fmt::Debug for BuildArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One file of a build context.
#[derive(Clone, PartialEq, Eq)]
pub struct BuildFile {
    /// Path in the context, relative, without `..`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Runs as a program: mode 0755 instead of 0644.
    pub executable: bool,
}

impl std::fmt::Debug for BuildFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BuildFile({}, {} bytes)", self.path, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value_of_a_build_argument() {
        let values = [("PIP_INDEX_URL", "https://me:s3cret@index.example")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let arguments = BuildArguments(values.into());
        for shown in [format!("{arguments:?}"), format!("{arguments:#?}")] {
            assert!(shown.contains("PIP_INDEX_URL"), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
