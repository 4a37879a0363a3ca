//! The token of a model hub: read from where its own tools look for it, and shown nowhere.

use std::collections::BTreeMap;
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use super::set;
use crate::store::read_bounded;

/// Longest token, in bytes.
const MAX_BYTES: u64 = 4096;

/// A token. Its text never reaches a message, a journal or a container's description.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// From `HF_TOKEN`, or the file that the hub's own tools keep it in.
    #[must_use]
    pub fn of(settings: &BTreeMap<String, String>) -> Option<Self> {
        if let Some(text) = set(settings, "HF_TOKEN") {
            return Self::sound(text);
        }
        let home = || set(settings, "HOME").map(|home| Utf8Path::new(home).join(".cache"));
        let cache = set(settings, "XDG_CACHE_HOME").map(Utf8PathBuf::from);
        let cache = cache.or_else(home).map(|cache| cache.join("huggingface"));
        let own = set(settings, "HF_HOME").map(Utf8PathBuf::from).or(cache);
        let named = set(settings, "HF_TOKEN_PATH").map(Utf8PathBuf::from);
        let path = named.or_else(|| own.map(|folder| folder.join("token")))?;
        let bytes = read_bounded(&path, MAX_BYTES).ok()?;
        Self::sound(std::str::from_utf8(&bytes).ok()?.trim())
    }

    /// A text that can stand in a header.
    fn sound(text: &str) -> Option<Self> {
        let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(text.to_owned()))
    }

    /// As `lem-fetch` reads it, after its request.
    pub(super) fn line(&self) -> Vec<u8> {
        format!("{}\n", self.0).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn it_is_found_where_the_hubs_tools_look_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let own = folder.path().join(".cache/huggingface");
        std::fs::create_dir_all(&own).unwrap();
        assert_eq!(Token::of(&settings(&[("HOME", home)])), None);
        std::fs::write(own.join("token"), "hf_file\n").unwrap();
        let token = |pairs: &[(&str, &str)]| Token::of(&settings(pairs)).map(|token| token.0);
        assert_eq!(token(&[("HOME", home)]).as_deref(), Some("hf_file"));
        let both = [("HOME", home), ("HF_TOKEN", " hf_set ")];
        assert_eq!(token(&both).as_deref(), Some("hf_set"));
        assert_eq!(token(&[("HF_TOKEN", "a\nb")]), None);
        let shown = format!("{:?}", Token::of(&settings(&both)));
        assert!(!shown.contains("hf_set"), "{shown}");
    }
}
