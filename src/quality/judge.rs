//! The rules of quality: sound by itself, and close to the reference.

use lem_protocol::{QualityOutput, QualityRecord};

use super::repetition::degenerate;
use super::{AskedPrompt, Quality, QualityReason, QualityStatus, Seen, codes};

/// How far from the reference a setting may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Most mean absolute difference of the prompt tokens' log-probabilities (natural).
    pub max_logprob_difference: f64,
    /// Least share of the reference's greedy tokens before the first difference.
    pub min_greedy_agreement: f64,
}

/// Share of degenerate outputs above which a setting without anything to compare with fails.
const MANY_REPETITIVE: f64 = 0.5;
/// Share of degenerate outputs by which a setting may be above its reference: small models circle by themselves.
const MORE_REPETITIVE: f64 = 0.25;
/// A log-probability above 0 by more than rounding is none.
const ROUNDING: f64 = 1e-3;

/// Judges what a setting made of the prompts. `reference` is what the reference experiment made of them; none if there
/// is none, or if this is the reference.
///
/// Both records have passed [`check`](super::check) against `asked`.
#[must_use]
pub fn judge(
    record: &QualityRecord,
    asked: &[AskedPrompt],
    reference: Option<&QualityRecord>,
    limits: Limits,
) -> Quality {
    let mut reasons: Vec<QualityReason> = Vec::new();
    let mut against = |code: &str, message: String| {
        reasons.push(QualityReason {
            code: code.to_owned(),
            message,
        });
    };
    let not_finite: u64 = record.outputs.iter().map(broken_logprobs).sum();
    if not_finite > 0 {
        against(
            codes::NOT_FINITE,
            format!("{not_finite} log-probabilities are not finite, or are none"),
        );
    }
    let off = record.outputs.iter().zip(asked).filter(|(output, asked)| {
        output.output_ids.len() != usize::try_from(asked.output_tokens).unwrap_or(usize::MAX)
    });
    if let Some((output, asked)) = off.clone().next() {
        let (have, want) = (output.output_ids.len(), asked.output_tokens);
        against(
            codes::TOKEN_COUNT,
            format!(
                "{} outputs are not as long as was asked; the first has {have} tokens of {want}",
                off.count()
            ),
        );
    }
    let repetitive = repetitive(record);
    let usual = reference.map(self::repetitive);
    let most = usual.map_or(MANY_REPETITIVE, |usual| usual + MORE_REPETITIVE);
    if repetitive > most {
        let than = usual.map_or(String::new(), |usual| {
            format!(", of the reference's {:.0} %", 100.0 * usual)
        });
        against(
            codes::REPETITION,
            format!(
                "{:.0} % of the outputs go round in circles{than}",
                100.0 * repetitive
            ),
        );
    }
    let mut seen = Seen {
        prompts: u32::try_from(record.outputs.len()).unwrap_or(u32::MAX),
        output_tokens: record
            .outputs
            .iter()
            .map(|output| output.output_ids.len() as u64)
            .sum(),
        not_finite,
        repetitive,
        logprob_difference: None,
        greedy_agreement: None,
    };
    let mut unknown = None;
    if let Some(reference) = reference {
        seen.logprob_difference = logprob_difference(record, reference);
        seen.greedy_agreement = Some(greedy_agreement(record, reference));
        match seen.logprob_difference {
            Some(difference) if difference > limits.max_logprob_difference => against(
                codes::LOGPROB_DIFFERENCE,
                format!(
                    "the prompt tokens' log-probabilities are {difference:.4} from the reference's on the mean, more than {}",
                    limits.max_logprob_difference
                ),
            ),
            Some(_) => {}
            None => {
                unknown = Some(
                    "prompts have no log-probabilities in common with the reference's: other tokens, or none given",
                );
            }
        }
        if let Some(agreement) = seen
            .greedy_agreement
            .filter(|agreement| *agreement < limits.min_greedy_agreement)
        {
            against(
                codes::GREEDY_AGREEMENT,
                format!(
                    "{:.1} % of the reference's greedy tokens come before the first difference, fewer than {:.1} %",
                    100.0 * agreement,
                    100.0 * limits.min_greedy_agreement
                ),
            );
        }
    }
    let mut status = match reasons.is_empty() {
        true => QualityStatus::Passed,
        false => QualityStatus::Failed,
    };
    if let (QualityStatus::Passed, Some(message)) = (status, unknown) {
        status = QualityStatus::NotAssessed;
        reasons.push(QualityReason {
            code: codes::LOGPROBS_MISSING.to_owned(),
            message: message.to_owned(),
        });
    }
    Quality {
        status,
        reasons,
        seen: Some(seen),
        reference: None,
    }
}

