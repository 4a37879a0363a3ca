//! The folders of one campaign under the project root.

use camino::{Utf8Path, Utf8PathBuf};

use super::{StoreError, is_folder, make_within};
use crate::units::Digest;

/// Journals and results of all campaigns, below the project root.
const RESULTS: &str = "results";
/// Manifests of all campaigns.
const MANIFESTS: &str = "manifests";

/// Where one campaign's files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The project root.
    pub root: Utf8PathBuf,
    /// Name of the campaign.
    pub campaign: String,
    /// Its id.
    pub id: String,
}

impl Folders {
    /// Folders of campaign `campaign` with id `id`.
    #[must_use]
    pub fn new(root: &Utf8Path, campaign: &str, id: &str) -> Self {
        Self {
            root: root.to_owned(),
            campaign: campaign.to_owned(),
            id: id.to_owned(),
        }
    }

    /// Journal, inputs, results, logs.
    #[must_use]
    pub fn results(&self) -> Utf8PathBuf {
        self.root.join(RESULTS).join(self.below())
    }

    /// Manifest and SHA256SUMS.
    #[must_use]
    pub fn manifests(&self) -> Utf8PathBuf {
        self.root.join(MANIFESTS).join(self.below())
    }

    /// Makes [`Folders::results`]. The top folder may be a link, as the user laid it; nothing below it.
    ///
    /// # Errors
    /// If one of the folders is a link or a file, or cannot be made.
    pub fn make_results(&self) -> Result<Utf8PathBuf, StoreError> {
        // Said now, not when hours of runs are to be sealed.
        is_folder(&self.root.join(MANIFESTS).join(&self.campaign))?;
        make_within(&self.root.join(RESULTS), &self.below())
    }

    /// The same for [`Folders::manifests`].
    ///
    /// # Errors
    /// If one of the folders is a link or a file, or cannot be made.
    pub fn make_manifests(&self) -> Result<Utf8PathBuf, StoreError> {
        make_within(&self.root.join(MANIFESTS), &self.below())
    }

    fn below(&self) -> Utf8PathBuf {
        Utf8Path::new(&self.campaign).join(&self.id)
    }

    /// What containers mount while the campaign runs; gone when it does not.
    #[must_use]
    pub fn live(&self) -> Utf8PathBuf {
        self.root.join(".lem").join(&self.id)
    }

    /// Copies of what the campaign was planned from.
    #[must_use]
    pub fn inputs(&self) -> Utf8PathBuf {
        self.results().join("inputs")
    }

    /// Logs of workers.
    #[must_use]
    pub fn logs(&self) -> Utf8PathBuf {
        self.results().join("logs")
    }

    /// The project root without its name: first 16 hex digits of its path's SHA-256. Marks containers.
    #[must_use]
    pub fn root_key(&self) -> String {
        Digest::of(self.root.as_str().as_bytes()).short(16)
    }

    /// Whether a name is an id as lemctl gives them: `20261124T033921Z-7f3a2c`. What others name is theirs, and what is
    /// removed by such a name lies nowhere else.
    #[must_use]
    pub fn is_id(name: &str) -> bool {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let parts = name.split_once("Z-").and_then(|(time, random)| {
            let (day, second) = time.split_once('T')?;
            Some((day, second, random))
        });
        parts.is_some_and(|(day, second, random)| {
            (day.len(), second.len(), random.len()) == (8, 6, 6)
                && digits(day)
                && digits(second)
                && random.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// Path of an attempt's folder below [`Folders::results`].
    #[must_use]
    pub fn attempt(run: &str, attempt: u32) -> String {
        format!("{run}/a{attempt}")
    }

    /// Every campaign that has a folder under `root`, oldest first (ids begin with their time).
    ///
    /// # Errors
    /// If the folders cannot be read.
    pub fn all(root: &Utf8Path) -> Result<Vec<Self>, StoreError> {
        Self::under(root, RESULTS)
    }

    /// Every campaign that has a manifest's folder under `root`, oldest first: also those whose results did not come
    /// along, as in a clone.
    ///
    /// # Errors
    /// If the folders cannot be read.
    pub fn sealed(root: &Utf8Path) -> Result<Vec<Self>, StoreError> {
        Self::under(root, MANIFESTS)
    }

    fn under(root: &Utf8Path, top: &str) -> Result<Vec<Self>, StoreError> {
        let mut found = Vec::new();
        for campaign in names(&root.join(top))? {
            for id in names(&root.join(top).join(&campaign))? {
                found.push(Self::new(root, &campaign, &id));
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }
}

/// Names of the folders in `folder`; none if it is not there. Names that are not UTF-8 are not ours.
fn names(folder: &Utf8Path) -> Result<Vec<String>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(StoreError {
                action: "read",
                path: folder.to_owned(),
                source,
            });
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::at("read", folder))?;
        if entry.path().is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_from_what_others_name() {
        assert!(Folders::is_id("20261124T033921Z-7f3a2c"));
        for name in [
            "",
            ".",
            "..",
            "notes",
            "../20261124T033921Z-7f3a2c",
            "20261124T033921Z-7f/3a2c",
            "20261124T033921Z",
            "20261124T033921Z-7f3a2",
            "2026-11-24-7f3a2c",
            "x0261124T033921Z-7f3a2c",
            "gpu-characterise",
            "check-4711",
            "fetch-20261124T0339",
        ] {
            assert!(!Folders::is_id(name), "{name}");
        }
    }
}
