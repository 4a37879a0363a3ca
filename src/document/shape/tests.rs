//! Trees against schemas.

use serde_json::{Value, json};

use super::check;

/// The value, and the problems as `line:column message`.
fn checked(text: &str, schema: &Value) -> (Option<Value>, Vec<String>) {
    let mut problems = Vec::new();
    let value = check(
        &crate::document::read(text).unwrap().root,
        schema,
        &mut problems,
    );
    let told = problems.into_iter().map(|problem| {
        format!(
            "{}:{} {}",
            problem.place.line, problem.place.column, problem.message
        )
    });
    (value, told.collect())
}

#[test]
fn what_does_not_fit_is_left_out_and_the_rest_is_kept() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {
            "a": {"type": "integer", "minimum": 1},
            "b": {"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"]},
            "d": {"type": "array", "items": {"type": "number"}},
        },
    });
    let (value, told) = checked("a: 0\nb: {c: 1}\nd: [1, x]\ne: 5\n", &schema);
    assert_eq!(value, Some(json!({})));
    let expected = [
        "1:4 `a` is 0; it must be at least 1",
        "2:8 `c` takes a text, not 1",
        "3:8 an item of `d` takes a number, not the text \"x\"",
        "4:1 unknown key `e` in the file",
    ];
    assert_eq!(told, expected);
}

#[test]
fn alternatives_are_chosen_by_word_key_or_type() {
    let schema = json!({ "oneOf": [
        {"const": "batch"},
        {"type": "integer"},
        {"type": "object", "required": ["loop"], "additionalProperties": false, "properties": {"loop": {"type": "boolean"}}},
    ]});
    for text in ["batch", "5", "{loop: true}"] {
        assert_eq!(checked(text, &schema).1, [""; 0], "{text}");
    }
    for (text, problem) in [
        (
            "bath",
            "1:1 the file takes `batch`, an integer or `{loop: …}`, not the text \"bath\"",
        ),
        (
            "1.5",
            "1:1 the file takes `batch`, an integer or `{loop: …}`, not 1.5",
        ),
        ("{lop: true}", "1:2 the file takes `loop`, not `lop`"),
    ] {
        assert_eq!(
            checked(text, &schema),
            (None, vec![problem.to_owned()]),
            "{text}"
        );
    }
}

#[test]
fn a_second_key_beside_the_choosing_one_is_told() {
    let schema = json!({ "oneOf": [
        {"type": "object", "required": ["a"], "additionalProperties": false, "properties": {"a": {}}},
        {"type": "object", "required": ["b"], "additionalProperties": false, "properties": {"b": {}}},
    ]});
    assert_eq!(
        checked("{a: 1, b: 2}", &schema).1,
        ["1:8 unknown key `b` in the file"]
    );
}

#[test]
fn bounds_of_lengths_are_kept() {
    let schema = json!({ "type": "object", "minProperties": 1, "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 3},
        "list": {"type": "array", "minItems": 1, "uniqueItems": true},
        "number": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    }});
    assert_eq!(
        checked("{text: abc, list: [1, 2], number: 1}", &schema)
            .1
            .len(),
        0
    );
    assert_eq!(
        checked("{text: abcd, list: [1, 1], number: 0}", &schema)
            .1
            .len(),
        3
    );
    assert_eq!(
        checked("{text: '', list: [], number: 1.1}", &schema)
            .1
            .len(),
        3
    );
    assert_eq!(checked("{}", &schema).1, ["1:1 the file is empty"]);
}
