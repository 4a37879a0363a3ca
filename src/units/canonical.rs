//! Canonical JSON: the form of a value that is hashed.

/// The largest integer that every JSON reader keeps exactly: 2^53 − 1. Larger ones are refused where
/// they enter, since RFC 8785 writes numbers as IEEE doubles.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A value in canonical JSON, as RFC 8785 says: keys sorted, numbers in one spelling, no spaces.
#[must_use]
pub fn canonical_json(value: &serde_json::Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value)
        .expect("a serde_json::Value has string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_numbers_have_one_spelling() {
        let value: serde_json::Value =
            serde_json::from_str(r#"{"b": 1.0, "a": [1e3, 0.50]}"#).unwrap();
        assert_eq!(canonical_json(&value), br#"{"a":[1000,0.5],"b":1}"#);
    }
}
