//! The quality gate of a campaign: which prompts are asked, and which experiment the others are held against. What
//! answers are worth is judged in `quality`.

use lem_protocol::{Prompt, Weights, WorkloadFile};
use serde::Deserialize;
use serde_json::{Value, json};

use super::policy::{QualityPolicy, ReferenceSpec};
use super::{Campaign, Experiment};
use crate::catalogue::Predicate;
use crate::quality::{AskedPrompt, Quality, codes};
use crate::units::Digest;

/// The prompts that are asked where a campaign names none.
const OWN_PROMPTS: &str = include_str!("../../campaigns/quality/prompts.jsonl");
/// Most prompts: what one assessment takes is no part of any plan.
const MAX_PROMPTS: usize = 256;
/// Longest prompt, in characters or tokens.
const MAX_INPUT: usize = 16_384;
/// Longest output.
const MAX_OUTPUT: u32 = 1024;
/// Length of an output where the line does not say.
const OUTPUT: u32 = 32;
/// Most problems of a file that are told.
const MAX_PROBLEMS: usize = 20;

/// The gate, as it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityGate {
    /// The keys of the file.
    pub policy: QualityPolicy,
    /// What is asked.
    pub prompts: QualityPrompts,
}

impl QualityGate {
    /// What of it is part of a campaign's hash: a gate that is shut is one thing.
    pub(super) fn form(&self) -> Value {
        json!({
            "assess": true,
            "prompts": self.prompts.digest,
            "reference": self.policy.reference,
            "max_logprob_difference": self.policy.max_logprob_difference,
            "min_greedy_agreement": self.policy.min_greedy_agreement,
        })
    }
}

/// Pinned prompts, as a worker reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityPrompts {
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// A serialised [`WorkloadFile`].
    pub bytes: Vec<u8>,
    /// What an answer is held against.
    pub asked: Vec<AskedPrompt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    token_ids: Option<Vec<u32>>,
    text: Option<String>,
    output_tokens: Option<u32>,
}

impl QualityPrompts {
    /// lemctl's own.
    ///
    /// # Panics
    /// Never: a test reads them.
    #[must_use]
    pub fn own() -> Self {
        Self::parse("lemctl's prompts", OWN_PROMPTS).expect("a test reads them")
    }

    /// Reads a file of JSON lines; empty lines are skipped.
    ///
    /// # Errors
    /// What is wrong with it, a sentence for each line.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<String>> {
        let (mut prompts, mut problems) = (Vec::new(), Vec::new());
        let lines = text.lines().enumerate();
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            match prompt(line) {
                Ok(prompt) => prompts.push(prompt),
                Err(problem) => problems.push(format!("{path}, line {}: {problem}", number + 1)),
            }
            if problems.len() == MAX_PROBLEMS || prompts.len() > MAX_PROMPTS {
                break;
            }
        }
        if !(1..=MAX_PROMPTS).contains(&prompts.len()) && problems.is_empty() {
            problems.push(format!(
                "{path} must have from 1 to {MAX_PROMPTS} prompts: quality is asked of every experiment"
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let ids = prompts.iter().flat_map(|prompt| &prompt.input_ids);
        let file = WorkloadFile {
            vocab_size: ids.max().map_or(1, |largest| largest.saturating_add(1)),
            prompts,
            ..WorkloadFile::default()
        };
        let bytes = serde_json::to_vec(&file).expect("numbers and texts serialise");
        let asked = file.prompts.into_iter().map(|prompt| AskedPrompt {
            input_ids: prompt.text.is_none().then_some(prompt.input_ids),
            output_tokens: prompt.output_tokens,
        });
        Ok(Self {
            digest: Digest::of(&bytes),
            asked: asked.collect(),
            bytes,
        })
    }

    /// Name of the file: its digest.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.json", self.digest)
    }
}

fn prompt(line: &str) -> Result<Prompt, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| {
        let message = error.to_string();
        let cause = message.split(" at line ").next().unwrap_or_default();
        format!("column {}: {cause}", error.column())
    })?;
    let (input_ids, text) = match (line.token_ids, line.text) {
        (Some(ids), None) => (ids, None),
        (None, Some(text)) => (Vec::new(), Some(text)),
        _ => return Err("a prompt has either `token_ids` or `text`".to_owned()),
    };
    let length = text
        .as_ref()
        .map_or(input_ids.len(), |text| text.chars().count());
    // The first token has nothing before it to be likely after.
    if !(2..=MAX_INPUT).contains(&length) {
        return Err(format!(
            "the prompt is {length} long; it must be from 2 to {MAX_INPUT}"
        ));
    }
    let output_tokens = line.output_tokens.unwrap_or(OUTPUT);
    if !(1..=MAX_OUTPUT).contains(&output_tokens) {
        return Err(format!("`output_tokens` must be from 1 to {MAX_OUTPUT}"));
    }
    Ok(Prompt {
        input_ids,
        text,
        output_tokens,
        ..Prompt::default()
    })
}

