//! Events → nodes: anchors, aliases, merges and duplicate keys, within bounds.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, ScalarStyle, Span};

use super::{
    Document, Entry, MAX_DEPTH, MAX_KEY_BYTES, MAX_NODES, MAX_PROBLEMS, MAX_TEXT_BYTES, Map, Node,
    Value, scalar,
};
use crate::diagnostics::{Place, Problem};

/// A collection whose end has not come yet.
struct Open {
    anchor: usize,
    place: Place,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map {
        map: Map,
        lines: HashMap<String, u32>,
        merged: Vec<Map>,
        key: Option<(Option<String>, Place)>,
    },
}

/// How large a tree is.
#[derive(Debug, Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
    /// Of its texts and keys.
    bytes: usize,
}

pub(super) struct Tree<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    /// Finished anchored nodes.
    anchors: HashMap<usize, (Node, Size)>,
    nodes: usize,
    bytes: usize,
    open: Vec<Open>,
    root: Option<Node>,
}

impl<'a> Tree<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            problems: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
            open: Vec::new(),
            root: None,
        }
    }

    pub fn into_document(self) -> Document {
        let root = self.root.unwrap_or(Node {
            value: Value::Null,
            place: Place::START,
        });
        Document {
            root,
            problems: self.problems,
        }
    }

    pub fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let place = self.place(span);
        if self.problems.len() >= MAX_PROBLEMS {
            let message = format!("more than {MAX_PROBLEMS} problems: the rest is not read");
            return Err(Problem::new(place, message));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, text.len(), place)?;
                let tag = tag
                    .as_deref()
                    .map(|tag| tag.core_suffix().unwrap_or("?").to_owned());
                let value = match (tag.as_deref(), style) {
                    (Some("str"), _) => Ok(Value::Text(text.into_owned())),
                    (Some(_), _) => Err("tags are not supported".to_owned()),
                    (None, ScalarStyle::Plain) => scalar::resolve(&text),
                    (None, _) => Ok(Value::Text(text.into_owned())),
                };
                let value = value.unwrap_or_else(|message| {
                    self.problems.push(Problem::new(place, message));
                    Value::Null
                });
                self.finish(Node { value, place }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(
                    tag.is_some_and(|tag| tag.core_suffix() != Some("seq")),
                    place,
                );
                self.begin(Open {
                    anchor,
                    place,
                    kind: OpenKind::List(Vec::new()),
                })
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(
                    tag.is_some_and(|tag| tag.core_suffix() != Some("map")),
                    place,
                );
                let kind = OpenKind::Map {
                    map: Map::default(),
                    lines: HashMap::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.begin(Open {
                    anchor,
                    place,
                    kind,
                })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open {
                    anchor,
                    place,
                    kind,
                }) = self.open.pop()
                else {
                    return Ok(());
                };
                let value = match kind {
                    OpenKind::List(items) => Value::List(items),
                    OpenKind::Map {
                        map, lines, merged, ..
                    } => Value::Map(merge(map, lines, merged)),
                };
                self.finish(Node { value, place }, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Problem::new(
                        place,
                        "an alias stands inside of what it names",
                    ));
                };
                let (anchored, size) = (node, *size);
                // Counted before it is copied.
                self.nodes = self.nodes.saturating_add(size.nodes);
                self.bytes = self.bytes.saturating_add(size.bytes);
                within(self.nodes, self.bytes, place)?;
                if self.open.len() + size.depth > MAX_DEPTH {
                    return Err(too_deep(place));
                }
                let value = anchored.value.clone();
                self.finish(Node { value, place }, 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Problem::new(place, "a second document begins here")
                    .hint("a file holds one document: remove `---`"))
            }
            _ => Ok(()),
        }
    }

    /// Where a span begins, and how much of its first line it covers.
    fn place(&self, span: Span) -> Place {
        let covered = span
            .slice(self.text)
            .and_then(|slice| slice.lines().next())
            .map_or(1, |line| line.trim_end().chars().count());
        Place {
            line: number(span.start.line()),
            column: number(span.start.col() + 1),
            width: number(covered.max(1)),
        }
    }

    fn refuse_tag(&mut self, foreign: bool, place: Place) {
        if foreign {
            self.problems
                .push(Problem::new(place, "tags are not supported"));
        }
    }

    fn count(&mut self, nodes: usize, bytes: usize, place: Place) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        within(self.nodes, self.bytes, place)
    }

    fn begin(&mut self, open: Open) -> Result<(), Problem> {
        self.count(1, 0, open.place)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(open.place));
        }
        self.open.push(open);
        Ok(())
    }

    /// Puts a finished node where it belongs: into the innermost open collection, or at the root.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            let size = measure(&node);
            // A copy is kept for aliases, so it counts: anchors cannot multiply memory either.
            self.count(size.nodes, size.bytes, node.place)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::List(items)) => items.push(node),
            Some(OpenKind::Map {
                map,
                lines,
                merged,
                key,
            }) => match key.take() {
                None => {
                    let place = node.place;
                    let mut name = key_text(&node.value);
                    if name.is_none() {
                        let message = format!("a key must be a text, not {}", node.kind());
                        self.problems.push(Problem::new(place, message));
                    }
                    let bytes = name.as_ref().map_or(0, String::len);
                    if bytes > MAX_KEY_BYTES {
                        name = None;
                        let message =
                            format!("a key of {bytes} bytes; it has at most {MAX_KEY_BYTES}");
                        self.problems.push(Problem::new(place, message));
                    }
                    *key = Some((name, place));
                }
                Some((None, _)) => {}
                Some((Some(name), place)) if name == "<<" => match node.value {
                    Value::Map(source) => merged.push(source),
                    Value::List(items) if items.iter().all(|item| item.as_map().is_some()) => {
                        merged.extend(items.into_iter().filter_map(|item| match item.value {
                            Value::Map(source) => Some(source),
                            _ => None,
                        }));
                    }
                    _ => self
                        .problems
                        .push(Problem::new(place, "`<<` takes a map or a list of maps")),
                },
                Some((Some(key), key_place)) => match lines.get(&key) {
                    Some(first) => {
                        let message = format!("the key `{key}` stands twice in this map");
                        let hint = format!("it stands first in line {first}: keep one of them");
                        self.problems
                            .push(Problem::new(key_place, message).hint(hint));
                    }
                    None => {
                        lines.insert(key.clone(), key_place.line);
                        map.entries.push(Entry {
                            key,
                            key_place,
                            node,
                        });
                    }
                },
            },
        }
        Ok(())
    }
}

