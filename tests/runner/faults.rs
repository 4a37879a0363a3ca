//! A worker at its worst, one fault a campaign: which verdict the run gets, and what becomes of the others.

use lemctl::execution::{Blame, Event, Verdict};
use lemctl::runner::Ended;

use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};

/// What is expected of a campaign of eight runs, four loads: codes of the runs that were not accepted, by
/// place, and how many workers and containers it took.
struct Case {
    name: &'static str,
    at: &'static str,
    act: Act,
    codes: &'static [(usize, &'static str)],
    workers: usize,
    containers: usize,
}

const fn case(name: &'static str, at: &'static str, act: Act) -> Case {
    Case {
        name,
        at,
        act,
        codes: &[],
        workers: 4,
        containers: 1,
    }
}

impl Case {
    const fn codes(mut self, codes: &'static [(usize, &'static str)]) -> Self {
        self.codes = codes;
        self
    }

    const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    async fn play(self) -> (Stage, Ended) {
        let Self {
            name,
            at,
            act,
            codes,
            workers,
            containers,
        } = self;
        let stage = Stage::new(EIGHT);
        stage.worker.at(at, 1, act);
        let ended = stage
            .up()
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let want: Vec<String> = (0..8)
            .map(|run| {
                codes
                    .iter()
                    .find(|(at, _)| *at == run)
                    .map_or("accepted", |(_, code)| code)
                    .to_owned()
            })
            .collect();
        assert_eq!(stage.codes(), want, "{name}: {:?}", stage.verdicts());
        assert_eq!(stage.worker.count("hello"), workers, "{name}: workers");
        let creates = stage
            .engine
            .calls()
            .into_iter()
            .filter(|call| call.starts_with("create"));
        assert_eq!(creates.count(), containers, "{name}: containers");
        assert!(
            ended.manifest.is_some() && ended.breaker.is_none(),
            "{name}: failed is data"
        );
        assert!(
            lemctl::manifest::verify(&stage.folders())
                .findings
                .is_empty(),
            "{name}"
        );
        stage.assert_nothing_left();
        (stage, ended)
    }
}

const FIRST: usize = 0;

