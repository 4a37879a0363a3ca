//! The manifest against the journal. A forger who changes the manifest can make every hash fit: the journal's last line
//! holds the manifest's, and SHA256SUMS the journal's. But the manifest is made of what the journal's events tell: it is
//! made again of them, and what differs is named.
//!
//! Who rewrites every event with its chain, every file with its hash, and the manifest from them is not found here:
//! nothing in the folder is signed.

use serde_json::Value;

use super::{Check, FindingKind};
use crate::campaign::Campaign;
use crate::execution::State;
use crate::manifest::seal::summarise;
use crate::manifest::types::{MANIFEST_FILE, MANIFEST_SCHEMA_VERSION, Manifest};

/// Most differences that are named.
const NAMED: usize = 10;
/// Longest value that is shown of one, in characters.
const SHOWN: usize = 80;
/// What another version of lemctl may compute otherwise from the same events.
const COMPUTED: [&str; 2] = ["cycles", "quality"];
/// The first layout that was written beside journals which this lemctl can replay.
const REPLAYABLE: u32 = 2;

impl Check<'_> {
    pub(super) fn retold(&mut self, manifest: &Manifest, campaign: &Campaign, state: &State) {
        let path = self.folders.manifests().join(MANIFEST_FILE);
        let version = manifest.schema_version;
        // Whoever names an old layout would have less compared.
        if version < REPLAYABLE {
            let what = format!(
                "its layout is of version {version}, which was never written beside such a journal"
            );
            self.found(FindingKind::Forged, &path, what);
            return;
        }
        let Ok(again) = summarise(campaign, state, manifest.journal) else {
            let what = "the journal's events do not come to a campaign that could be sealed";
            self.found(FindingKind::Forged, &self.journal_path(), what);
            return;
        };
        let earlier = version < MANIFEST_SCHEMA_VERSION;
        let same_lemctl = manifest.lemctl == again.lemctl && !earlier;
        let again = Manifest {
            schema_version: version,
            lemctl: manifest.lemctl.clone(),
            tries: again.tries.filter(|_| !earlier),
            ..again
        };
        let (Ok(mut said), Ok(mut told)) =
            (serde_json::to_value(manifest), serde_json::to_value(&again))
        else {
            return;
        };
        if !same_lemctl {
            for value in [&mut said, &mut told] {
                forget_computed(value);
            }
        }
        if earlier {
            forget_reasons(&mut told);
        }
        let mut differences = Vec::new();
        compare("", &said, &told, &mut differences);
        let more = differences.len().saturating_sub(NAMED);
        for what in differences.into_iter().take(NAMED) {
            self.found(FindingKind::Forged, &path, what);
        }
        if more > 0 {
            let what = format!("{more} more values are not those of the journal");
            self.found(FindingKind::Forged, &path, what);
        }
    }
}

fn forget_computed(manifest: &mut Value) {
    let experiments = manifest
        .get_mut("experiments")
        .and_then(Value::as_array_mut);
    for experiment in experiments.into_iter().flatten() {
        for key in COMPUTED {
            if let Some(value) = experiment.get_mut(key) {
                *value = Value::Null;
            }
        }
    }
}

/// Why attempts were made, which a manifest before version 3 does not say.
fn forget_reasons(manifest: &mut Value) {
    for runs in ["runs", "retired"] {
        let runs = manifest.get_mut(runs).and_then(Value::as_array_mut);
        for run in runs.into_iter().flatten() {
            let attempts = run.get_mut("attempts").and_then(Value::as_array_mut);
            for attempt in attempts.into_iter().flatten() {
                if let Some(attempt) = attempt.as_object_mut() {
                    attempt.remove("because");
                }
            }
        }
    }
}

/// Where `said` is not what was `told`.
fn compare(at: &str, said: &Value, told: &Value, differences: &mut Vec<String>) {
    match (said, told) {
        (Value::Object(said), Value::Object(told)) => {
            for key in said
                .keys()
                .chain(told.keys().filter(|key| !said.contains_key(*key)))
            {
                let null = Value::Null;
                let (left, right) = (said.get(key), told.get(key));
                let at = format!("{at}/{key}");
                compare(
                    &at,
                    left.unwrap_or(&null),
                    right.unwrap_or(&null),
                    differences,
                );
            }
        }
        (Value::Array(said), Value::Array(told)) if said.len() == told.len() => {
            for (index, (said, told)) in said.iter().zip(told).enumerate() {
                compare(&format!("{at}/{index}"), said, told, differences);
            }
        }
        (said, told) if said == told => {}
        (said, told) => differences.push(format!(
            "{at} is {}, the journal tells {}",
            short(said),
            short(told)
        )),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_is_named_by_its_place() {
        let said = json!({"a": [1, {"b": "x"}], "only": 1, "same": [1, 2], "longer": [1, 2]});
        let told = json!({"a": [1, {"b": "y"}], "same": [1, 2], "longer": [1], "missing": true});
        let mut differences = Vec::new();
        compare("", &said, &told, &mut differences);
        differences.sort();
        assert_eq!(
            differences,
            [
                "/a/1/b is \"x\", the journal tells \"y\"",
                "/longer is [1,2], the journal tells [1]",
                "/missing is null, the journal tells true",
                "/only is 1, the journal tells null",
            ]
        );
    }

    #[test]
    fn reasons_are_forgotten_wherever_attempts_are_told() {
        let attempts =
            json!([{"verdict": "accepted"}, {"verdict": null, "because": "interrupted"}]);
        let mut manifest =
            json!({"runs": [{"attempts": attempts}], "retired": [{"attempts": attempts}]});
        forget_reasons(&mut manifest);
        let left = json!([{"verdict": "accepted"}, {"verdict": null}]);
        assert_eq!(
            manifest,
            json!({"runs": [{"attempts": left}], "retired": [{"attempts": left}]})
        );
    }
}
