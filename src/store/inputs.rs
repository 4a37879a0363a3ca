//! Copies of what a campaign was planned from: campaign file, catalogues, prompt files. Each is named
//! by its hash, so that an edited file lies beside the old one and the journal tells which counts.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::{StoreError, is_folder, read_regular, sync_folder, write_durable};
use crate::units::Digest;

/// Largest input that is kept or read, in bytes.
const MAX_INPUT_BYTES: u64 = 256 * 1024 * 1024;

/// The folder of inputs.
#[derive(Debug, Clone)]
pub struct Inputs {
    folder: Utf8PathBuf,
}

impl Inputs {
    /// The inputs in `folder`.
    #[must_use]
    pub fn new(folder: Utf8PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps texts; those that are there already are left alone.
    ///
    /// # Errors
    /// If the folder cannot be made or written.
    pub fn keep<'a>(&self, texts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), StoreError> {
        std::fs::create_dir_all(&self.folder).map_err(StoreError::at("make", &self.folder))?;
        is_folder(&self.folder)?;
        for text in texts {
            let path = self.path(Digest::of(text));
            if !path.exists() {
                write_durable(&path, text)?;
            }
        }
        sync_folder(&self.folder)
    }

    /// Reads the text of hash `digest`.
    ///
    /// # Errors
    /// If it is missing, or no longer hashes to its name.
    pub fn read(&self, digest: Digest) -> Result<String, StoreError> {
        let path = self.path(digest);
        let bytes = read_regular(&path, MAX_INPUT_BYTES)?;
        let altered = |what: &str| StoreError {
            action: "use",
            path: path.clone(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned()),
        };
        if Digest::of(&bytes) != digest {
            return Err(altered(
                "it was altered: its content no longer has the hash in its name",
            ));
        }
        String::from_utf8(bytes).map_err(|_| altered("it is not UTF-8"))
    }

    /// Reads several texts by name.
    ///
    /// # Errors
    /// As [`Inputs::read`].
    pub fn read_all(
        &self,
        digests: &BTreeMap<String, Digest>,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        digests
            .iter()
            .map(|(name, digest)| Ok((name.clone(), self.read(*digest)?)))
            .collect()
    }

    fn path(&self, digest: Digest) -> Utf8PathBuf {
        self.folder.join(digest.to_string())
    }
}

impl AsRef<Utf8Path> for Inputs {
    fn as_ref(&self) -> &Utf8Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_input_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).expect("UTF-8");
        let inputs = Inputs::new(path.clone());
        inputs
            .keep([b"one".as_slice(), b"two".as_slice()])
            .expect("kept");
        let one = Digest::of(b"one");
        assert_eq!(inputs.read(one).expect("read"), "one");
        std::fs::write(path.join(one.to_string()), "One").expect("altered");
        assert!(
            inputs
                .read(one)
                .expect_err("altered")
                .to_string()
                .contains("altered")
        );
        assert!(inputs.read(Digest::of(b"three")).is_err());
    }
}