#[tokio::test(start_paused = true)]
async fn faults_of_a_measurement_fail_one_run_and_the_worker_is_replaced() {
    let line = |text: &str| Act::Say(format!("{text}\n").into_bytes());
    let cases = [
        case("an error of its own", "measure", Act::Refuse("internal"))
            .codes(&[(FIRST, "internal")]),
        case("an odd code", "measure", Act::Refuse("Not A Code")).codes(&[(FIRST, "worker_error")]),
        case(
            "a code of lemctl's",
            "measure",
            Act::Refuse("container_lost"),
        )
        .codes(&[(FIRST, "worker_error")]),
        case("a crash", "measure", Act::Crash(11)).codes(&[(FIRST, "worker_gone")]),
        case("a crash in the window", "go", Act::Crash(9)).codes(&[(FIRST, "worker_gone")]),
        case("silence", "measure", Act::Hang).codes(&[(FIRST, "timed_out")]),
        case("silence in the window", "go", Act::Hang).codes(&[(FIRST, "timed_out")]),
        case(
            "garbage",
            "measure",
            line("Traceback (most recent call last):"),
        )
        .codes(&[(FIRST, "protocol_broken")]),
        case("garbage in the window", "go", line("{\"id\":4}"))
            .codes(&[(FIRST, "protocol_broken")]),
        case("no UTF-8", "measure", Act::Say(vec![0xff, 0xfe, b'\n']))
            .codes(&[(FIRST, "protocol_broken")]),
        case(
            "a line of a megabyte",
            "measure",
            Act::Say([vec![b'x'; 1 << 20], vec![b'\n']].concat()),
        )
        .codes(&[(FIRST, "protocol_broken")]),
        case(
            "a hundred megabytes and no line",
            "measure",
            Act::Flood(vec![b'x'; 1 << 16], 1600),
        )
        .codes(&[(FIRST, "protocol_broken")]),
        case("a request that was never sent", "measure", Act::Early)
            .codes(&[(FIRST, "protocol_broken")]),
        case("ready twice", "measure", Act::ReadyTwice).codes(&[(FIRST, "protocol_broken")]),
        case("done before go", "measure", Act::EarlyDone).codes(&[(FIRST, "protocol_broken")]),
        case("another attempt's events", "measure", Act::OtherAttempt)
            .codes(&[(FIRST, "protocol_broken")]),
        case("done without a record", "go", Act::NoRecord).codes(&[(FIRST, "record_invalid")]),
        case("a symlink", "go", Act::Symlink).codes(&[(FIRST, "record_invalid")]),
        case("another hash", "go", Act::WrongHash).codes(&[(FIRST, "record_invalid")]),
        case(
            "another attempt's record",
            "go",
            Act::Lie(|record| record.attempt = "x".into()),
        )
        .codes(&[(FIRST, "record_invalid")]),
        case(
            "a window in the past",
            "go",
            Act::Lie(|record| record.marks[0].monotonic_ns = 1),
        )
        .codes(&[(FIRST, "record_invalid")]),
        case(
            "other parameters",
            "go",
            Act::Lie(|record| record.requested.clear()),
        )
        .codes(&[(FIRST, "record_invalid")]),
    ];
    for case in cases {
        let (stage, _) = case.workers(5).play().await;
        let Some((_, Some(Verdict::Failed { cause }), 1)) = stage.verdicts().into_iter().next()
        else {
            panic!("the first run failed at its first attempt")
        };
        assert_eq!(cause.blame, Blame::Worker, "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_disturbs_is_borne() {
    for case in [
        case("a flood of progress", "measure", Act::Progress(20_000)),
        case(
            "a flood of progress in the window",
            "go",
            Act::Progress(20_000),
        ),
        case("late events", "measure", Act::Late),
        case("slowness", "measure", Act::Slow(500)),
        case("silence at the end", "shutdown", Act::Hang),
        case("a crash at the end", "shutdown", Act::Crash(6)),
    ] {
        case.play().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_config_that_is_refused_is_skipped_in_later_cycles() {
    for code in [
        "bad_parameter",
        "context_exceeded",
        "out_of_memory",
        "unsupported",
        "model_unavailable",
        "model_not_found",
        "model_gated",
        "bad_dtype",
        "too_few_gpus",
    ] {
        for at in ["warmup", "measure", "go"] {
            let stage = Stage::new(EIGHT);
            stage.worker.at(at, 1, Act::Refuse(code));
            stage.up().await.unwrap();
            let first = stage.state().plan().runs[0].id.clone();
            let mut want = vec!["accepted".to_owned(); 8];
            want[0] = code.to_owned();
            want[4] = format!("same_as:{first}");
            assert_eq!(stage.codes(), want, "{code} at {at}");
            // The worker that said so is kept, but for one that may still hold what did not fit.
            let workers = if code == "out_of_memory" { 5 } else { 4 };
            assert_eq!(stage.worker.count("hello"), workers, "{code} at {at}");
            stage.assert_nothing_left();
        }
        let stage = Stage::new(EIGHT);
        stage.worker.at("load", 1, Act::Refuse(code));
        stage.up().await.unwrap();
        let mut want = vec!["accepted".to_owned(); 8];
        for run in [0, 1, 4, 5] {
            want[run] = "same_as:load-engine:0".to_owned();
        }
        assert_eq!(stage.codes(), want, "{code} at load");
        // The refused key is loaded once, the other one twice: its second load is skipped too.
        assert_eq!(stage.worker.count("load"), 3);
        stage.assert_nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_by_the_worker_skips_its_runs_and_is_tried_again_in_the_next_cycle() {
    const RUNS: &[(usize, &str)] = &[(0, "needs:load-engine:0"), (1, "needs:load-engine:0")];
    for case in [
        case("a crash at load", "load", Act::Crash(11)),
        case("silence at load", "load", Act::Hang),
        case("an error at load", "load", Act::Refuse("internal")),
        case("a crash at hello", "hello", Act::Crash(11)),
        case("silence at hello", "hello", Act::Hang),
        case("garbage at hello", "hello", Act::Say(b"hi\n".to_vec())),
        case("ready at load", "load", Act::ReadyTwice),
    ] {
        case.codes(RUNS).play().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_another_is_tried_again_until_the_breaker_opens() {
    type Change = fn(&mut lem_protocol::Hello);
    let changes: [Change; 2] = [
        |hello| hello.protocol_version = 99,
        |hello| hello.backend = "vllm".into(),
    ];
    for change in changes {
        case("once", "hello", Act::Hello(change))
            .workers(5)
            .play()
            .await;
        let stage = Stage::new(EIGHT);
        stage.worker.at("hello", 0, Act::Hello(change));
        let ended = stage.up().await.unwrap();
        assert_eq!(ended.breaker.unwrap().code, "worker_is_another");
        assert_eq!((stage.worker.count("hello"), ended.tally.due), (3, 8));
        stage.assert_nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_is_flagged_and_under_strict_versions_refused_before_the_load() {
    fn another(hello: &mut lem_protocol::Hello) {
        hello.backend_version = "9.9.9".into();
    }
    let stage = Stage::new(EIGHT);
    stage.worker.at("hello", 0, Act::Hello(another));
    stage.up().await.unwrap();
    stage.assert_complete();

    let stage = Stage::new(&format!("{EIGHT}strict_versions: true\n"));
    stage.worker.at("hello", 0, Act::Hello(another));
    let breaker = stage.up().await.unwrap().breaker.unwrap();
    assert_eq!(breaker.code, "backend_version_differs", "{breaker}");
    assert!(breaker.message.contains("9.9.9"), "{breaker}");
    assert!(breaker.hint.is_some());
    assert_eq!(stage.worker.count("load"), 0, "refused before the load");
    stage.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_dies_in_the_middle_costs_one_run_and_tells_what_to_do() {
    for at in ["measure", "go", "warmup"] {
        let stage = Stage::new(EIGHT);
        stage.worker.at(at, 1, Act::Refuse("engine_died"));
        stage.up().await.unwrap();
        let mut want = vec!["accepted".to_owned(); 8];
        want[0] = "engine_died".to_owned();
        assert_eq!(stage.codes(), want, "at {at}");
        let Some((_, Some(Verdict::Failed { cause }), 1)) = stage.verdicts().into_iter().next()
        else {
            panic!("the first run failed")
        };
        assert_eq!(cause.blame, Blame::Worker, "{cause}");
        assert!(cause.hint.is_some_and(|hint| hint.contains("log")));
        // Its worker is ended before the next load.
        assert_eq!(stage.worker.count("hello"), 5);
        let events = stage.events();
        let lost = |event: &Event| matches!(event, Event::WorkerLost { .. });
        let after = events.iter().skip_while(|event| !lost(event));
        assert!(
            after.into_iter().any(|event| matches!(event, Event::StepStarted { step } if step.starts_with("load-engine"))),
            "a load follows"
        );
        stage.assert_nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_a_worker_names_stops_the_campaign_with_its_hint() {
    for code in ["gpu_unavailable", "cuda_unavailable", "shm_too_small"] {
        let stage = Stage::new(EIGHT);
        stage.worker.at("load", 0, Act::Refuse(code));
        let breaker = stage.up().await.unwrap().breaker.unwrap();
        assert_eq!((&*breaker.code, breaker.blame), (code, Blame::Environment));
        assert!(breaker.hint.is_some(), "{breaker}");
        stage.assert_nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_cannot_end_goes_with_its_container() {
    for act in [
        Act::Leave(1),
        Act::Print("no JSON"),
        Act::Print(""),
        Act::Hang,
    ] {
        // After a crash: the sweep that ends the worker.
        let stage = Stage::new(EIGHT);
        stage.worker.at("measure", 1, Act::Crash(11));
        stage.worker.at("sweep", 1, act.clone());
        stage.up().await.unwrap();
        assert_eq!(
            stage
                .codes()
                .iter()
                .filter(|code| *code == "accepted")
                .count(),
            7
        );
        assert_eq!(
            stage
                .engine
                .calls()
                .iter()
                .filter(|call| call.starts_with("create"))
                .count(),
            2
        );
        stage.assert_nothing_left();
        // At an unload.
        let mut case = case("unload", "sweep", act);
        case.containers = 2;
        case.play().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_not_as_asked_measures_nothing() {
    let stage = Stage::new(EIGHT);
    stage.worker.at("probe", 0, Act::Print("{\"uid\":0}"));
    let ended = stage.up().await.unwrap();
    assert_eq!(stage.codes(), vec!["needs:probe-container:reference"; 8]);
    assert!(ended.manifest.is_some());
    assert_eq!(stage.worker.names(), Vec::<&str>::new());
    stage.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_the_last_run_opens_seals_nothing() {
    let policy = "cycles: 2, retries: {max: 0}, breaker: {consecutive_failures: 1},";
    let stage = Stage::new(&EIGHT.replace("cycles: 2,", policy));
    let engine = stage.engine.clone();
    let kill = move || {
        for name in engine.names() {
            engine.kill(&name, 137);
        }
    };
    let act = Act::Also(std::sync::Arc::new(kill));
    stage.worker.at("measure", 8, act);
    let ended = stage.up().await.unwrap();
    assert_eq!(ended.breaker.unwrap().code, "container_lost");
    assert_eq!((ended.tally.due, ended.tally.failed), (0, 1));
    assert!(ended.manifest.is_none() && stage.state().sealed().is_none());
    stage.assert_nothing_left();
    let ended = stage.resume().await.unwrap();
    assert!(ended.manifest.is_some() && ended.breaker.is_none());
    assert_eq!(stage.worker.count("measure"), 8, "nothing is tried again");
}
