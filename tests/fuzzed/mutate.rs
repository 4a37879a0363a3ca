//! Mutations of an input: what a fuzzer does blindly, and what mistakes and malice do on purpose.

use proptest::prelude::*;
use proptest::sample::Index;

/// Pieces that mean something to some reader.
const PIECES: [&[u8]; 40] = [
    b"",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[[[[[[[[[",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"-1e308",
    b"0.1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"4294967295",
    b"NaN",
    b"..",
    b"../../x",
    b"/etc/passwd",
    b"${A:-${B}}",
    b"*a",
    b"&a ",
    b"<<: ",
    b"!!python ",
];

/// One mutation.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Some bytes become a piece.
    Piece(Index, usize, Index),
    /// A bit is flipped.
    Bit(Index, u8),
    /// A number becomes another one.
    Number(Index, u64),
    /// It ends here.
    Cut(Index),
    /// A line is said twice, or swapped with another.
    Repeat(Index),
    Swap(Index, Index),
    /// From here on it is another input.
    Cross(Index, Index),
}

pub fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 0..24_usize, at()).prop_map(|(from, length, piece)| Edit::Piece(from, length, piece)),
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Edit::Bit(at, bit)),
        4 => (at(), number()).prop_map(|(at, number)| Edit::Number(at, number)),
        1 => at().prop_map(Edit::Cut),
        2 => at().prop_map(Edit::Repeat),
        2 => (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => (at(), at()).prop_map(|(one, other)| Edit::Cross(one, other)),
    ]
}

/// A number that is likely to be at an edge.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4_u64,
        (0..64_u32).prop_map(|bit| 1 << bit),
        (0..64_u32).prop_map(|bit| (1_u64 << bit).wrapping_sub(1)),
        any::<u64>(),
        Just(u64::MAX),
    ]
}

/// `first` after all edits.
pub fn mutated(first: &[u8], second: &[u8], edits: &[Edit]) -> Vec<u8> {
    edits
        .iter()
        .fold(first.to_vec(), |bytes, edit| one(bytes, second, edit))
}

fn one(mut bytes: Vec<u8>, other: &[u8], edit: &Edit) -> Vec<u8> {
    if bytes.is_empty() {
        return other.to_vec();
    }
    let length = bytes.len();
    match edit {
        Edit::Piece(at, take, piece) => {
            let from = at.index(length);
            let to = (from + take).min(length);
            bytes.splice(from..to, piece.get(&PIECES).iter().copied());
        }
        Edit::Bit(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Edit::Number(at, number) => {
            let digit = |at: &usize| bytes[*at].is_ascii_digit();
            let digits: Vec<usize> = (0..length).filter(digit).collect();
            if digits.is_empty() {
                return bytes;
            }
            let from = *at.get(&digits);
            let to = (from..length)
                .find(|at| !bytes[*at].is_ascii_digit())
                .unwrap_or(length);
            bytes.splice(from..to, number.to_string().into_bytes());
        }
        Edit::Cut(at) => bytes.truncate(at.index(length)),
        Edit::Repeat(at) => {
            let mut lines = lines(&bytes);
            let line = at.index(lines.len());
            lines.insert(line, lines[line].clone());
            bytes = lines.concat();
        }
        Edit::Swap(one, other) => {
            let mut lines = lines(&bytes);
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
            bytes = lines.concat();
        }
        Edit::Cross(at, from) => {
            bytes.truncate(at.index(length));
            if !other.is_empty() {
                bytes.extend_from_slice(&other[from.index(other.len())..]);
            }
        }
    }
    bytes
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}
