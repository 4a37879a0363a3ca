//! SHA-256 of what passes by, and the sum by which git names a file.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// A running sum.
#[derive(Clone, Default)]
pub struct Sum {
    hasher: Sha256,
    bytes: u64,
}

impl Sum {
    /// Takes the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Takes all that can be read.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&mut self, mut from: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => self.add(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The sum in hex.
    pub fn hex(self) -> String {
        hex(&self.hasher.finalize())
    }
}

/// The name that git gives a file of these bytes (hex): SHA-1 over a head with its size, and the bytes.
///
/// # Errors
/// If it cannot be read.
pub fn git_blob(from: impl Read, bytes: u64) -> io::Result<String> {
    use sha1::{Digest as _, Sha1};
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {bytes}\0"));
    let mut rest = from;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// SHA-256 of bytes, raw.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_name_is_what_git_says() {
        // As `git hash-object` gives them.
        for (bytes, name) in [
            ("", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            ("hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
        ] {
            assert_eq!(
                git_blob(bytes.as_bytes(), bytes.len() as u64).unwrap(),
                name
            );
        }
    }

    #[test]
    fn the_sum_is_sha_256() {
        let mut sum = Sum::default();
        sum.add(b"a");
        sum.read(&b"bc"[..]).unwrap();
        assert_eq!(sum.bytes(), 3);
        assert_eq!(
            sum.hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
