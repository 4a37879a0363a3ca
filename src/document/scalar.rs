//! What a plain scalar means, after YAML 1.2's core schema.

use super::Value;
use crate::units::MAX_SAFE_INTEGER;

/// A plain scalar's value, or what is wrong with it.
pub(super) fn resolve(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Boolean(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Boolean(false)),
        _ => {}
    }
    if let Some(radix) = radix_of(text) {
        return integer(text, i128::from_str_radix(&text[2..], radix).ok());
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return integer(text, text.parse().ok());
    }
    if matches!(digits.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return Err(format!("`{text}` is not a finite number"));
    }
    if is_float(digits) {
        return match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Number(value)),
            _ => Err(format!("`{text}` is not a finite number")),
        };
    }
    Ok(Value::Text(text.to_owned()))
}

fn radix_of(text: &str) -> Option<u32> {
    let (radix, digits) = match text.get(..2)? {
        "0x" => (16, &text[2..]),
        "0o" => (8, &text[2..]),
        _ => return None,
    };
    let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    all.then_some(radix)
}

fn integer(text: &str, value: Option<i128>) -> Result<Value, String> {
    let safe = value
        .and_then(|value| i64::try_from(value).ok())
        .filter(|value| (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(value));
    safe.map(Value::Integer)
        .ok_or_else(|| format!("the integer `{text}` is beyond ±{MAX_SAFE_INTEGER} (2^53 − 1)"))
}

/// Digits with a point, an exponent or both, as the core schema writes them.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    mantissa_ok && exponent_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_is_followed() {
        for (text, value) in [
            ("~", Value::Null),
            ("True", Value::Boolean(true)),
            ("yes", Value::Text("yes".into())),
            ("0x1F", Value::Integer(31)),
            ("0o17", Value::Integer(15)),
            ("+12", Value::Integer(12)),
            ("-7", Value::Integer(-7)),
            ("010", Value::Integer(10)),
            ("1.", Value::Number(1.0)),
            (".5", Value::Number(0.5)),
            ("1e3", Value::Number(1000.0)),
            ("1_000", Value::Text("1_000".into())),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("-", Value::Text("-".into())),
            (".", Value::Text(".".into())),
            ("e5", Value::Text("e5".into())),
        ] {
            assert_eq!(resolve(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn numbers_that_json_cannot_keep_are_refused() {
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "0xffffffffffffffffffffffffffffffffff",
            ".inf",
            "-.INF",
            ".nan",
            "1e999",
        ] {
            assert!(resolve(text).is_err(), "{text}");
        }
        assert_eq!(
            resolve("9007199254740991"),
            Ok(Value::Integer(MAX_SAFE_INTEGER))
        );
    }
}
