//! Any JSON value as indented lines for people. Knows no layout: what a result gains is shown without a change
//! here. Units are in the names.

use serde_json::{Map, Value};

use super::figures::number;

/// Longest object that is written on one line.
const INLINE: usize = 96;
/// Lists of objects longer than this are cut in their middle.
const LONG: usize = 8;

/// A text that cannot steer a terminal: control characters are replaced.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Lines of `name: value`, each with a line break, `depth` levels in.
pub(super) fn lines(out: &mut String, name: &str, value: &Value, depth: usize) {
    let name = printable(name);
    let indent = "  ".repeat(depth);
    if let Some(text) = inline(value) {
        out.push_str(&format!("{indent}{name}: {text}\n"));
        return;
    }
    match value {
        Value::Object(map) => {
            out.push_str(&format!("{indent}{name}:\n"));
            for (name, value) in map {
                lines(out, name, value, depth + 1);
            }
        }
        Value::Array(list) => {
            out.push_str(&format!("{indent}{name}: {} entries\n", list.len()));
            let (head, tail) = ends(list);
            for (index, entry) in head {
                lines(out, &index.to_string(), entry, depth + 1);
            }
            if !tail.is_empty() {
                out.push_str(&format!("{indent}  …\n"));
            }
            for (index, entry) in tail {
                lines(out, &index.to_string(), entry, depth + 1);
            }
        }
        // `inline` takes every other value.
        _ => {}
    }
}

/// Entries with their numbers from 1.
type Numbered<'a> = Vec<(usize, &'a Value)>;

/// All of a short list; the first and last of a long one.
fn ends(list: &[Value]) -> (Numbered<'_>, Numbered<'_>) {
    let mut head: Numbered<'_> = (1..).zip(list).collect();
    if list.len() <= LONG {
        return (head, Vec::new());
    }
    let tail = head.split_off(list.len() - LONG / 2);
    head.truncate(LONG / 2);
    (head, tail)
}

/// A value on one line, if it is short.
pub(super) fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("none".to_owned()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Number(found) => Some(match (found.as_u64(), found.as_i64(), found.as_f64()) {
            (None, None, Some(float)) => number(float),
            _ => found.to_string(),
        }),
        Value::String(text) => Some(printable(text)),
        Value::Array(list) if list.is_empty() => Some("none".to_owned()),
        Value::Array(list) => {
            let scalar = |value: &&Value| !value.is_object() && !value.is_array();
            if !list.iter().all(|value| scalar(&value)) {
                return None;
            }
            let texts: Option<Vec<String>> = list.iter().map(inline).collect();
            short(texts?.join(", "))
        }
        Value::Object(map) => of_object(map),
    }
}

fn of_object(map: &Map<String, Value>) -> Option<String> {
    if map.is_empty() {
        return Some("none".to_owned());
    }
    if let Some(text) = interval(map) {
        return Some(text);
    }
    if map.len() > 6
        || map
            .values()
            .any(|value| value.is_object() || value.is_array())
    {
        return None;
    }
    let parts: Option<Vec<String>> = map
        .iter()
        .map(|(name, value)| Some(format!("{} {}", printable(name), inline(value)?)))
        .collect();
    short(parts?.join(", "))
}

/// `{low, high, …}` as `[low, high] …`, `{low_joules, high_joules}` as `[low, high] joules`.
fn interval(map: &Map<String, Value>) -> Option<String> {
    let unit = map.keys().find_map(|name| name.strip_prefix("low"))?;
    let (low_name, high_name) = (format!("low{unit}"), format!("high{unit}"));
    let (low, high) = (
        map.get(&low_name)?.as_f64()?,
        map.get(&high_name)?.as_f64()?,
    );
    let rest = map
        .iter()
        .filter(|(name, _)| **name != low_name && **name != high_name)
        .map(|(name, value)| Some(format!(", {} {}", printable(name), inline(value)?)));
    let rest: Option<String> = rest.collect();
    let unit = printable(&unit.replace('_', " "));
    short(format!(
        "[{}, {}]{unit}{}",
        number(low),
        number(high),
        rest?
    ))
}

fn short(text: String) -> Option<String> {
    (text.chars().count() <= INLINE).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        let mut out = String::new();
        lines(&mut out, "x", value, 0);
        out
    }

    #[test]
    fn short_values_take_one_line_and_long_ones_are_indented() {
        for (value, want) in [
            (json!(null), "x: none\n"),
            (json!(true), "x: yes\n"),
            (
                json!(18_446_744_073_709_551_615_u64),
                "x: 18446744073709551615\n",
            ),
            (json!(0.333_333_333), "x: 0.333333\n"),
            (json!([1, 2]), "x: 1, 2\n"),
            (json!({}), "x: none\n"),
            (
                json!({"low": 1.0, "high": 2.5, "method": "student_t"}),
                "x: [1, 2.5], method student_t\n",
            ),
            (
                json!({"low_joules": 1.0, "high_joules": 2}),
                "x: [1, 2] joules\n",
            ),
            (json!({"a": 1, "b": "c"}), "x: a 1, b c\n"),
            (json!({"a": {"b": {"c": 1}}}), "x:\n  a:\n    b: c 1\n"),
        ] {
            assert_eq!(text(&value), want);
        }
    }

    #[test]
    fn long_lists_are_cut_in_the_middle() {
        let list: Vec<Value> = (1..=100).map(|n| json!({"n": n})).collect();
        let text = text(&json!(list));
        assert!(text.starts_with("x: 100 entries\n  1: n 1\n"), "{text}");
        assert!(
            text.contains("\n  …\n") && text.ends_with("  100: n 100\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1 + LONG + 1);
    }

    #[test]
    fn nothing_in_a_file_steers_the_terminal() {
        let text = text(&json!({"a\u{1b}[2J": "b\u{7}\n", "c": [["\u{1b}"], []]}));
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(steers), "{text:?}");
        assert!(text.contains("b\u{fffd}\u{fffd}"));
    }
}