impl Campaign {
    /// Why no experiment of this campaign is assessed; none where they are.
    #[must_use]
    pub fn unassessed(&self) -> Option<Quality> {
        let weights = match self.model.weights() {
            Weights::Real if self.quality.policy.assess => return None,
            Weights::Real => {
                let message = "the campaign asks for no assessment";
                return Some(Quality::not_assessed(codes::DISABLED, message));
            }
            Weights::Dummy => "dummy",
            Weights::Random => "random",
        };
        let message = format!("the weights are {weights}: what they say means nothing");
        Some(Quality::not_assessed(codes::WEIGHTS, message))
    }

    /// The experiment that the others are held against.
    ///
    /// # Errors
    /// Why the campaign's words name none, or several: in one sentence.
    pub fn quality_reference(&self, experiments: &[Experiment]) -> Result<Option<Digest>, String> {
        let Some(spec) = &self.quality.policy.reference else {
            return Ok(None);
        };
        let fits: Vec<&Experiment> = match spec {
            ReferenceSpec::Experiment(id) => {
                let whole = experiments.iter().find(|experiment| experiment.id == *id);
                match whole {
                    Some(experiment) => vec![experiment],
                    None => experiments
                        .iter()
                        .filter(|experiment| experiment.id.starts_with(id))
                        .collect(),
                }
            }
            ReferenceSpec::When(when) => {
                let (condition, _) = Predicate::read(&Value::Object(when.clone()));
                experiments
                    .iter()
                    .filter(|experiment| self.holds(&condition, experiment))
                    .collect()
            }
        };
        match fits.as_slice() {
            [one] => Ok(Some(one.hash)),
            [] => Err("no experiment of the campaign fits".to_owned()),
            [first, second, ..] => Err(format!(
                "{} experiments fit, among them {} and {}: it must be one",
                fits.len(),
                first.id,
                second.id
            )),
        }
    }

    fn holds(&self, condition: &Predicate, experiment: &Experiment) -> bool {
        let values: Vec<(&str, Value)> = condition
            .names()
            .into_iter()
            .map(|name| (name, self.value_at(experiment, name)))
            .collect();
        condition.holds(&|name| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map_or(&Value::Null, |(_, value)| value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lemctls_own_prompts_are_sound_texts() {
        let own = QualityPrompts::own();
        assert_eq!(own.asked.len(), 16);
        assert!(own.asked.iter().all(|one| one.input_ids.is_none()));
        assert_eq!(own.digest, Digest::of(&own.bytes));
    }

    #[test]
    fn ids_are_kept_and_what_is_wrong_is_named_at_its_line() {
        let text = "{\"token_ids\": [5, 7]}\n\n{\"text\": \"ab\", \"output_tokens\": 3}\n";
        let prompts = QualityPrompts::parse("p", text).expect("good");
        assert_eq!(prompts.asked[0].input_ids.as_deref(), Some(&[5, 7][..]));
        let asked: Vec<u32> = prompts.asked.iter().map(|one| one.output_tokens).collect();
        assert_eq!(asked, [32, 3]);
        let file: WorkloadFile = serde_json::from_slice(&prompts.bytes).expect("a workload");
        assert_eq!((file.vocab_size, file.prompts.len()), (8, 2));
        for (text, word) in [
            ("", "from 1 to 256"),
            ("{}", "line 1: a prompt has either"),
            ("{\"text\": \"a\"}", "1 long"),
            (
                "{\"token_ids\": [1, 2], \"output_tokens\": 0}",
                "output_tokens",
            ),
            ("{\"token_ids\": [1, -2]}", "column"),
            ("{\"text\": \"ab\", \"tokens\": 1}", "unknown field"),
            (&"{\"text\": \"ab\"}\n".repeat(257), "from 1 to 256"),
        ] {
            let problems = QualityPrompts::parse("p", text).expect_err(word);
            assert!(problems[0].contains(word), "{problems:?}");
        }
    }
}
