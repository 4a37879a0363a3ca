//! What a worker left about quality → a record that is about what was asked. Untrusted until it passed here.

use lem_protocol::{QUALITY_SCHEMA_VERSION, QualityRecord};

/// Most input tokens of one prompt that are read: bounds what a record can make of a text.
const MAX_INPUT: usize = 1 << 16;

/// What was asked about one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPrompt {
    /// Its token ids, where it was given as such.
    pub input_ids: Option<Vec<u32>>,
    /// Tokens that were to be generated.
    pub output_tokens: u32,
}

/// Reads a quality record and holds it against what was asked. What the tokens are like is not judged here.
///
/// # Errors
/// What does not fit, in one sentence.
pub fn check(
    bytes: &[u8],
    attempt: &str,
    workload: &str,
    asked: &[AskedPrompt],
) -> Result<QualityRecord, String> {
    let record: QualityRecord =
        serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if record.schema_version != QUALITY_SCHEMA_VERSION {
        return Err(format!(
            "its layout is of version {}, not {QUALITY_SCHEMA_VERSION}",
            record.schema_version
        ));
    }
    if record.attempt != attempt {
        return Err("it is about another attempt".to_owned());
    }
    if record.workload != workload {
        return Err("it is about other prompts".to_owned());
    }
    if record.outputs.len() != asked.len() {
        let (have, want) = (record.outputs.len(), asked.len());
        return Err(format!("it has {have} outputs of {want} prompts"));
    }
    for (number, (output, asked)) in record.outputs.iter().zip(asked).enumerate() {
        let wrong = |what: &str| Err(format!("output {number}: {what}"));
        if output.input_ids.is_empty() || output.input_ids.len() > MAX_INPUT {
            return wrong("it has no input, or too long a one");
        }
        if let Some(ids) = &asked.input_ids
            && *ids != output.input_ids
        {
            return wrong("its input is not the prompt");
        }
        let logprobs = output.input_logprobs.len();
        if logprobs != 0 && logprobs + 1 != output.input_ids.len() {
            return wrong("its input has more or fewer log-probabilities than tokens");
        }
        if output.output_logprobs.len() != output.output_ids.len() {
            return wrong("its output has more or fewer log-probabilities than tokens");
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use lem_protocol::QualityOutput;

    use super::*;

    fn record() -> QualityRecord {
        QualityRecord {
            schema_version: QUALITY_SCHEMA_VERSION,
            attempt: "e.c1.a1".to_owned(),
            workload: "ab".to_owned(),
            outputs: vec![QualityOutput {
                input_ids: vec![1, 2, 3],
                input_logprobs: vec![Some(-1.0), None],
                output_ids: vec![4, 5],
                output_logprobs: vec![Some(-0.5), Some(-0.1)],
            }],
        }
    }

    fn checked(change: impl FnOnce(&mut QualityRecord)) -> Result<QualityRecord, String> {
        let mut record = record();
        change(&mut record);
        let bytes = serde_json::to_vec(&record).expect("it encodes");
        let asked = [AskedPrompt {
            input_ids: Some(vec![1, 2, 3]),
            output_tokens: 2,
        }];
        check(&bytes, "e.c1.a1", "ab", &asked)
    }

    #[test]
    fn a_record_of_what_was_asked_passes_and_any_other_is_named() {
        assert_eq!(checked(|_| ()), Ok(record()));
        type Change = (&'static str, fn(&mut QualityRecord));
        let changes: [Change; 8] = [
            ("version", |record| record.schema_version = 9),
            ("another attempt", |record| record.attempt.clear()),
            ("other prompts", |record| record.workload.clear()),
            ("outputs of", |record| record.outputs.clear()),
            ("not the prompt", |record| {
                record.outputs[0].input_ids[0] = 9
            }),
            ("no input", |record| record.outputs[0].input_ids.clear()),
            ("its input has", |record| {
                record.outputs[0].input_logprobs.push(None)
            }),
            ("its output has", |record| {
                record.outputs[0].output_logprobs.clear()
            }),
        ];
        for (word, change) in changes {
            let error = checked(change).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        assert!(check(b"[]", "e.c1.a1", "ab", &[]).is_err());
        // Counts of tokens are a matter of quality, not of form.
        assert!(
            checked(|record| {
                record.outputs[0].output_ids.pop();
                record.outputs[0].output_logprobs.pop();
            })
            .is_ok()
        );
        assert!(checked(|record| record.outputs[0].input_logprobs.clear()).is_ok());
    }
}
