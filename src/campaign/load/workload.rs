//! `workload` of the file → a plan of prompts.

use std::sync::Arc;

use lem_protocol::MeasureFor;

use super::Loader;
use crate::campaign::length::{LengthSpec, Lognormal, MAX_LENGTH};
use crate::campaign::prompts::{self, Kind, PromptLine};
use crate::campaign::workload::{
    ArrivalPlan, ArrivalSpec, JsonlSpec, OpenLoopSpec, Process, ProcessSpec, Source, TraceSpec,
    WorkloadPlan, WorkloadSpec, sample,
};

/// Largest chat template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 256 * 1024;

impl Loader<'_> {
    pub(super) fn plan(&mut self, spec: &WorkloadSpec) -> Option<WorkloadPlan> {
        let arrival = self.arrival(&spec.arrival);
        let trace = match &spec.arrival {
            ArrivalSpec::Trace(trace) => Some(trace),
            _ => None,
        };
        let mut plan = match (&spec.synthetic, &spec.jsonl, trace) {
            (Some(synthetic), None, None) => {
                let place = |key| ["workload", "synthetic", key];
                let input = self.length(&place("input_tokens"), synthetic.input_tokens);
                let output = self.length(&place("output_tokens"), synthetic.output_tokens);
                (input && output).then(|| WorkloadPlan {
                    source: Source::Synthetic {
                        input_tokens: synthetic.input_tokens,
                        seed: synthetic.seed,
                        prompts: synthetic.prompts,
                    },
                    output_tokens: synthetic.output_tokens,
                    output: None,
                    chat_template: None,
                    arrival: ArrivalPlan::Batch,
                    measure: spec.measure.into(),
                })
            }
            (None, Some(jsonl), None) => self.jsonl(jsonl, spec.measure.into()),
            (None, None, Some(trace)) => self.trace(trace),
            (None, None, None) => {
                self.no_source();
                None
            }
            (Some(_), Some(_), _) => {
                self.say(
                    &["workload", "jsonl"],
                    "`workload` has both `synthetic` and `jsonl`",
                    Some("keep one of them"),
                );
                None
            }
            (synthetic, _, Some(_)) => {
                let key = if synthetic.is_some() {
                    "synthetic"
                } else {
                    "jsonl"
                };
                self.say(
                    &["workload", key],
                    format!("`{key}` has no effect: a trace brings its own prompts"),
                    Some("remove the key, or let requests arrive in an `open_loop`"),
                );
                None
            }
        }?;
        plan.arrival = arrival?;
        Some(plan)
    }

    fn no_source(&mut self) {
        // A source that is written but wrong has been told already.
        let written: [&[&str]; 3] = [
            &["workload", "synthetic"],
            &["workload", "jsonl"],
            &["workload", "arrival", "trace"],
        ];
        if written.iter().all(|path| self.root.find(path).is_none()) {
            self.say(
                &["workload"],
                "`workload` needs `synthetic` or `jsonl`",
                Some("for example `synthetic: {input_tokens: 128, output_tokens: 32}`"),
            );
        }
    }

    fn arrival(&mut self, spec: &ArrivalSpec) -> Option<ArrivalPlan> {
        match spec {
            ArrivalSpec::Batch => Some(ArrivalPlan::Batch),
            ArrivalSpec::ClosedLoop { concurrency } => Some(ArrivalPlan::ClosedLoop {
                concurrency: *concurrency,
            }),
            ArrivalSpec::OpenLoop(spec) => self.open_loop(spec),
            ArrivalSpec::Trace(trace) => Some(ArrivalPlan::Trace {
                drain_seconds: trace.drain_seconds,
            }),
        }
    }

    fn open_loop(&mut self, spec: &OpenLoopSpec) -> Option<ArrivalPlan> {
        let place = ["workload", "arrival", "open_loop", "burstiness"];
        let burstiness = match (spec.process, spec.burstiness) {
            (ProcessSpec::Gamma, Some(burstiness)) => burstiness,
            (ProcessSpec::Gamma, None) => {
                self.say(
                    &["workload", "arrival", "open_loop", "process"],
                    "process `gamma` needs `burstiness`",
                    Some("1 is `poisson`, less is more bursty, more is more regular"),
                );
                return None;
            }
            (_, Some(_)) => {
                self.say(
                    &place,
                    "`burstiness` has no effect: it is the shape of process `gamma`",
                    Some("write `process: gamma`, or remove the key"),
                );
                return None;
            }
            (_, None) => 1.0,
        };
        if spec.process == ProcessSpec::Constant
            && self
                .root
                .find(&["workload", "arrival", "open_loop", "seed"])
                .is_some()
        {
            self.say(
                &["workload", "arrival", "open_loop", "seed"],
                "`seed` has no effect: nothing of process `constant` is random",
                Some("remove the key"),
            );
            return None;
        }
        Some(ArrivalPlan::OpenLoop {
            rate: spec.rate,
            process: Process {
                process: spec.process,
                burstiness,
                seed: spec.seed,
            },
            drain_seconds: spec.drain_seconds,
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

    fn jsonl(&mut self, jsonl: &JsonlSpec, measure: MeasureFor) -> Option<WorkloadPlan> {
        let place = |key| ["workload", "jsonl", key];
        let output = self.length(&place("output_tokens"), jsonl.output_tokens);
        let lines = self.read_lines(&place("file"), &jsonl.file, Kind::Prompts)?;
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
                &place("prompts"),
                message,
                Some(
                    "prompts are sampled without repetition; requests beyond the last start again",
                ),
            );
            return None;
        }
        let template = self.template(&place("chat_template"), jsonl.chat_template.as_deref())?;
        let lines: Arc<[PromptLine]> = sample(lines, wanted, jsonl.seed).into();
        output.then_some(WorkloadPlan {
            source: Source::Lines {
                lines,
                seed: jsonl.seed,
            },
            output_tokens: jsonl.output_tokens,
            output: jsonl.output,
            chat_template: template,
            arrival: ArrivalPlan::Batch,
            measure,
        })
    }

    fn trace(&mut self, trace: &TraceSpec) -> Option<WorkloadPlan> {
        let place = |key| ["workload", "arrival", "trace", key];
        let output = self.length(&place("output_tokens"), trace.output_tokens);
        if self.root.find(&["workload", "measure"]).is_some() {
            self.say(
                &["workload", "measure"],
                "`measure` has no effect: a trace is measured whole",
                Some("remove the key, or shorten the trace"),
            );
        }
        let lines = self.read_lines(&place("file"), &trace.file, Kind::Trace)?;
        let template = self.template(&place("chat_template"), trace.chat_template.as_deref())?;
        output.then_some(WorkloadPlan {
            measure: MeasureFor {
                min_seconds: 0.0,
                min_requests: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            },
            source: Source::Lines {
                lines: lines.into(),
                seed: trace.seed,
            },
            output_tokens: trace.output_tokens,
            output: trace.output,
            chat_template: template,
            arrival: ArrivalPlan::Batch,
        })
    }

    fn read_lines(&mut self, place: &[&str], path: &str, kind: Kind) -> Option<Vec<PromptLine>> {
        let lines = match self.prompts.read(path) {
            Ok(text) => prompts::parse(path, &text, kind, MAX_LENGTH),
            Err(error) => {
                let hint = "the path is relative to the campaign file";
                self.say(place, format!("{path} cannot be read: {error}"), Some(hint));
                return None;
            }
        };
        let hint = match kind {
            Kind::Prompts => {
                "a line is {\"token_ids\": [1, 2]}, {\"text\": \"…\"} or {\"messages\": [{\"role\": \"user\", \"content\": \"…\"}]}, with an optional \"output_tokens\""
            }
            Kind::Trace => {
                "a line is {\"at\": 1.5, \"input_tokens\": 128, \"output_tokens\": 32}, or has \"token_ids\", \"text\" or \"messages\" instead of \"input_tokens\""
            }
        };
        lines
            .map_err(|problems| {
                for problem in problems {
                    self.say(place, problem, Some(hint));
                }
            })
            .ok()
    }

    /// The text of a chat template: none where none is named, nothing where it cannot be had.
    fn template(&mut self, place: &[&str], path: Option<&str>) -> Option<Option<Arc<str>>> {
        let Some(path) = path else { return Some(None) };
        let (message, hint) = match self.prompts.read(path) {
            Ok(text) if text.len() > MAX_TEMPLATE_BYTES => (
                format!(
                    "{path} has {} bytes; a template has at most {MAX_TEMPLATE_BYTES}",
                    text.len()
                ),
                "a chat template is a Jinja text of some kilobytes",
            ),
            Ok(text) if text.trim().is_empty() => (
                format!("{path} is empty"),
                "remove the key to use the model's own template",
            ),
            Ok(text) => return Some(Some(text.into())),
            Err(error) => (
                format!("{path} cannot be read: {error}"),
                "the path is relative to the campaign file",
            ),
        };
        self.say(place, message, Some(hint));
        None
    }

    /// Where the key `key` of the file of prompts is written, or would be.
    pub(super) fn lines_at<'k>(&self, key: &'k str) -> Vec<&'k str> {
        if self.root.find(&["workload", "arrival", "trace"]).is_some() {
            vec!["workload", "arrival", "trace", key]
        } else {
            vec!["workload", "jsonl", key]
        }
    }
}