fn broken_logprobs(output: &QualityOutput) -> u64 {
    let all = output.input_logprobs.iter().chain(&output.output_logprobs);
    all.filter(|value| !value.is_some_and(|value| value.is_finite() && value <= ROUNDING))
        .count() as u64
}

/// Share of the outputs long enough to tell that are degenerate.
fn repetitive(record: &QualityRecord) -> f64 {
    let told: Vec<bool> = record
        .outputs
        .iter()
        .filter_map(|output| degenerate(&output.output_ids))
        .collect();
    told.iter().filter(|degenerate| **degenerate).count() as f64 / told.len().max(1) as f64
}

/// Over all prompt tokens that both have a value for; none if a prompt became other tokens, or there is no such value.
fn logprob_difference(record: &QualityRecord, reference: &QualityRecord) -> Option<f64> {
    let mut differences = Vec::new();
    for (output, reference) in record.outputs.iter().zip(&reference.outputs) {
        if output.input_ids != reference.input_ids {
            return None;
        }
        // Every prompt, or the mean would be of those alone that happen to have them.
        if output.input_logprobs.is_empty() || reference.input_logprobs.is_empty() {
            return None;
        }
        let pairs = output
            .input_logprobs
            .iter()
            .zip(&reference.input_logprobs)
            .filter_map(|(one, other)| Some(((*one)? - (*other)?).abs()));
        differences.extend(pairs);
    }
    let count = differences.len();
    (count > 0).then(|| differences.iter().sum::<f64>() / count as f64)
}

