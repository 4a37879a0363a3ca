//! The arguments of a build: those that the caller gives, and those that the environment holds. The latter may
//! hold passwords: they are passed on and never shown or kept.

use std::collections::BTreeMap;

/// From the environment, where a Dockerfile declares them: the package index, and whom to trust for it. `LEM_`
/// before the name wins, so that an index for images can differ from the caller's own.
const FROM_ENVIRONMENT: [&str; 2] = ["PIP_INDEX_URL", "PIP_TRUSTED_HOST"];
/// Every Dockerfile has these without declaring them, and the Engine keeps them out of an image's history.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// All arguments of a build, by name.
pub(super) fn all(
    declared: &BTreeMap<String, Option<String>>,
    given: &BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let set = |name: &str| {
        environment
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let mut all: BTreeMap<String, String> = PROXIES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), set(name)?)))
        .collect();
    let wanted = FROM_ENVIRONMENT
        .iter()
        .filter(|name| declared.contains_key(**name));
    all.extend(wanted.filter_map(|name| {
        let value = set(&format!("LEM_{name}")).or_else(|| set(name))?;
        Some(((*name).to_owned(), value))
    }));
    all.extend(given.clone());
    all
}

/// Why `given` cannot be given to a Dockerfile that declares `declared`; nothing if it can.
pub(super) fn refused(
    declared: &BTreeMap<String, Option<String>>,
    given: &BTreeMap<String, String>,
) -> Option<String> {
    given.keys().find_map(|name| {
        if FROM_ENVIRONMENT.contains(&name.as_str()) {
            return Some(format!(
                "{name} is taken from the environment (or LEM_{name}), so that it stands in no command line and no label"
            ));
        }
        let known: Vec<&str> = declared
            .keys()
            .map(String::as_str)
            .filter(|name| !FROM_ENVIRONMENT.contains(name))
            .collect();
        (!declared.contains_key(name)).then(|| {
            format!(
                "it declares no ARG {name}; there are: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )
        })
    })
}

/// How the given arguments are written into an image's label, and read from it again.
pub(super) fn to_label(given: &BTreeMap<String, String>) -> String {
    serde_json::to_string(given).unwrap_or_default()
}

/// The other way. A label is what anyone wrote: what is not understood says nothing.
pub(super) fn from_label(label: Option<&String>) -> BTreeMap<String, String> {
    label
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<V: Clone>(pairs: &[(&str, V)]) -> BTreeMap<String, V> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect()
    }

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn the_index_comes_from_the_environment_where_it_is_declared() {
        let declared = map(&[("BASE", Some("b".to_owned())), ("PIP_INDEX_URL", None)]);
        let environment = texts(&[
            ("PIP_INDEX_URL", "https://a"),
            ("PIP_TRUSTED_HOST", "a"),
            ("HTTPS_PROXY", "p"),
            ("HOME", "/h"),
            ("NO_PROXY", ""),
        ]);
        let expected = texts(&[("PIP_INDEX_URL", "https://a"), ("HTTPS_PROXY", "p")]);
        assert_eq!(all(&declared, &BTreeMap::new(), &environment), expected);
        let mut own = environment.clone();
        own.insert("LEM_PIP_INDEX_URL".into(), "https://b".into());
        assert_eq!(
            all(&declared, &BTreeMap::new(), &own)["PIP_INDEX_URL"],
            "https://b"
        );
        assert_eq!(
            all(&declared, &texts(&[("BASE", "x")]), &environment)["BASE"],
            "x"
        );
        assert!(
            !all(&BTreeMap::new(), &BTreeMap::new(), &environment).contains_key("PIP_INDEX_URL")
        );
    }

    #[test]
    fn what_is_not_declared_or_secret_is_refused_by_name() {
        let declared = map(&[("BASE", Some("b".to_owned())), ("PIP_INDEX_URL", None)]);
        let why = |name| refused(&declared, &texts(&[(name, "x")]));
        assert_eq!(why("BASE"), None);
        assert!(why("BAES").unwrap().contains("there are: BASE"));
        assert!(why("PIP_INDEX_URL").unwrap().contains("LEM_PIP_INDEX_URL"));
        let label = to_label(&texts(&[("BASE", "x=\"1\"")]));
        assert_eq!(from_label(Some(&label)), texts(&[("BASE", "x=\"1\"")]));
        assert_eq!(from_label(Some(&"{".to_owned())), BTreeMap::new());
        assert_eq!(from_label(None), BTreeMap::new());
    }
}
