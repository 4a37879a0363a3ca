//! What a worker leaves in its outbox: a record, checked and turned into figures; a quality record, checked and judged;
//! an exit record; a harness's scores.

use lem_protocol::{Arrival, ExitRecord, MeasureFor, QualityRecord, Record};
use lemctl::campaign::PromptLength;
use lemctl::energy::{Denominators, Slo, energy_figures, slo_figures, window_figures};
use lemctl::quality::{AskedPrompt, Limits, Scores};
use lemctl::worker::{Expected, check};
use lemctl::{quality, worker};

/// Lengths as they may be known: of exact length, ended by the model, and a text.
const LENGTHS: [PromptLength; 3] = [
    PromptLength {
        input_tokens: Some(2),
        output_tokens: 3,
        natural: false,
    },
    PromptLength {
        input_tokens: Some(4),
        output_tokens: 3,
        natural: true,
    },
    PromptLength {
        input_tokens: None,
        output_tokens: 5,
        natural: true,
    },
];

pub fn run(bytes: &[u8]) {
    if let Ok(record) = serde_json::from_slice::<Record>(bytes) {
        asked(bytes, &record);
        figures(&record);
    }
    if let Ok(record) = serde_json::from_slice::<QualityRecord>(bytes) {
        answers(bytes, &record);
    }
    if let Err(why) = check(bytes, &stranger()) {
        super::assert_printable(&why);
    }
    let _ = serde_json::from_slice::<ExitRecord>(bytes);
    if let Ok(scores) = Scores::parse(bytes) {
        let text = serde_json::to_vec(&scores).unwrap();
        assert_eq!(serde_json::from_slice::<Scores>(&text).unwrap(), scores);
    }
}

/// Something else was asked than what the record says.
fn stranger() -> Expected<'static> {
    static NONE: lem_protocol::Parameters = lem_protocol::Parameters::new();
    Expected {
        attempt: "e.c1.a1",
        backend: "reference",
        requested: &NONE,
        workload: "aa",
        lengths: &LENGTHS,
        arrivals_ns: &[],
        chat_template: None,
        weights: lem_protocol::Weights::Random,
        arrival: Arrival::Batch {},
        measure: MeasureFor {
            min_seconds: 0.5,
            min_requests: 1,
        },
        go_ns: 0,
        done_ns: u64::MAX,
    }
}

/// What the record says was asked, so that its times and counts are what is checked.
fn asked(bytes: &[u8], record: &Record) {
    let dues = record.requests.iter().filter_map(|request| request.due_ns);
    let arrivals_ns: Vec<u64> = dues.take(64).collect();
    for lengths in [&LENGTHS[..1], &LENGTHS[..2], &LENGTHS[..]] {
        let checked = check(
            bytes,
            &Expected {
                attempt: &record.attempt,
                backend: &record.backend,
                requested: &record.requested,
                workload: &record.workload,
                lengths,
                arrivals_ns: &arrivals_ns,
                chat_template: record.chat_template_sha256.as_deref(),
                weights: record.weights,
                arrival: record.arrival,
                ..stranger()
            },
        );
        match checked {
            Ok(checked) => {
                assert_eq!(checked, *record);
                let figures = window_figures(&checked).expect("a checked record has a window");
                assert!(figures.seconds > 0.0 && figures.output_tokens_per_second.is_finite());
            }
            Err(why) => super::assert_printable(&why),
        }
    }
}

/// Figures of a record that nobody checked: `results validate` reads what lies on disk.
fn figures(record: &Record) {
    let Some(figures) = window_figures(record) else {
        return;
    };
    let slo = Slo {
        ttft_p99_ms: Some(10.0),
        itl_p99_ms: Some(1.0),
    };
    let _ = slo_figures(record, &figures, slo);
    let by = Denominators {
        output_tokens: figures.output_tokens,
        input_tokens: figures.input_tokens,
        requests: figures.requests,
    };
    let _ = energy_figures(Some(100.0), figures.seconds, Some(10.0), by);
    let _ = serde_json::to_vec(&figures).unwrap();
}

fn answers(bytes: &[u8], record: &QualityRecord) {
    let asked: Vec<AskedPrompt> = record
        .outputs
        .iter()
        .take(64)
        .enumerate()
        .map(|(number, output)| AskedPrompt {
            input_ids: (number % 2 == 0).then(|| output.input_ids.clone()),
            output_tokens: u32::try_from(output.output_ids.len()).unwrap_or(u32::MAX),
        })
        .collect();
    match quality::check(bytes, &record.attempt, &record.workload, &asked) {
        Ok(checked) => {
            let limits = Limits {
                max_logprob_difference: 0.05,
                min_greedy_agreement: 0.9,
            };
            for reference in [None, Some(&checked)] {
                let judged = quality::judge(&checked, &asked, reference, limits);
                super::assert_printable(&worker::printable(judged.line().as_bytes()));
            }
        }
        Err(why) => super::assert_printable(&worker::printable(why.as_bytes())),
    }
}