/// Tokens before the first difference, of all of the reference's.
fn greedy_agreement(record: &QualityRecord, reference: &QualityRecord) -> f64 {
    let (mut agreed, mut all) = (0, 0);
    for (output, reference) in record.outputs.iter().zip(&reference.outputs) {
        let pairs = output.output_ids.iter().zip(&reference.output_ids);
        agreed += pairs.take_while(|(one, other)| one == other).count();
        all += reference.output_ids.len();
    }
    agreed as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_logprob_difference: 0.1,
        min_greedy_agreement: 0.5,
    };

    fn asked(prompts: usize) -> Vec<AskedPrompt> {
        vec![
            AskedPrompt {
                input_ids: None,
                output_tokens: 32,
            };
            prompts
        ]
    }

    /// Eight prompts of ten tokens with outputs of 32 that do not repeat.
    fn sound() -> QualityRecord {
        let output = |number: u32| QualityOutput {
            input_ids: (0..10).map(|at| number * 10 + at).collect(),
            input_logprobs: vec![Some(-2.0); 9],
            output_ids: (0..32).map(|at| (at * at + number) % 997).collect(),
            output_logprobs: vec![Some(-0.3); 32],
        };
        QualityRecord {
            schema_version: 1,
            attempt: "a".to_owned(),
            workload: "w".to_owned(),
            outputs: (0..8).map(output).collect(),
        }
    }

    fn judged(change: impl Fn(usize, &mut QualityOutput)) -> (Quality, Quality) {
        let mut record = sound();
        for (number, output) in record.outputs.iter_mut().enumerate() {
            change(number, output);
        }
        let alone = judge(&record, &asked(8), None, LIMITS);
        let compared = judge(&record, &asked(8), Some(&sound()), LIMITS);
        (alone, compared)
    }

    fn reasons(quality: &Quality) -> Vec<&str> {
        quality.reasons.iter().map(|one| &*one.code).collect()
    }

    #[test]
    fn the_same_outputs_pass() {
        let (alone, compared) = judged(|_, _| ());
        assert_eq!(alone.status, QualityStatus::Passed);
        assert_eq!(compared.status, QualityStatus::Passed);
        let seen = compared.seen.expect("seen");
        assert_eq!((seen.prompts, seen.output_tokens), (8, 256));
        assert_eq!(seen.logprob_difference, Some(0.0));
        assert_eq!(seen.greedy_agreement, Some(1.0));
    }

    #[test]
    fn a_small_difference_passes_and_a_large_one_fails() {
        let (_, near) = judged(|_, output| {
            output.input_logprobs = vec![Some(-2.05); 9];
            output.output_ids[20] = 1;
        });
        assert_eq!(near.status, QualityStatus::Passed, "{near:?}");
        let seen = near.seen.expect("seen");
        assert!((seen.logprob_difference.expect("compared") - 0.05).abs() < 1e-9);
        assert_eq!(seen.greedy_agreement, Some(20.0 / 32.0));
        let (alone, far) = judged(|_, output| {
            output.input_logprobs = vec![Some(-2.2); 9];
            output.output_ids[3] = 1;
        });
        assert_eq!(alone.status, QualityStatus::Passed, "sound by itself");
        assert_eq!(far.status, QualityStatus::Failed);
        assert_eq!(reasons(&far), ["logprob_difference", "greedy_agreement"]);
    }

    #[test]
    fn what_is_not_finite_or_too_short_fails_by_itself() {
        let (nan, _) = judged(|number, output| {
            if number == 3 {
                output.output_logprobs[5] = None;
            }
        });
        assert_eq!(reasons(&nan), ["not_finite"]);
        let (none, _) = judged(|_, output| output.input_logprobs[0] = Some(0.5));
        assert_eq!(reasons(&none), ["not_finite"], "not a log-probability");
        let (short, _) = judged(|number, output| {
            if number == 0 {
                output.output_ids.pop();
                output.output_logprobs.pop();
            }
        });
        assert_eq!(reasons(&short), ["token_count"]);
        assert!(short.reasons[0].message.contains("31 tokens of 32"));
    }

    #[test]
    fn circles_fail_where_the_reference_has_fewer() {
        let circle = |output: &mut QualityOutput| output.output_ids = vec![7; 32];
        let (alone, compared) = judged(|_, output| circle(output));
        assert_eq!(reasons(&alone), ["repetition"]);
        assert_eq!(reasons(&compared), ["repetition", "greedy_agreement"]);
        // A quarter of them: a small model does that.
        let (alone, compared) = judged(|number, output| {
            if number < 2 {
                circle(output);
            }
        });
        assert_eq!(alone.status, QualityStatus::Passed);
        assert_eq!(compared.status, QualityStatus::Passed, "{compared:?}");
        // Like the reference's.
        let mut circling = sound();
        circling.outputs.iter_mut().for_each(circle);
        let same = judge(&circling, &asked(8), Some(&circling), LIMITS);
        assert_eq!(same.status, QualityStatus::Passed);
    }

    #[test]
    fn without_log_probabilities_nothing_can_be_said_but_what_fails_fails() {
        let (_, missing) = judged(|_, output| output.input_logprobs.clear());
        assert_eq!(missing.status, QualityStatus::NotAssessed);
        assert_eq!(reasons(&missing), ["logprobs_missing"]);
        let (_, other) = judged(|_, output| output.input_ids[0] = 4_000);
        assert_eq!(reasons(&other), ["logprobs_missing"], "other tokens");
        let (_, failed) = judged(|_, output| {
            output.input_logprobs.clear();
            output.output_ids[0] = 1_000;
        });
        assert_eq!(failed.status, QualityStatus::Failed);
        assert_eq!(reasons(&failed), ["greedy_agreement"]);
    }
}