/// A map's own entries win over merged ones, earlier merges over later ones.
fn merge(mut map: Map, mut lines: HashMap<String, u32>, merged: Vec<Map>) -> Map {
    for entry in merged.into_iter().flat_map(|source| source.entries) {
        if !lines.contains_key(&entry.key) {
            lines.insert(entry.key.clone(), entry.key_place.line);
            map.entries.push(entry);
        }
    }
    map
}

/// A key's text: numbers and booleans are taken as they would print.
fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// Size of a tree; its depth is bounded by [`MAX_DEPTH`], so recursion is safe.
fn measure(node: &Node) -> Size {
    let with = |size: Size, key: usize, child: &Node| {
        let child = measure(child);
        Size {
            nodes: size.nodes + child.nodes,
            depth: size.depth.max(child.depth + 1),
            bytes: size.bytes + key + child.bytes,
        }
    };
    let one = |depth: usize, bytes: usize| Size {
        nodes: 1,
        depth,
        bytes,
    };
    match &node.value {
        Value::List(items) => items
            .iter()
            .fold(one(1, 0), |size, item| with(size, 0, item)),
        Value::Map(map) => map.entries.iter().fold(one(1, 0), |size, entry| {
            with(size, entry.key.len(), &entry.node)
        }),
        Value::Text(text) => one(0, text.len()),
        _ => one(0, 0),
    }
}

/// Refuses what is too much.
fn within(nodes: usize, bytes: usize, place: Place) -> Result<(), Problem> {
    let what = if nodes > MAX_NODES {
        format!("the file has more than {MAX_NODES} values, aliases expanded")
    } else if bytes > MAX_TEXT_BYTES {
        format!("the file's texts have more than {MAX_TEXT_BYTES} bytes, aliases expanded")
    } else {
        return Ok(());
    };
    Err(Problem::new(place, what))
}

fn too_deep(place: Place) -> Problem {
    Problem::new(place, format!("nested deeper than {MAX_DEPTH} levels"))
}

/// Positions are below the largest size of a text.
pub(super) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
