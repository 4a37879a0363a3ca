//! The events of the YAML parser → the tree, within bounds.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::{Entry, Map, Node, Value, scalar};
use crate::diagnostics::{Place, Problem};

/// Largest text that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting, aliases expanded.
pub const MAX_DEPTH: usize = 64;
/// Most nodes of a tree, aliases expanded: what a nest of aliases can grow to.
pub const MAX_NODES: usize = 200_000;

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
    let mut tree = Tree {
        text,
        problems: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        open: Vec::new(),
        root: None,
    };
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
    let root = tree.root.unwrap_or(Node {
        value: Value::Null,
        place: Place::START,
    });
    Ok(Document {
        root,
        problems: tree.problems,
    })
}

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

struct Tree<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    /// Finished anchored nodes with their number of nodes and depth.
    anchors: HashMap<usize, (Node, usize, usize)>,
    nodes: usize,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, place)?;
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
                let Some((node, nodes, depth)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::new(
                        place,
                        "an alias stands inside of what it names",
                    ));
                };
                self.count(nodes, place)?;
                if self.open.len() + depth > MAX_DEPTH {
                    return Err(too_deep(place));
                }
                self.finish(
                    Node {
                        value: node.value,
                        place,
                    },
                    0,
                )
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

    fn count(&mut self, nodes: usize, place: Place) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Problem::new(
                place,
                format!("the file has more than {MAX_NODES} values, aliases expanded"),
            ));
        }
        Ok(())
    }

    fn begin(&mut self, open: Open) -> Result<(), Problem> {
        self.count(1, open.place)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(open.place));
        }
        self.open.push(open);
        Ok(())
    }

    /// Puts a finished node where it belongs: into the innermost open collection, or at the root.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            let (nodes, depth) = measure(&node);
            // A copy is kept for aliases, so it counts: anchors cannot multiply memory either.
            self.count(nodes, node.place)?;
            self.anchors.insert(anchor, (node.clone(), nodes, depth));
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
                    let name = key_text(&node.value);
                    if name.is_none() {
                        let message = format!("a key must be a text, not {}", node.kind());
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

/// Number of nodes and depth of a tree; bounded by [`MAX_DEPTH`], so recursion is safe.
fn measure(node: &Node) -> (usize, usize) {
    let combine = |(nodes, depth): (usize, usize), child: &Node| {
        let (child_nodes, child_depth) = measure(child);
        (nodes + child_nodes, depth.max(child_depth + 1))
    };
    match &node.value {
        Value::List(items) => items.iter().fold((1, 1), combine),
        Value::Map(map) => map
            .entries
            .iter()
            .map(|entry| &entry.node)
            .fold((1, 1), combine),
        _ => (1, 0),
    }
}

fn too_deep(place: Place) -> Problem {
    Problem::new(place, format!("nested deeper than {MAX_DEPTH} levels"))
}

/// Positions are below [`MAX_BYTES`].
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        let document = read(text).unwrap();
        assert_eq!(document.problems, [], "{text}");
        document.root.to_json()
    }

    #[test]
    fn aliases_and_merges_are_expanded_and_own_keys_win() {
        let text = "base: &base {a: 1, b: [x, &y z]}\none:\n  <<: *base\n  a: 2\ntwo: {<<: [{c: 3}, *base], y: *y}\n";
        let expected = serde_json::json!({
            "base": {"a": 1, "b": ["x", "z"]},
            "one": {"a": 2, "b": ["x", "z"]},
            "two": {"a": 1, "b": ["x", "z"], "c": 3, "y": "z"},
        });
        assert_eq!(json(text), expected);
    }

    #[test]
    fn places_point_at_keys_and_values() {
        let document = read("a: 1\nbé:\n  - x\n  - \"long text\"\n").unwrap();
        let map = document.root.as_map().unwrap();
        let entry = map.entry("bé").unwrap();
        assert_eq!(
            entry.key_place,
            Place {
                line: 2,
                column: 1,
                width: 2
            }
        );
        let items = entry.node.as_list().unwrap();
        assert_eq!(
            items[1].place,
            Place {
                line: 4,
                column: 5,
                width: 11
            }
        );
    }

    #[test]
    fn an_alias_is_placed_where_it_is_written() {
        let document = read("a: &n 5\nb: *n\n").unwrap();
        assert_eq!(
            document.root.find(&["b"]).unwrap().place,
            Place {
                line: 2,
                column: 4,
                width: 2
            }
        );
    }

    #[test]
    fn what_can_be_stepped_over_is_collected() {
        let document = read("a: 1\na: 2\nb: .nan\nc: !x 3\n? [k]\n: 4\n<<: 5\nd: 6\n").unwrap();
        let lines: Vec<u32> = document
            .problems
            .iter()
            .map(|problem| problem.place.line)
            .collect();
        assert_eq!(lines, [2, 3, 4, 5, 7]);
        assert_eq!(document.root.find(&["a"]).unwrap().value, Value::Integer(1));
        assert_eq!(document.root.find(&["d"]).unwrap().value, Value::Integer(6));
    }

    #[test]
    fn hostile_texts_end_early() {
        let mut bomb = String::from("a0: &a0 [x, x]\n");
        for level in 1..40 {
            bomb.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
        }
        let deep = "- ".repeat(200) + "x";
        let chain: String = (1..80).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
            text + &format!("a{level}: &a{level} [*a{}]\n", level - 1)
        });
        let large = "x".repeat(MAX_BYTES + 1);
        for text in [
            bomb,
            deep,
            chain,
            large,
            "a: &a [*a]".to_owned(),
            "a: *nothing".to_owned(),
            "%YAML 1.2\n---\na".to_owned(),
        ] {
            assert!(read(&text).is_err(), "{}", &text[..40.min(text.len())]);
        }
    }

    #[test]
    fn many_keys_do_not_cost_their_square() {
        let text: String = (0..60_000)
            .map(|number| format!("k{number}: 1\n"))
            .collect();
        assert_eq!(
            read(&text).unwrap().root.as_map().unwrap().entries.len(),
            60_000
        );
    }

    proptest::proptest! {
        /// Whatever bytes come, the reader answers.
        #[test]
        fn no_text_makes_it_panic(text in "[ -~\\n\\t\u{e9}]{0,120}") {
            if let Ok(document) = read(&text) {
                let report = crate::diagnostics::ProblemReport::new("f", &text, document.problems);
                let _ = report.to_string();
            }
        }

        /// JSON is YAML: what JSON says, the tree holds.
        #[test]
        fn json_reads_as_itself(keys in proptest::collection::btree_map("[a-z]{1,8}", -1000_i64..1000, 0..8), text in "[ -~]{0,20}") {
            let value = serde_json::json!({ "map": keys, "text": text, "list": [1.5, null, true] });
            proptest::prop_assert_eq!(json(&value.to_string()), value);
        }
    }
}
