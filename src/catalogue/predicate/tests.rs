//! Conditions: their meaning, and what is said of bad ones.

use serde_json::{Value, json};

use super::Predicate;

fn holds(condition: &Value, values: &Value) -> bool {
    let predicate = Predicate::parse(condition).unwrap();
    predicate.holds(&|name: &str| values.get(name).unwrap_or(&Value::Null))
}

#[test]
fn every_comparison_has_its_meaning() {
    let values = json!({ "n": 8, "m": 4, "f": 0.5, "t": "bf16", "b": true, "z": null });
    for (condition, expected) in [
        (json!({"n": 8}), true),
        (json!({"n": 8.0}), true),
        (json!({"n": [1, 8]}), true),
        (json!({"n": {"in": [1, 2]}}), false),
        (json!({"n": {"ne": 8}}), false),
        (json!({"n": {"lt": 9, "gt": 7}}), true),
        (json!({"n": {"le": 8}, "m": {"ge": 5}}), false),
        (json!({"f": {"lt": 1}}), true),
        (json!({"t": "bf16", "b": true}), true),
        (json!({"t": {"lt": "z"}}), false),
        (json!({"t": 8}), false),
        (json!({"z": null}), true),
        (json!({"z": {"lt": 1}}), false),
        (json!({"z": {"ne": 1}}), true),
        (json!({"n": {"divisible_by": {"param": "m"}}}), true),
        (
            json!({"n": {"divisible_by": {"param": "m", "times": 3}}}),
            false,
        ),
        (json!({"n": {"divisible_by": 0}}), false),
        (json!({"n": {"gt": {"param": "z"}}}), false),
        (json!({"n": {"eq": {"param": "m", "times": 2}}}), true),
        (json!({"n": {"lt": {"product": ["m", "m"]}}}), true),
        (json!({"n": {"ge": {"product": ["m", "m"]}}}), false),
        (json!({"n": {"ne": {"product": ["m", "z"]}}}), false),
        (json!({"n": {"ne": {"product": ["m", "f"]}}}), false),
        (json!({"any": [{"n": 1}, {"m": 4}]}), true),
        (json!({"all": [{"n": 1}, {"m": 4}]}), false),
        (json!({"not": {"n": 1}, "m": 4}), true),
    ] {
        assert_eq!(holds(&condition, &values), expected, "{condition}");
    }
}

#[test]
fn all_flaws_of_a_condition_are_told_with_their_paths() {
    let flaws = Predicate::parse(&json!({
        "a": {"gte": 1, "lt": [1]},
        "any": [{"b": []}, 5],
        "c": [1, {"x": 1}],
        "d": {"eq": {"name": "e"}, "ge": {"product": ["e"]}, "le": {"product": ["e", 2]}},
        "not": {},
    }));
    let paths: Vec<String> = flaws
        .unwrap_err()
        .iter()
        .map(|flaw| flaw.path.join("."))
        .collect();
    assert_eq!(
        paths,
        [
            "a.gte", "a.lt", "any.0.b", "any.1", "c.1", "d.eq", "d.ge", "d.le", "not"
        ]
    );
}

#[test]
fn a_condition_names_what_it_reads() {
    let predicate =
        Predicate::parse(&json!({"a": {"lt": {"param": "c"}}, "not": {"b": 1}, "any": [{"a": {"gt": {"product": ["d", "e"]}}}]}))
            .unwrap();
    assert_eq!(predicate.names(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn nesting_is_bounded() {
    let deep = (0..100).fold(json!({"a": 1}), |inner, _| json!({ "not": inner }));
    assert!(Predicate::parse(&deep).is_err());
}
