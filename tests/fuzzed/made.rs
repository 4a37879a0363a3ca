//! Seeds that come out of lemctl itself: a journal with every kind of event, the files of a sealed campaign, records,
//! protocol lines. They are committed, so that the fuzz workspace needs none of this to run.

use std::collections::BTreeMap;

use camino::Utf8Path;
use lem_protocol as protocol;
use lemctl::energy::sensor::{Estimate, Gain, SENSOR_FILE_VERSION, SensorFile};
use lemctl::execution::{Assessed, Blame, Cause, Event, Reason, ResultFile, Verdict};
use lemctl::quality::{Quality, Scores};
use lemctl::store::Folders;
use lemctl::units::Digest;
use serde_json::{Value, json};

use crate::fake_worker::Act;
use crate::stage::Stage;
use crate::subjects;

/// Every seed that is made, by target and name.
struct Seeds(BTreeMap<(&'static str, String), Vec<u8>>);

impl Seeds {
    fn add(&mut self, target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.insert((target, name.to_owned()), bytes.into());
    }

    fn add_json(&mut self, target: &'static str, name: &str, value: &impl serde::Serialize) {
        self.add(target, name, serde_json::to_vec(value).unwrap());
    }
}

/// With `UPDATE_FUZZ_SEEDS=1` they are written; without, each of them is there.
#[tokio::test(start_paused = true)]
async fn seeds_come_out_of_lemctl() {
    let mut seeds = Seeds(BTreeMap::new());
    campaign(&mut seeds).await;
    events(&mut seeds);
    lines(&mut seeds);
    answers(&mut seeds);
    let root = subjects::repository().join("fuzz/seeds");
    for ((target, name), bytes) in &seeds.0 {
        let path = root.join(target).join(name);
        if std::env::var_os("UPDATE_FUZZ_SEEDS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(path.exists(), "{path}: UPDATE_FUZZ_SEEDS=1");
    }
}

/// A journal as the subject takes it: events alone, without number, chain and creation.
fn journal(folders: &Folders) -> Vec<u8> {
    let text = std::fs::read_to_string(folders.results().join("journal.jsonl")).unwrap();
    let lines = text.lines().skip(1).map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        // A host's description says nothing that a reader looks at, and is not committed.
        if let Some(environment) = line.pointer_mut("/event/session_started/environment") {
            *environment = json!({"gpus": ["GPU-0"]});
        }
        json!({"event": line["event"]}).to_string()
    });
    (lines.collect::<Vec<_>>().join("\n") + "\n").into_bytes()
}

/// The files of a campaign in which one run fails and one is rejected.
async fn campaign(seeds: &mut Seeds) {
    let stage = Stage::new(subjects::journal::TEXT);
    stage.worker.at("measure", 2, Act::Refuse("out_of_memory"));
    stage.worker.at("measure", 4, Act::Crash(9));
    stage.up().await.unwrap();
    let folders = stage.folders();
    seeds.add("journal", "campaign", journal(&folders));
    let manifest = std::fs::read(folders.manifests().join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["environment"] = json!({"gpus": ["GPU-0"]});
    let sums = std::fs::read_to_string(folders.manifests().join("SHA256SUMS")).unwrap();
    let mut whole = serde_json::to_vec(&manifest).unwrap();
    whole.extend_from_slice(format!("\n# SHA256SUMS\n{sums}\n# journal\n").as_bytes());
    whole.extend_from_slice(&journal(&folders));
    seeds.add("manifest", "campaign", whole);
    let results = folders.results();
    let cited = stage.state().history(0).find_map(|attempt| attempt.result);
    let record = results.join(Utf8Path::new(&cited.unwrap().path).with_file_name("record.json"));
    let mut record: protocol::Record =
        serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    seeds.add_json("record", "batch", &record);
    record.arrival = protocol::Arrival::ClosedLoop { concurrency: 2 };
    record.token_timing = protocol::TimingKind::Estimated;
    record.requests[0].chunk_tokens = vec![1, 2];
    record.unfinished = vec![protocol::UnfinishedRequest {
        input_tokens: 4,
        queued_ns: record.requests[0].queued_ns,
        prefill_ns: Some(record.requests[0].prefill_ns),
        first_token_ns: Some(record.requests[0].first_token_ns),
        token_gaps_ns: vec![5],
        ..protocol::UnfinishedRequest::default()
    }];
    seeds.add_json("record", "closed-loop", &record);
    record.arrival = protocol::Arrival::OpenLoop { drain_seconds: 1 };
    for request in &mut record.requests {
        request.due_ns = Some(request.queued_ns);
    }
    record.unfinished[0].due_ns = Some(record.unfinished[0].queued_ns);
    record.profile = Some(protocol::Profile {
        profiler: "torch".to_owned(),
        flops: Some(1 << 40),
        device_busy_ns: 100,
        prefill_ns: 50,
        decode_ns: 50,
    });
    seeds.add_json("record", "open-loop", &record);
}

/// Events that a campaign which goes well has not.
fn events(seeds: &mut Seeds) {
    let stage = Stage::new(subjects::journal::TEXT);
    let plan = &stage.planned.plan;
    let (run, other) = (plan.runs[0].id.clone(), plan.runs[1].id.clone());
    let experiment = plan.experiments[0].hash;
    let step = plan.step_id(&plan.graph[plan.runs[0].node]);
    let load = plan.step_id(&plan.graph[plan.loads[0].node]);
    let image = plan.step_id(&lemctl::plan::Step::EnsureImage {
        backend: "reference".to_owned(),
    });
    let cause = |blame| Cause::new(blame, "out_of_memory", "it needs 90 GB").hint("less of it");
    let session = |session| Event::SessionStarted {
        session,
        lemctl: "0.1.0".to_owned(),
        boot_id: "boot".to_owned(),
        environment_hash: Digest::of(b"environment"),
        environment: json!({"gpus": ["GPU-0"]}),
    };
    let result = ResultFile {
        path: format!("{run}/a1/result.json"),
        sha256: Digest::of(b"result"),
    };
    let started = |run: &String, attempt| Event::AttemptStarted {
        run: run.clone(),
        attempt,
    };
    let ended = |run: &String, attempt, verdict, result| Event::AttemptEnded {
        run: run.clone(),
        attempt,
        verdict,
        result,
        figures: [("output_tokens_per_second".to_owned(), 5.25)].into(),
        simulated: true,
    };
    let reasons = vec![Reason {
        code: "thermal".to_owned(),
        message: "91 °C".to_owned(),
    }];
    let lost = |backend: &str| Event::WorkerLost {
        backend: backend.to_owned(),
        reason: "gone".to_owned(),
    };
    let tasks = [("arc".to_owned(), [("acc".to_owned(), 0.5)].into())].into();
    let events = vec![
        session(1),
        Event::OverrideAccepted {
            differences: vec!["model.sha256".to_owned(), "driver".to_owned()],
        },
        Event::StepStarted {
            step: image.clone(),
        },
        Event::StepDone {
            step: image,
            detail: json!({"id": "sha256:ab"}),
        },
        Event::StepStarted { step: load.clone() },
        Event::StepFailed {
            step: load.clone(),
            cause: cause(Blame::Environment),
        },
        Event::StepStarted { step: load.clone() },
        Event::StepDone {
            step: load.clone(),
            detail: Value::Null,
        },
        started(&run, 1),
        ended(&run, 1, Verdict::Rejected { reasons }, Some(result.clone())),
        Event::QualityAssessed {
            experiment,
            assessed: Assessed {
                run: run.clone(),
                attempt: 1,
                prompts: Digest::of(b"prompts"),
                file: Some(result.clone()),
                quality: Quality::not_assessed("dummy", "no real weights"),
            },
        },
        Event::ResultLost {
            run: run.clone(),
            attempt: 1,
            reason: "altered".to_owned(),
        },
        started(&run, 2),
        Event::AttemptInterrupted {
            run: run.clone(),
            attempt: 2,
        },
        Event::RunSkipped {
            run: other.clone(),
            cause: cause(Blame::Config),
        },
        lost("reference"),
        Event::ContainerLost {
            backend: "reference".to_owned(),
            reason: "removed from outside".to_owned(),
        },
        Event::BreakerOpened {
            cause: cause(Blame::Environment),
        },
        Event::StopRequested {
            reason: "SIGINT".to_owned(),
        },
        Event::SessionEnded {},
        Event::RunsReopened { runs: vec![other] },
        Event::ScoresAttached {
            experiment,
            scores: Scores {
                sha256: Digest::of(b"scores"),
                tasks,
            },
        },
        session(2),
        started(&run, 3),
        ended(
            &run,
            3,
            Verdict::Failed {
                cause: cause(Blame::Config),
            },
            None,
        ),
        Event::CycleAdded {
            cycle: 4,
            plan_hash: plan.grown().hash(),
            reason: "wider than 2 %".to_owned(),
        },
        Event::StepStarted { step },
        Event::SessionEnded {},
        Event::Sealed {
            manifest_sha256: Digest::of(b"manifest"),
        },
    ];
    let lines = events
        .iter()
        .map(|event| json!({"event": event}).to_string() + "\n");
    seeds.add("journal", "every-event", lines.collect::<String>());
}

/// Both sides of the conversation, and the short programs' answers.
fn lines(seeds: &mut Seeds) {
    use protocol::{Event, EventLine, Outcome};
    let mark = protocol::Mark {
        name: protocol::MarkName::LoadStart,
        monotonic_ns: 5,
    };
    let say = |id, attempt: Option<&str>, event| {
        let line = EventLine {
            id,
            attempt: attempt.map(str::to_owned),
            event,
        };
        serde_json::to_string(&line).unwrap() + "\n"
    };
    let done = |outcome| Event::Done { outcome };
    let attempt = Some("e.c1.a1");
    let hello = Outcome::Hello(protocol::Hello {
        protocol_version: 2,
        backend: "reference".to_owned(),
        backend_version: "0.1.0".to_owned(),
        packages: [("torch".to_owned(), "2.9".to_owned())].into(),
        gpus: vec!["GPU-0".to_owned()],
        device: "cuda".to_owned(),
        monotonic_ns: 1,
    });
    let text = [
        say(1, None, done(hello)),
        say(2, attempt, Event::Mark(mark)),
        say(
            2,
            attempt,
            Event::Progress {
                completed_requests: 3,
            },
        ),
        say(2, attempt, Event::Ready {}),
        say(
            3,
            None,
            done(Outcome::Warmup {
                output_tokens: 9,
                elapsed_ns: 8,
            }),
        ),
        say(
            4,
            attempt,
            done(Outcome::Measure {
                bytes: 9,
                sha256: "ab".repeat(32),
            }),
        ),
        say(5, None, done(Outcome::Ping { monotonic_ns: 7 })),
        say(
            6,
            attempt,
            Event::Error {
                code: "out_of_memory".to_owned(),
                message: "CUDA out of memory".to_owned(),
                hint: Some("less".to_owned()),
            },
        ),
        say(7, None, done(Outcome::Shutdown {})),
    ]
    .concat();
    let mut worker = text.into_bytes();
    worker.extend_from_slice(b"\xffa log line\n\x1b[31mred\xfe{\"id\": 8");
    seeds.add("protocol", "worker", worker);
    let others = [
        json!({"id": 1, "request": {"type": "hello"}}),
        json!({"id": 2, "attempt": "a", "request": {"type": "ping"}}),
        json!({"id": "w1", "pid": 7, "started_ns": 1, "ended_ns": 2, "exit_code": 0, "signal": null, "leftovers": 1}),
        json!({"reply": "progress", "done_bytes": 1, "total_bytes": 2}),
        json!({"reply": "resolved", "commit": "ab".repeat(20)}),
        json!({"reply": "error", "code": "disk_full", "message": "no space", "hint": "rm"}),
        json!({"fetch": "random", "config": "{}", "seed": 1, "folder": "x", "threads": 2}),
    ];
    let text: String = others.iter().map(|line| line.to_string() + "\n").collect();
    seeds.add("protocol", "others", text);
}

/// Quality records, scores and a sensor's file.
fn answers(seeds: &mut Seeds) {
    let output = protocol::QualityOutput {
        input_ids: vec![1, 2, 3],
        input_logprobs: vec![Some(-0.5), None],
        output_ids: vec![7, 7, 7, 7],
        output_logprobs: vec![Some(-0.1), Some(-0.2), None, Some(-0.3)],
    };
    let record = protocol::QualityRecord {
        schema_version: protocol::QUALITY_SCHEMA_VERSION,
        attempt: "e.c1.a1".to_owned(),
        workload: "ab".repeat(32),
        outputs: vec![output.clone(), output],
    };
    seeds.add_json("record", "quality", &record);
    let scores = json!({"results": {"arc_easy": {"acc,none": 0.5, "alias": "arc"}}, "config": {}});
    seeds.add_json("record", "scores", &scores);
    let found = lemctl::energy::sensor::Finding {
        update_period_ns: Some(Estimate::new(100e6, 1e6)),
        averaging_window_ns: Some(Estimate::new(25e6, 2e6)),
        latency_ns: Some(Estimate::new(14e6, 1e6)),
        readings: 200,
        explained: Some(0.99),
        reasons: Vec::new(),
    };
    let file = SensorFile {
        schema_version: SENSOR_FILE_VERSION,
        gpu: "GPU-1".to_owned(),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        driver_version: "580.159.03".to_owned(),
        simulated: false,
        measured_at: "2026-11-24T09:00:00.000Z".to_owned(),
        lemctl_version: "0.1.0".to_owned(),
        phase_seconds: 10.0,
        counter: found.clone(),
        samples: found.clone(),
        average: found.clone(),
        instant: found,
        idle: Vec::new(),
        context_above_bare_watts: Some(Estimate::new(40.0, 1.0)),
        agreement: Vec::new(),
        gain: Some(Gain::assumed("NVIDIA H100 80GB HBM3")),
        remarks: vec!["by hand".to_owned()],
    };
    seeds.add_json("sensor", "whole", &file);
    let clock = |tick: u16| [tick.to_le_bytes(), [0, 6], [64, 1]].concat();
    let meter: Vec<u8> = (0..4_u16)
        .flat_map(|record| {
            let mut bytes = clock(record * 1000);
            bytes.resize(18, 3);
            bytes
        })
        .collect();
    seeds.add("sensor", "meter", meter);
}
