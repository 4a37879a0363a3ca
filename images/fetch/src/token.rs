//! The token of a hub: what follows the request on stdin, so that it lies in no file that could stay, or else a file.

use std::io::{BufRead, Read};
use std::path::Path;

use crate::failure::Failure;

/// Longest token, in bytes.
const MAX_BYTES: u64 = 4096;

/// A token; its text goes into a header and nowhere else.
pub struct Token(String);

impl Token {
    /// The line after the request, if there is one that is not empty; else what is in the file at `path`, which may be
    /// absent.
    ///
    /// # Errors
    /// If that holds no token.
    pub fn of(stdin: &mut impl BufRead, path: &Path) -> Result<Option<Self>, Failure> {
        let mut line = Vec::new();
        let wrong = |where_from: &str| {
            let message = format!("{where_from} holds no token");
            Failure::new("bad_request", message)
        };
        stdin
            .take(MAX_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(|_| wrong("the line after the request"))?;
        if !line.trim_ascii().is_empty() {
            return Self::sound(&line)
                .map(Some)
                .ok_or_else(|| wrong("the line after the request"));
        }
        let Ok(file) = std::fs::File::open(path) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|_| wrong("the token's file"))?;
        Self::sound(&bytes)
            .map(Some)
            .ok_or_else(|| wrong("the token's file"))
    }

    /// A text that can stand in a header.
    fn sound(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim();
        let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(text.to_owned()))
    }

    /// The header's value.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stdin: &str, path: &Path) -> Result<Option<String>, &'static str> {
        let token = Token::of(&mut stdin.as_bytes(), path);
        token
            .map(|token| token.map(|token| token.authorization()))
            .map_err(|failure| failure.code)
    }

    #[test]
    fn stdin_wins_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert_eq!(of("", &path), Ok(None));
        std::fs::write(&path, "hf_file\n").unwrap();
        assert_eq!(of("", &path), Ok(Some("Bearer hf_file".to_owned())));
        assert_eq!(of("\n", &path), Ok(Some("Bearer hf_file".to_owned())));
        assert_eq!(
            of("hf_line\n", &path),
            Ok(Some("Bearer hf_line".to_owned()))
        );
        for bad in ["a b\n", "a\u{1b}\n", "é\n"] {
            assert_eq!(of(bad, &path), Err("bad_request"), "{bad:?}");
        }
        std::fs::write(&path, " \n").unwrap();
        assert_eq!(of("", &path), Err("bad_request"));
    }
}
