//! Scores of a harness on tasks, attached to an experiment: what quality on pinned prompts cannot show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::units::Digest;

/// Largest file of scores, in bytes.
pub const MAX_SCORES_BYTES: u64 = 16 * 1024 * 1024;
/// Most tasks, and metrics of one task, that are kept.
const MAX_NAMES: usize = 1000;
/// Longest name.
const MAX_NAME: usize = 200;

/// The scores in one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// SHA-256 of the file, which lies under that name among the campaign's inputs.
    pub sha256: Digest,
    /// Metrics by task, as the file names both.
    pub tasks: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Scores {
    /// Reads the results file of lm-evaluation-harness: `{"results": {task: {metric: number, …}}}`. What is no number
    /// there is passed over.
    ///
    /// # Errors
    /// Why the file has no scores, in one sentence.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let whole: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON: {error}"))?;
        let results = whole
            .get("results")
            .and_then(Value::as_object)
            .ok_or("it has no `results` of tasks, as lm-evaluation-harness writes them")?;
        let mut tasks = BTreeMap::new();
        for (task, metrics) in results {
            let numbers: BTreeMap<String, f64> = metrics
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
                .collect();
            let long = |name: &String| name.len() > MAX_NAME;
            if long(task) || numbers.keys().any(long) || numbers.len() > MAX_NAMES {
                return Err(format!(
                    "a name has more than {MAX_NAME} bytes, or a task more than {MAX_NAMES} metrics"
                ));
            }
            if !numbers.is_empty() {
                tasks.insert(task.clone(), numbers);
            }
        }
        if !(1..=MAX_NAMES).contains(&tasks.len()) {
            return Err(format!(
                "it has {} tasks with numbers; from 1 to {MAX_NAMES} are kept",
                tasks.len()
            ));
        }
        Ok(Self {
            sha256: Digest::of(bytes),
            tasks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_tasks_are_kept_and_anything_else_is_passed_over() {
        let text = br#"{"results": {"arc": {"alias": "arc", "acc,none": 0.5, "acc_stderr,none": 0.01}, "empty": {"x": "N/A"}}, "config": {}}"#;
        let scores = Scores::parse(text).expect("scores");
        assert_eq!(scores.tasks.len(), 1);
        assert_eq!(scores.tasks["arc"]["acc,none"], 0.5);
        assert_eq!(scores.sha256, Digest::of(text));
    }

    #[test]
    fn what_has_no_scores_is_refused() {
        for (text, word) in [
            ("x", "not JSON"),
            ("{}", "no `results`"),
            (r#"{"results": {}}"#, "0 tasks"),
            (r#"{"results": {"a": {"b": "c"}}}"#, "0 tasks"),
        ] {
            let error = Scores::parse(text.as_bytes()).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        let long = format!(r#"{{"results": {{"{}": {{"b": 1}}}}}}"#, "x".repeat(201));
        assert!(Scores::parse(long.as_bytes()).is_err());
    }
}
