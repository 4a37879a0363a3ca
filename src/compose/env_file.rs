//! `.env`: the small part of its syntax on which every Compose agrees. What versions read differently
//! (quotes, `export`, comments behind a value, variables in values) is an error.

use std::collections::BTreeMap;

use super::ComposeReport;
use super::interpolate::name_length;
use crate::diagnostics::{Place, Problem};

/// Largest `.env` that is read, in bytes.
pub const MAX_ENV_BYTES: usize = 64 * 1024;

/// Reads `KEY=value` lines; empty lines and lines that begin with `#` say nothing.
///
/// # Errors
/// Every line that is something else.
pub fn parse_env(file: &str, text: &str) -> Result<BTreeMap<String, String>, ComposeReport> {
    let mut variables = BTreeMap::new();
    let mut problems = Vec::new();
    if text.len() > MAX_ENV_BYTES {
        let message = format!("larger than {MAX_ENV_BYTES} bytes");
        return Err(ComposeReport::new(
            file,
            "",
            vec![Problem::new(Place::START, message)],
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let width = u32::try_from(line.chars().count())
            .unwrap_or(u32::MAX)
            .max(1);
        let place = Place {
            line: number,
            column: 1,
            width,
        };
        match entry(line) {
            Err(message) => problems.push(Problem::new(place, message)),
            Ok((key, value)) => {
                if variables.insert(key.to_owned(), value.to_owned()).is_some() {
                    problems.push(Problem::new(place, format!("`{key}` is set twice")));
                }
            }
        }
    }
    // The lines may hold a token: the report points at them and shows none.
    if problems.is_empty() {
        Ok(variables)
    } else {
        Err(ComposeReport::new(file, "", problems))
    }
}

fn entry(line: &str) -> Result<(&str, &str), &'static str> {
    let (key, value) = line.split_once('=').ok_or("not `KEY=value`")?;
    if key.is_empty() || name_length(key) != key.len() {
        return Err("the key must be letters, digits and `_`, without spaces or `export`");
    }
    if value.contains(['\'', '"', '`', '\\', '$']) {
        return Err(
            "quotes, `$` and `\\` are read differently by different versions of Compose: leave them out",
        );
    }
    if value.contains(" #") || value.starts_with('#') {
        return Err("a comment stands on a line of its own");
    }
    if value.trim() != value {
        return Err(
            "spaces around the value are read differently by different versions of Compose: leave them out",
        );
    }
    Ok((key, value))
}

/// What `${…}` may name: the `.env` file, over it the caller's environment (as Compose does), and
/// `PUID` and `PGID` from the invoking user where neither sets them.
#[must_use]
pub fn variables(
    env_file: &BTreeMap<String, String>,
    environment: impl IntoIterator<Item = (String, String)>,
    uid: u32,
    gid: u32,
) -> BTreeMap<String, String> {
    let mut variables = env_file.clone();
    variables.extend(environment);
    for (key, id) in [("PUID", uid), ("PGID", gid)] {
        let value = variables.entry(key.to_owned()).or_default();
        if value.is_empty() {
            *value = id.to_string();
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_lines() {
        let env = parse_env(".env", "# who\nPUID=1000\n\nEMPTY=\nPATH_1=/a b/c=d\r\n").unwrap();
        let expected = [("PUID", "1000"), ("EMPTY", ""), ("PATH_1", "/a b/c=d")];
        assert_eq!(
            env,
            expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
    }

    #[test]
    fn refuses_what_versions_of_compose_read_differently_and_shows_no_value() {
        let lines = [
            "export A=1",
            "A",
            "=1",
            "A =1",
            "A= 1",
            "A='s3cret'",
            "A=1 # one",
            "A=$B",
            "1A=2",
            "B=1\nB=2",
        ];
        for line in lines {
            let report = parse_env(".env", line).expect_err(line).to_string();
            assert!(!report.contains("s3cret"), "{report}");
        }
        let report = parse_env(".env", "A\nB=1\nC='x'").unwrap_err();
        let lines: Vec<u32> = report
            .0
            .problems()
            .map(|problem| problem.place.line)
            .collect();
        assert_eq!(lines, [1, 3], "all at once");
    }

    /// A comment, so that nothing is wrong with it but its length.
    #[test]
    fn more_than_64_kib_are_refused() {
        let most = "#".repeat(64 * 1024);
        assert_eq!(parse_env(".env", &most).unwrap(), BTreeMap::new());
        let report = parse_env(".env", &(most + "#")).unwrap_err().to_string();
        assert!(report.contains("larger than 65536 bytes"), "{report}");
    }

    #[test]
    fn the_environment_wins_and_the_user_fills_in() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let all = variables(
            &map(&[("PUID", "1"), ("A", "file")]),
            map(&[("A", "shell")]),
            7,
            8,
        );
        assert_eq!(all, map(&[("PUID", "1"), ("PGID", "8"), ("A", "shell")]));
        assert_eq!(
            variables(&map(&[("PUID", "")]), map(&[]), 7, 8)["PUID"],
            "7"
        );
    }
}
