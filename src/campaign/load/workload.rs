//! `workload` of the file → a plan of prompts.

use std::sync::Arc;

use super::Loader;
use crate::campaign::length::{LengthSpec, Lognormal, MAX_LENGTH};
use crate::campaign::prompts::{self, PromptLine};
use crate::campaign::spec::{ArrivalSpec, JsonlSpec, WorkloadSpec};
use crate::campaign::workload::{ArrivalPlan, Source, WorkloadPlan, sample};

impl Loader<'_> {
    pub(super) fn plan(&mut self, spec: &WorkloadSpec) -> Option<WorkloadPlan> {
        let (source, output_tokens) = match (&spec.synthetic, &spec.jsonl) {
            (Some(synthetic), None) => {
                let source = Source::Synthetic {
                    input_tokens: synthetic.input_tokens,
                    seed: synthetic.seed,
                    prompts: synthetic.prompts,
                };
                let input = self.length(
                    &["workload", "synthetic", "input_tokens"],
                    synthetic.input_tokens,
                );
                let output = self.length(
                    &["workload", "synthetic", "output_tokens"],
                    synthetic.output_tokens,
                );
                (input && output).then_some((source, synthetic.output_tokens))?
            }
            (None, Some(jsonl)) => {
                let output =
                    self.length(&["workload", "jsonl", "output_tokens"], jsonl.output_tokens);
                let source = self.lines(jsonl)?;
                output.then_some((source, jsonl.output_tokens))?
            }
            (Some(_), Some(_)) => {
                self.say(
                    &["workload", "jsonl"],
                    "`workload` has both `synthetic` and `jsonl`",
                    Some("keep one of them"),
                );
                return None;
            }
            (None, None) => {
                // A source that is written but wrong has been told already.
                if self.root.find(&["workload", "synthetic"]).is_none()
                    && self.root.find(&["workload", "jsonl"]).is_none()
                {
                    let hint = "for example `synthetic: {input_tokens: 128, output_tokens: 32}`";
                    self.say(
                        &["workload"],
                        "`workload` needs `synthetic` or `jsonl`",
                        Some(hint),
                    );
                }
                return None;
            }
        };
        let arrival = match spec.arrival {
            ArrivalSpec::Batch => ArrivalPlan::Batch,
            ArrivalSpec::ClosedLoop { concurrency } => ArrivalPlan::ClosedLoop { concurrency },
        };
        Some(WorkloadPlan {
            source,
            output_tokens,
            arrival,
            measure: spec.measure.into(),
        })
    }

    /// Whether a length can be drawn from.
    fn length(&mut self, path: &[&str], length: Option<LengthSpec>) -> bool {
        let Some(LengthSpec::Lognormal(lognormal)) = length else {
            return true;
        };
        let Lognormal { mean, min, max, .. } = lognormal;
        let path = [path, &["lognormal"]].concat();
        if min > max {
            self.say(
                &[&path[..], &["min"]].concat(),
                format!("`min` is {min}, above `max`, which is {max}"),
                None,
            );
        } else if mean < f64::from(min) || mean > f64::from(max) {
            let message =
                format!("`mean` is {mean}, outside of `min` to `max`, which is {min} to {max}");
            self.say(&[&path[..], &["mean"]].concat(), message, None);
        } else {
            return true;
        }
        false
    }

    fn lines(&mut self, jsonl: &JsonlSpec) -> Option<Source> {
        let file = ["workload", "jsonl", "file"];
        let lines = match self.prompts.read(&jsonl.file) {
            Ok(text) => prompts::parse(&jsonl.file, &text, MAX_LENGTH),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", jsonl.file);
                self.say(
                    &file,
                    message,
                    Some("the path is relative to the campaign file"),
                );
                return None;
            }
        };
        let lines = match lines {
            Ok(lines) => lines,
            Err(problems) => {
                for problem in problems {
                    self.say(&file, problem, Some("a line is {\"token_ids\": [1, 2]} or {\"text\": \"…\"}, with an optional \"output_tokens\""));
                }
                return None;
            }
        };
        let wanted = jsonl
            .prompts
            .map_or(lines.len(), |prompts| prompts as usize);
        if wanted > lines.len() {
            let message = format!(
                "{wanted} prompts are asked for, but {} has {}",
                jsonl.file,
                lines.len()
            );
            self.say(
                &["workload", "jsonl", "prompts"],
                message,
                Some(
                    "prompts are sampled without repetition; requests beyond the last start again",
                ),
            );
            return None;
        }
        let lines: Arc<[PromptLine]> = sample(lines, wanted, jsonl.seed).into();
        Some(Source::Lines {
            lines,
            seed: jsonl.seed,
        })
    }
}
