//! Single operations that every run or grid point pays for, by criterion: `cargo bench --bench pure`.
#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lem_protocol::{EventLine, Prompt, WorkloadFile};
use lemctl::campaign::PromptSource;
use lemctl::execution::{Event, ResultFile, Verdict};
use lemctl::runner::Planned;
use lemctl::units::Digest;

const CAMPAIGN: &str = include_str!("../campaigns/quickstart.yaml");
const CATALOGUE: &str = include_str!("../catalogues/reference-0.1.0.json");

struct NoFiles;

impl PromptSource for NoFiles {
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

fn planned() -> Planned {
    let catalogues = BTreeMap::from([("reference".to_owned(), CATALOGUE.to_owned())]);
    Planned::new("quickstart.yaml", CAMPAIGN, &catalogues, &NoFiles).unwrap()
}

fn operations(criterion: &mut Criterion) {
    criterion.bench_function("load and plan quickstart.yaml", |bench| bench.iter(planned));

    let planned = planned();
    let experiment = &planned.plan.experiments[0];
    criterion.bench_function("hash one experiment", |bench| {
        bench.iter(|| Digest::of_canonical(black_box(&experiment.canonical())));
    });

    let ended = Event::AttemptEnded {
        run: planned.plan.runs[0].id.clone(),
        attempt: 1,
        verdict: Verdict::Accepted,
        result: Some(ResultFile {
            path: "run/a1/result.json".into(),
            sha256: Digest::ZERO,
        }),
        figures: BTreeMap::from([("output_tokens_per_second".to_owned(), 1_234.5)]),
        simulated: false,
    };
    let line = serde_json::to_vec(&ended).unwrap();
    criterion.bench_function("write one event", |bench| {
        bench.iter(|| serde_json::to_vec(black_box(&ended)).unwrap());
    });
    criterion.bench_function("read one event", |bench| {
        bench.iter(|| serde_json::from_slice::<Event>(black_box(&line)).unwrap());
    });

    let progress =
        br#"{"id":7,"attempt":"e.c1.a1","event":{"type":"progress","completed_requests":3}}"#;
    criterion.bench_function("read one worker event", |bench| {
        bench.iter(|| serde_json::from_slice::<EventLine>(black_box(progress)).unwrap());
    });

    let prompt = Prompt {
        input_ids: (3..515).collect(),
        output_tokens: 128,
        ..Prompt::default()
    };
    let workload = WorkloadFile {
        vocab_size: 2048,
        prompts: vec![prompt; 64],
        ..WorkloadFile::default()
    };
    let bytes = serde_json::to_vec(&workload).unwrap();
    criterion.bench_function("digest a workload of 64 x 512 tokens", |bench| {
        bench.iter(|| Digest::of(black_box(&bytes)));
    });
}

criterion_group!(benches, operations);
criterion_main!(benches);
