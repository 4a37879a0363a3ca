//! `${…}` in a Compose file's texts, as Compose replaces it, with one difference: a variable that is
//! neither set nor given a default is an error here, where Compose warns and goes on with nothing
//! (and `user: ${PUID}:${PGID}` would then mean root).

use std::collections::BTreeMap;

/// Variables that hold secrets. A container's variables and arguments can be read by everyone who may ask the Engine, and
/// by every process of their user; lemctl hands these over by other ways.
pub(super) const SECRETS: [&str; 6] = [
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "LEM_PIP_INDEX_URL",
];

/// Replaces every variable in `text`.
///
/// `$$` is a dollar sign; `${NAME}` and `$NAME` must be set; `${NAME:-default}` is the default when the
/// variable is unset or empty, `${NAME-default}` when it is unset; `${NAME:?message}` and `${NAME?message}`
/// are errors in the same two cases. A default is plain text: no variables inside.
pub(super) fn interpolate(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(braced) = after.strip_prefix('{') {
            let end = braced
                .find('}')
                .ok_or_else(|| format!("`${{` without `}}` in `{text}`"))?;
            out.push_str(&expand(&braced[..end], variables)?);
            rest = &braced[end + 1..];
        } else {
            let end = name_length(after);
            if end == 0 {
                return Err(format!(
                    "a lone `$` in `{text}`: write `$$` for a dollar sign"
                ));
            }
            out.push_str(&expand(&after[..end], variables)?);
            rest = &after[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Bytes of the variable name that `text` begins with.
pub(super) fn name_length(text: &str) -> usize {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    if starts_well { end } else { 0 }
}

/// What stands between the braces: a name and perhaps an operator with its word.
fn expand(inside: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (name, operation) = inside.split_at(name_length(inside));
    if name.is_empty() {
        return Err(format!("`${{{inside}}}` names no variable"));
    }
    if SECRETS.contains(&name) {
        return Err(format!(
            "`{name}` holds a secret, and what stands here is shown to everyone who may ask the Engine"
        ));
    }
    let value = variables.get(name);
    let (operator, word) = operation.split_at(
        operation
            .char_indices()
            .find(|(_, c)| *c != ':')
            .map_or(operation.len(), |(at, c)| at + c.len_utf8()),
    );
    if word.contains('$') {
        return Err(format!(
            "`${{{inside}}}` holds another variable; lemctl reads no nested ones"
        ));
    }
    let filled = value.filter(|value| !value.is_empty());
    let found = match operator {
        "" => value,
        ":-" => return Ok(filled.map_or(word, String::as_str).to_owned()),
        "-" => return Ok(value.map_or(word, String::as_str).to_owned()),
        ":?" => filled,
        "?" => value,
        _ => {
            return Err(format!(
                "`${{{inside}}}`: `{operator}` is not an operator that lemctl reads (`:-`, `-`, `:?`, `?`)"
            ));
        }
    };
    found.cloned().ok_or_else(|| match word {
        "" => format!("the variable `{name}` is not set"),
        message => format!("the variable `{name}` is not set: {message}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let variables = [("A", "one"), ("EMPTY", ""), ("PUID", "7")];
        interpolate(
            text,
            &variables
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        )
    }

    #[test]
    fn replaces_as_compose_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${A}-$A.", "one-one."),
            ("${A:-x}${B:-x}${EMPTY:-x}", "onexx"),
            ("${A-x}${B-x}[${EMPTY-x}]", "onex[]"),
            ("${EMPTY}", ""),
            ("${B:-}", ""),
            ("${A:?why}${EMPTY?why}", "one"),
            ("a$$b$${A}", "a$b${A}"),
            ("${PUID:?run lemctl init}:${PUID}", "7:7"),
            ("${B:-a:b?c-d}", "a:b?c-d"),
        ] {
            assert_eq!(expanded(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn says_why_it_cannot() {
        for (text, part) in [
            ("${B}", "`B` is not set"),
            ("$B", "`B` is not set"),
            ("${B:?run lemctl init}", "`B` is not set: run lemctl init"),
            ("${EMPTY:?fill it}", "fill it"),
            ("${A", "without `}`"),
            ("cost: 5$", "lone `$`"),
            ("${}", "names no variable"),
            ("${1A}", "names no variable"),
            ("${A:+x}", "`:+` is not an operator"),
            ("${A\u{e9}}", "`\u{e9}` is not an operator"),
            ("${A:\u{1f600}x}", "is not an operator"),
            ("${B:-${A}}", "nested"),
            ("${HF_TOKEN:-}", "holds a secret"),
        ] {
            let error = expanded(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
