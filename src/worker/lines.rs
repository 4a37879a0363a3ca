//! Cutting a stream of bytes into lines of bounded length.

/// A piece of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line without its newline.
    Line(&'a [u8]),
    /// A line longer than the limit ended; its bytes are gone.
    Overlong {
        /// How long it was.
        bytes: u64,
    },
}

/// The cutter: holds at most one unfinished line of `limit` bytes.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    held: Vec<u8>,
    dropped: u64,
}

impl Lines {
    /// A cutter for lines of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            held: Vec::new(),
            dropped: 0,
        }
    }

    /// Takes the next bytes and hands over every line that they finish.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Piece<'_>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.dropped > 0 || self.held.len() + line.len() > self.limit {
                let bytes = self.dropped + (self.held.len() + line.len()) as u64;
                each(Piece::Overlong { bytes });
            } else if self.held.is_empty() {
                each(Piece::Line(line));
            } else {
                self.held.extend_from_slice(line);
                each(Piece::Line(&self.held));
            }
            self.held.clear();
            self.dropped = 0;
        }
        if self.dropped > 0 || self.held.len() + bytes.len() > self.limit {
            self.dropped += (self.held.len() + bytes.len()) as u64;
            self.held.clear();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(limit: usize, pieces: &[&[u8]]) -> (Vec<Result<Vec<u8>, u64>>, usize) {
        let mut lines = Lines::new(limit);
        let mut out = Vec::new();
        let mut most = 0;
        for piece in pieces {
            lines.push(piece, |piece| {
                out.push(match piece {
                    Piece::Line(line) => Ok(line.to_vec()),
                    Piece::Overlong { bytes } => Err(bytes),
                });
            });
            most = most.max(lines.held.len());
        }
        (out, most)
    }

    #[test]
    fn an_overlong_line_is_counted_and_never_held() {
        let long = [b'x'; 100];
        let (out, most) = cut(8, &[b"ab\n", &long, &long, b"yz\ncd\n"]);
        assert_eq!(out, [Ok(b"ab".to_vec()), Err(202), Ok(b"cd".to_vec())]);
        assert!(most <= 8);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_stream_is_cut(
            text in prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..200),
            cuts in prop::collection::vec(0usize..200, 0..10),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let (out, most) = cut(5, &pieces);
            let whole = text.iter().filter(|byte| **byte == b'\n').count();
            let want: Vec<Result<Vec<u8>, u64>> = text
                .split(|byte| *byte == b'\n')
                .take(whole)
                .map(|line| if line.len() > 5 { Err(line.len() as u64) } else { Ok(line.to_vec()) })
                .collect();
            prop_assert_eq!(out, want);
            prop_assert!(most <= 5);
        }
    }
}
