//! Bytes of a container made fit to be shown on a terminal: text that is what it looks like. Escape sequences could
//! clear a screen, set a title or answer for the user; directions of writing could make a line read as another.

use std::fmt::Write;

use crate::diagnostics::is_obeyed;

/// Makes a stream of bytes harmless, however it is cut into pieces. Nothing is lost: what may not stand as it is stands
/// as its number, `\x1b`, `\u{202e}`; a carriage return, as of a progress bar, ends a line.
#[derive(Debug, Default)]
pub struct Harmless {
    /// The beginning of a character whose end has not come yet.
    held: Vec<u8>,
    /// The last byte was a carriage return.
    returned: bool,
}

impl Harmless {
    /// The next piece, made harmless.
    pub fn clean(&mut self, bytes: &[u8]) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(bytes);
        let mut clean = String::with_capacity(text.len());
        let mut rest = &text[..];
        while !rest.is_empty() {
            // Most of most logs: a worker must not wait for this.
            let plain = rest.iter().position(|byte| !is_plain(byte));
            let (plain, odd) = rest.split_at(plain.unwrap_or(rest.len()));
            self.plain(plain, &mut clean);
            // A character of several bytes has no plain one among them.
            let odd_bytes = odd.iter().position(is_plain).unwrap_or(odd.len());
            let (odd, after) = odd.split_at(odd_bytes);
            self.odd(odd, after.is_empty(), &mut clean);
            rest = after;
        }
        clean
    }

    fn plain(&mut self, plain: &[u8], clean: &mut String) {
        let Some(first) = plain.first() else { return };
        let skipped = usize::from(self.returned && *first == b'\n');
        self.returned = false;
        clean.push_str(&String::from_utf8_lossy(&plain[skipped..]));
    }

    fn odd(&mut self, odd: &[u8], last: bool, clean: &mut String) {
        let mut chunks = odd.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for c in chunk.valid().chars() {
                self.character(c, clean);
            }
            let invalid = chunk.invalid();
            // Only the last bytes can be the beginning of a character that is still to come.
            if last && chunks.peek().is_none() && is_unfinished(invalid) {
                self.held = invalid.to_vec();
                return;
            }
            for byte in invalid {
                self.returned = false;
                let _ = write!(clean, "\\x{byte:02x}");
            }
        }
    }

    fn character(&mut self, c: char, clean: &mut String) {
        self.returned = c == '\r';
        match c {
            '\r' => clean.push('\n'),
            c if !is_obeyed(c) => clean.push(c),
            c if (c as u32) < 0x80 => {
                let _ = write!(clean, "\\x{:02x}", c as u32);
            }
            c => {
                let _ = write!(clean, "\\u{{{:x}}}", c as u32);
            }
        }
    }
}

/// What stands as it is, in ASCII.
fn is_plain(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t')
}

/// Whether the bytes are the beginning of some character.
fn is_unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(pieces: &[&[u8]]) -> String {
        let mut harmless = Harmless::default();
        pieces.iter().map(|piece| harmless.clean(piece)).collect()
    }

    #[test]
    fn text_stays_and_what_a_terminal_obeys_does_not() {
        assert_eq!(clean(&["grün ✓\t\n".as_bytes()]), "grün ✓\t\n");
        assert_eq!(
            clean(&[b"\x1b[2J\x1b]0;owned\x07 \x7f\0"]),
            "\\x1b[2J\\x1b]0;owned\\x07 \\x7f\\x00"
        );
        assert_eq!(
            clean(&["\u{9b}31m\u{202e}".as_bytes()]),
            "\\u{9b}31m\\u{202e}"
        );
        assert_eq!(clean(&[b"\xff\xfe ok \xe2\x28"]), "\\xff\\xfe ok \\xe2(");
        assert_eq!(
            clean(&[b"10 %\r20 %\r\nend\r", b"\nx"]),
            "10 %\n20 %\nend\nx"
        );
    }

    proptest! {
        #[test]
        fn it_does_not_depend_on_how_the_stream_is_cut(
            bytes in prop::collection::vec(prop::sample::select(vec![b'a', b'\n', b'\r', 0x1b, 0xe2, 0x80, 0xae, 0xff, 0xf0, 0x9f]), 0..60),
            cut in 0usize..60,
        ) {
            let cut = cut.min(bytes.len());
            let (first, second) = bytes.split_at(cut);
            prop_assert_eq!(clean(&[first, second]), clean(&[&bytes]));
            let shown = clean(&[&bytes]);
            prop_assert!(shown.chars().all(|c| c == '\n' || c == '\t' || !is_obeyed(c)));
        }
    }
}
