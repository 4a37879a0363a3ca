//! How headline figures read in tables: their headings and decimals. A figure that is not listed here still
//! shows wherever all figures do, by its own name, which holds its unit.

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// The figure's name.
    pub name: &'static str,
    /// Its heading, with the unit.
    pub heading: &'static str,
    /// Significant digits after the point.
    pub decimals: usize,
}

const fn column(name: &'static str, heading: &'static str, decimals: usize) -> Column {
    Column {
        name,
        heading,
        decimals,
    }
}

/// The columns, in order: energy first, since it is what is measured here.
const COLUMNS: [Column; 11] = [
    column("joules_per_output_token", "J/token", 4),
    column("joules_per_request", "J/request", 2),
    column("mean_watts", "W", 1),
    column("output_tokens_per_second", "tokens/s", 1),
    column("goodput_requests_per_second", "goodput/s", 2),
    column("slo_attainment", "SLO met", 3),
    column("ttft_ms_p50", "TTFT p50 ms", 2),
    column("ttft_ms_p99", "TTFT p99 ms", 2),
    column("itl_ms_p50", "ITL p50 ms", 3),
    column("itl_ms_p99", "ITL p99 ms", 3),
    column("load_seconds", "load s", 1),
];

/// The columns that have a value somewhere.
pub(super) fn columns(has: impl Fn(&str) -> bool) -> Vec<Column> {
    COLUMNS
        .into_iter()
        .filter(|column| has(column.name))
        .collect()
}

/// `joules_per_output_token` → `J/token`; any other name as it is.
pub(super) fn heading(name: &str) -> &str {
    COLUMNS
        .iter()
        .find(|column| column.name == name)
        .map_or(name, |column| column.heading)
}

/// A number for people: six significant digits, without zeros that say nothing.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..9.0).contains(&magnitude) {
        return format!("{value:.4e}");
    }
    let decimals = (5.0 - magnitude).clamp(0.0, 10.0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits_that_say_something() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (1234.5678, "1234.57"),
            (0.000_123_456_78, "0.000123457"),
            (-3.25, "-3.25"),
            (123_456_789.0, "123456789"),
            (1e12, "1.0000e12"),
            (1e-9, "1.0000e-9"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(f64::NAN), "NaN");
    }

    #[test]
    fn columns_are_those_with_values() {
        let found = columns(|name| name == "mean_watts" || name == "ttft_ms_p50");
        let headings: Vec<&str> = found.iter().map(|column| column.heading).collect();
        assert_eq!(headings, ["W", "TTFT p50 ms"]);
        assert_eq!(heading("mean_watts"), "W");
        assert_eq!(heading("new_figure"), "new_figure");
    }
}
