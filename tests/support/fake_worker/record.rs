//! The record of an honest worker, and its lies.

use std::collections::BTreeMap;

use lem_protocol::{
    Hello, Mark, MarkName, Measure, Outcome, PROTOCOL_VERSION, Parameters, RECORD_FILE,
    RECORD_SCHEMA_VERSION, Record, RequestRecord, TimingKind, Weights, WorkloadFile,
};
use lemctl::clock::Clock;

use super::outbox::leave;
use super::{Act, FakeWorker};
use crate::fake_engine::Process;

pub(super) struct Asked<'a> {
    pub(super) backend: &'a str,
    pub(super) attempt: &'a str,
    pub(super) loaded: &'a Parameters,
    pub(super) weights: Weights,
    pub(super) measure: &'a Measure,
}

impl FakeWorker {
    pub(super) fn hello(&self, backend: &str, act: Option<&Act>) -> Hello {
        let mut hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            backend: backend.to_owned(),
            backend_version: "0.1.0".to_owned(),
            packages: BTreeMap::new(),
            gpus: vec![],
            device: "cpu".to_owned(),
            monotonic_ns: self.clock.monotonic_ns(),
        };
        if let Some(Act::Hello(change)) = act {
            change(&mut hello);
        }
        hello
    }

    pub(super) fn write(&self, process: &Process, asked: &Asked<'_>, act: Option<&Act>) -> Outcome {
        let mut record = self.honest(process, asked);
        if let Some(Act::Lie(lie)) = act {
            lie(&mut record);
        }
        let bytes = serde_json::to_vec(&record).unwrap();
        let (bytes, sha256) = leave(process, asked.attempt, RECORD_FILE, &bytes, act);
        Outcome::Measure { bytes, sha256 }
    }

    fn honest(&self, process: &Process, asked: &Asked<'_>) -> Record {
        let Measure { work, measure, .. } = asked.measure;
        let workloads = process.spec.overlay().control.join("workloads");
        let text = std::fs::read(workloads.join(format!("{}.json", work.workload))).unwrap();
        let workload: WorkloadFile = serde_json::from_slice(&text).unwrap();
        let start = self.clock.monotonic_ns();
        let count = measure.min_requests.max(1);
        let each = (measure.min_seconds * 1e9) as u64 / u64::from(count) + 1_000_000;
        self.clock.advance(each * u64::from(count));
        let requests = (0..count).map(|index| {
            let prompt = index % u32::try_from(workload.prompts.len()).unwrap();
            let asked = &workload.prompts[prompt as usize];
            let queued_ns = start + each * u64::from(index);
            RequestRecord {
                prompt,
                input_tokens: u32::try_from(asked.input_ids.len()).unwrap(),
                output_tokens: asked.output_tokens,
                queued_ns,
                prefill_ns: queued_ns + 10,
                first_token_ns: queued_ns + 100,
                token_gaps_ns: vec![100; asked.output_tokens as usize - 1],
                ..RequestRecord::default()
            }
        });
        let mark = |name, monotonic_ns| Mark { name, monotonic_ns };
        let mut requested = asked.loaded.clone();
        requested.extend(work.parameters.clone());
        Record {
            schema_version: RECORD_SCHEMA_VERSION,
            attempt: asked.attempt.to_owned(),
            backend: asked.backend.to_owned(),
            backend_version: "0.1.0".to_owned(),
            device: "cpu".to_owned(),
            weights: asked.weights,
            effective: requested.clone(),
            requested,
            workload: work.workload.clone(),
            arrival: work.arrival,
            requests: requests.collect(),
            unfinished: vec![],
            marks: vec![
                mark(MarkName::MeasureStart, start),
                mark(MarkName::MeasureEnd, self.clock.monotonic_ns()),
            ],
            token_timing: TimingKind::Measured,
            tokens_sha256: None,
            chat_template_sha256: None,
            profile: None,
        }
    }
}
