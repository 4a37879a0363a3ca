//! The events of the YAML parser → the tree, within bounds.

use serde_saphyr::granit_parser::{Parser, options};

use super::Node;
use super::tree::{Tree, number};
use crate::diagnostics::{Place, Problem};

/// Largest text that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting, aliases expanded.
pub const MAX_DEPTH: usize = 64;
/// Most nodes of a tree, aliases expanded: what a nest of aliases can grow to.
pub const MAX_NODES: usize = 200_000;

/// Most bytes of all texts of a tree together, keys among them, aliases expanded: an alias of three characters can
/// stand for a text of a megabyte.
pub const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;
/// Longest key, in bytes: paths of keys stand in messages.
pub const MAX_KEY_BYTES: usize = 1024;
/// Most problems that are collected; a file with more is not read on.
pub const MAX_PROBLEMS: usize = 1_000;

/// A tree, and what is wrong with the text but could be stepped over.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The tree; nothing for an empty text.
    pub root: Node,
    /// Duplicate keys, numbers out of bounds and the like.
    pub problems: Vec<Problem>,
}

/// Reads one YAML document.
///
/// # Errors
/// The one problem that made reading on pointless: not YAML, too large, too deep, too many nodes.
pub fn read(text: &str) -> Result<Document, Problem> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "the file has {} bytes; at most {MAX_BYTES} are read",
            text.len()
        );
        return Err(Problem::new(Place::START, message));
    }
    let options = options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: 255,
        block_nesting_limit: 255,
    };
    let mut tree = Tree::new(text);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            let marker = error.marker();
            let place = Place {
                line: number(marker.line()),
                column: number(marker.col() + 1),
                width: 1,
            };
            Problem::new(place, format!("not YAML: {}", error.info()))
        })?;
        tree.take(event, span)?;
    }
    Ok(tree.into_document())
}
