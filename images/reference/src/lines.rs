//! Lines from an untrusted stream, in bounded memory.

use std::io::{BufRead, Result};

use lem_protocol::MAX_LINE_BYTES;

/// What stood on a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its text, without the newline.
    Text(String),
    /// It was longer than [`MAX_LINE_BYTES`]; it has been skipped.
    TooLong,
    /// It was not UTF-8.
    NotText,
}

/// The next line; `None` at the end of the stream. A last line without its newline counts as cut off,
/// and so as the end.
pub fn next(stream: &mut impl BufRead) -> Result<Option<Line>> {
    let mut bytes = Vec::new();
    let mut too_long = false;
    loop {
        let buffer = stream.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let newline = buffer.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(buffer.len(), |at| at + 1);
        if bytes.len() + taken > MAX_LINE_BYTES {
            too_long = true;
            bytes = Vec::new();
        }
        if !too_long {
            bytes.extend_from_slice(&buffer[..taken]);
        }
        stream.consume(taken);
        if newline.is_none() {
            continue;
        }
        if too_long {
            return Ok(Some(Line::TooLong));
        }
        bytes.pop();
        return Ok(Some(
            String::from_utf8(bytes).map_or(Line::NotText, Line::Text),
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all(bytes: &[u8], buffer: usize) -> Vec<Line> {
        let mut stream = BufReader::with_capacity(buffer, bytes);
        std::iter::from_fn(|| next(&mut stream).unwrap()).collect()
    }

    #[test]
    fn a_bad_line_does_not_take_the_next_one_along() {
        let mut bytes = b"first\n\xff\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 3 * MAX_LINE_BYTES));
        bytes.extend(b"\nlast\ncut off");
        let expected = [
            Line::Text("first".into()),
            Line::NotText,
            Line::TooLong,
            Line::Text("last".into()),
        ];
        for buffer in [1, 7, 8192] {
            assert_eq!(all(&bytes, buffer), expected);
        }
    }

    #[test]
    fn the_limit_counts_the_newline() {
        let mut fits = vec![b'x'; MAX_LINE_BYTES - 1];
        fits.push(b'\n');
        assert!(matches!(all(&fits, 1000)[..], [Line::Text(_)]));
        fits.insert(0, b'x');
        assert_eq!(all(&fits, 1000), [Line::TooLong]);
    }
}
