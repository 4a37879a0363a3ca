//! Making a text safe to print: what a container, a hub, a file or a folder's name says must not drive the
//! reader's terminal, nor show in another order than it is written in.

use std::borrow::Cow;

/// What stands for a character that is not shown.
const HIDDEN: char = '\u{fffd}';

/// Whether a character may do something to a terminal, or to the order and visibility of what stands beside it: all
/// control characters, line and paragraph separators, and Unicode's format characters for direction, annotation,
/// width zero and tags.
#[must_use]
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// One line of it: no character that drives a terminal, line breaks and tabs among them.
#[must_use]
pub fn harmless_line(text: &str) -> Cow<'_, str> {
    replaced(text, |_| false)
}

/// The same for a text of several lines: line breaks and tabs stay.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    replaced(text, |character| matches!(character, '\n' | '\t'))
}

/// JSON, as a serialiser gives it, with every such character as its `\u` escape: JSON allows them inside of texts
/// only, so the value stays the same. Line breaks between values stay.
#[must_use]
pub fn harmless_json(json: &str) -> Cow<'_, str> {
    let bad = |character: char| is_obeyed(character) && character != '\n';
    if !json.contains(bad) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if bad(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

fn replaced(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |character: char| is_obeyed(character) && !stays(character);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let shown = |character| if bad(character) { HIDDEN } else { character };
    Cow::Owned(text.chars().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "a\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31mb\u{202e}c\u{2066}\u{200b}\r\u{e0041}é漢";

    #[test]
    fn nothing_that_drives_a_terminal_is_left() {
        let line = harmless_line(HOSTILE);
        assert!(!line.contains(is_obeyed), "{line:?}");
        assert!(line.starts_with('a') && line.ends_with("é漢"));
        assert_eq!(line.chars().count(), HOSTILE.chars().count());
        assert_eq!(harmless("a\n\tb"), "a\n\tb");
        assert_eq!(harmless_line("a\n\tb"), "a\u{fffd}\u{fffd}b");
        assert!(matches!(harmless("plain, é"), Cow::Borrowed(_)));
    }

    /// Written out one by one: a list that is computed from [`is_obeyed`] would follow whatever it forgets.
    const OBEYED: &str = "\u{0}\u{7}\u{8}\r\u{1b}\u{7f}\u{80}\u{85}\u{90}\u{9b}\u{9d}\u{9f}\
        \u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
        \u{2060}\u{2061}\u{2062}\u{2063}\u{2064}\u{2065}\u{2066}\u{2067}\u{2068}\u{2069}\u{206a}\u{206b}\u{206c}\u{206d}\
        \u{206e}\u{206f}\u{feff}\u{fff9}\u{fffa}\u{fffb}\u{e0000}\u{e0001}\u{e0020}\u{e0041}\u{e007e}\u{e007f}";

    #[test]
    fn each_character_that_is_obeyed_is_hidden() {
        assert_eq!(OBEYED.chars().count(), 50);
        for character in OBEYED.chars() {
            let text = format!("a{character}b");
            let code = u32::from(character);
            assert_eq!(harmless_line(&text), "a\u{fffd}b", "U+{code:04X}");
            assert_eq!(harmless(&text), "a\u{fffd}b", "U+{code:04X}");
            let json = harmless_json(&text);
            assert!(json.starts_with("a\\u") && json.is_ascii(), "{json:?}");
        }
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 1, null], "b": "\n" });
        for text in [
            value.to_string(),
            serde_json::to_string_pretty(&value).unwrap(),
        ] {
            let shown = harmless_json(&text);
            assert!(!shown.replace('\n', "").contains(is_obeyed), "{shown:?}");
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
                value
            );
        }
    }
}
