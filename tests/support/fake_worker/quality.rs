//! What an honest worker makes of pinned prompts, and its lies.

use lem_protocol::{
    Assess, Outcome, Parameters, QUALITY_FILE, QUALITY_SCHEMA_VERSION, QualityOutput,
    QualityRecord, WorkloadFile,
};

use super::outbox::leave;
use super::{Act, FakeWorker};
use crate::fake_engine::Process;

impl FakeWorker {
    pub(super) fn answers(
        &self,
        process: &Process,
        attempt: &str,
        assess: &Assess,
        loaded: &Parameters,
        act: Option<&Act>,
    ) -> Outcome {
        let workloads = process.spec.overlay().control.join("workloads");
        let text = std::fs::read(workloads.join(format!("{}.json", assess.workload))).unwrap();
        let workload: WorkloadFile = serde_json::from_slice(&text).unwrap();
        let outputs = workload.prompts.iter().map(|prompt| {
            let text = prompt.text.as_deref().unwrap_or_default();
            let input_ids: Vec<u32> = match text {
                "" => prompt.input_ids.clone(),
                text => text.bytes().map(u32::from).collect(),
            };
            let seed = input_ids.iter().sum::<u32>();
            QualityOutput {
                input_logprobs: vec![Some(-2.0); input_ids.len() - 1],
                output_ids: (0..prompt.output_tokens)
                    .map(|at| (at * at + seed) % 9973)
                    .collect(),
                output_logprobs: vec![Some(-0.5); prompt.output_tokens as usize],
                input_ids,
            }
        });
        let mut record = QualityRecord {
            schema_version: QUALITY_SCHEMA_VERSION,
            attempt: attempt.to_owned(),
            workload: assess.workload.clone(),
            outputs: outputs.collect(),
        };
        if let Some(Act::Answers(change)) = act {
            change(loaded, &mut record);
        }
        let bytes = serde_json::to_vec(&record).unwrap();
        let (bytes, sha256) = leave(process, attempt, QUALITY_FILE, &bytes, act);
        Outcome::Assess { bytes, sha256 }
    }
}
