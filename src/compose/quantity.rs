//! Sizes and times as Compose writes them.

use std::time::Duration;

/// `64m`, `2gb`, `1024`: bytes, in powers of 1024.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (digits, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let shift = match unit.trim_start() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    // The Engine counts in signed 64-bit numbers.
    digits
        .parse::<u64>()
        .ok()?
        .checked_mul(1 << shift)
        .filter(|bytes| i64::try_from(*bytes).is_ok())
}

/// `10s`, `1m30s`, `500ms`: a time, the parts in falling order as Compose prints them.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(
            tail.find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len()),
        );
        let count: u64 = digits.parse().ok()?;
        let part = match unit {
            "h" => Duration::from_secs(count.checked_mul(3600)?),
            "m" => Duration::from_secs(count.checked_mul(60)?),
            "s" => Duration::from_secs(count),
            "ms" => Duration::from_millis(count),
            "us" => Duration::from_micros(count),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expected) in [
            ("0", 0),
            ("1024", 1024),
            ("64m", 64 << 20),
            ("2GB", 2 << 30),
            ("8 g", 8 << 30),
            ("3kb", 3072),
            ("5b", 5),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in ["", "m", "1.5g", "-1", "1t", "99999999999g", "1m2"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn times_add_up() {
        assert_eq!(
            duration("1h2m3s4ms"),
            Some(Duration::from_millis(3_723_004))
        );
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        for text in ["", "10", "s", "1d", "-1s", "1 s", "99999999999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
