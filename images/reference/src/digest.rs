//! SHA-256 in hex, as the protocol names files by it.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// 64 small hex digits.
pub fn of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_known_digest_of_nothing() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(super::of(b""), expected);
    }
}
