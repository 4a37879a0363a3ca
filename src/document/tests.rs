//! YAML: aliases, merges, places, and hostile texts.

use super::{MAX_BYTES, Value, read};
use crate::diagnostics::Place;

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

/// Lists of nothing: no text is there to be counted, only values.
#[test]
fn values_without_text_are_bounded_too() {
    let laughs = |levels: u32| {
        (1..levels).fold("- &a0 [null, null]\n".to_owned(), |text, level| {
            text + &format!("- &a{level} [*a{0}, *a{0}]\n", level - 1)
        })
    };
    // Twice as many values a level, each list once more for its aliases.
    assert!(read(&laughs(13)).is_ok());
    let refused = read(&laughs(17)).unwrap_err();
    assert!(
        refused.message.contains("more than 200000 values"),
        "{refused:?}"
    );
}

/// Each is small on disk and would be gigabytes, were its texts or its problems copied without end.
#[test]
fn small_texts_do_not_become_large() {
    let filler = "x".repeat(900_000);
    let aliases = format!("a: &a {filler}\nb: [{}]\n", "*a,".repeat(20_000));
    let keys = format!("a: &a {filler}\nb:\n{}", "  *a : 1\n".repeat(5_000));
    let anchors = (0..60).fold(format!("&a0 {filler}"), |text, level| {
        format!("&l{level} [{text}]")
    });
    for text in [aliases, anchors] {
        let refused = read(&text).unwrap_err();
        assert!(refused.message.contains("aliases expanded"), "{refused:?}");
    }
    assert!(read(&keys).is_err());
    // All in one line, so that each problem's line is the whole file.
    let twice = format!("{{{}}}", "a: 1, ".repeat(900));
    let twice = twice + &" ".repeat(900_000);
    let document = read(&twice).unwrap();
    assert_eq!(document.problems.len(), 899);
    let report = crate::diagnostics::ProblemReport::new("f", &twice, document.problems);
    let held = format!("{report:?}").len();
    assert!(
        held < 1_000_000,
        "{held} bytes for a file of {}",
        twice.len()
    );
    assert!(report.to_string().len() < 50_000);
    let many = format!("{{{}}}", "a: 1, ".repeat(150_000));
    let refused = read(&many).unwrap_err();
    assert!(refused.message.contains("problems"), "{refused:?}");
    let long = read(&format!("? {}\n: 1", "k".repeat(1025))).unwrap();
    assert_eq!(long.problems.len(), 1);
    assert_eq!(long.root.as_map().unwrap().entries, []);
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
