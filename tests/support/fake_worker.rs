//! A worker and an agent in memory, as programs of the fake engine: honest by default, and at any request
//! as bad as a script says.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "each integration test uses its own part")]

#[path = "fake_worker/act.rs"]
mod act;
#[path = "fake_worker/agent.rs"]
mod agent;
#[path = "fake_worker/outbox.rs"]
mod outbox;
#[path = "fake_worker/quality.rs"]
mod quality;
#[path = "fake_worker/record.rs"]
mod record;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lem_protocol::{
    AGENT, Event, EventLine, Loaded, Model, Outcome, Request, RequestLine, Weights,
};
use lemctl::clock::Clock;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Notify;

pub use self::act::Act;
use self::act::Then;
use crate::fake_engine::{FakeEngine, Process};

/// A monotonic clock that only goes on when it is read or told to.
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn advance(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_000_000_000))
    }
}

impl Clock for TestClock {
    fn monotonic_ns(&self) -> u64 {
        self.0.fetch_add(1_000, Ordering::SeqCst)
    }

    fn wall(&self) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::from_timestamp(1_900_000_000, 0).unwrap()
    }
}

/// One request that a worker was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub worker: String,
    pub backend: String,
    pub request: Request,
    pub attempt: Option<String>,
}

struct Rule {
    at: &'static str,
    /// Which request of that name, from 1, over all workers; 0 is every one.
    nth: usize,
    act: Act,
}

/// The programs' shared world.
#[derive(Clone, Default)]
pub struct FakeWorker {
    pub clock: Arc<TestClock>,
    rules: Arc<Mutex<Vec<Rule>>>,
    counts: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    live: Arc<Mutex<BTreeMap<String, Vec<Arc<Notify>>>>>,
}

impl FakeWorker {
    /// Makes `/lem/agent` of every container this worker's agent.
    pub fn install(engine: &FakeEngine) -> Self {
        let worker = Self::default();
        let shared = worker.clone();
        engine.add_program(AGENT, move |process| {
            let shared = shared.clone();
            async move { shared.agent(process).await }
        });
        worker
    }

    /// At the `nth` `at` (`hello`, `load`, `warmup`, `measure`, `go`, `assess`, `shutdown`, `probe`, `sweep`), counted
    /// from 1 over all workers, do `act`; 0 is at every one.
    pub fn at(&self, at: &'static str, nth: usize, act: Act) {
        self.rules.lock().unwrap().push(Rule { at, nth, act });
    }

    /// Everything that workers were asked.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Names of the requests, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.heard()
            .iter()
            .map(|heard| name(&heard.request))
            .collect()
    }

    pub fn count(&self, name: &str) -> usize {
        self.counts.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    fn act(&self, at: &'static str) -> Option<Act> {
        let nth = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(at).or_default();
            *count += 1;
            *count
        };
        let rules = self.rules.lock().unwrap();
        let mut rules = rules.iter();
        rules
            .find(|rule| rule.at == at && (rule.nth == 0 || rule.nth == nth))
            .map(|rule| rule.act.clone())
    }

    /// `/lem/agent exec --id ID -- /lem/worker`: a worker's life. The wrapper's exit record follows it.
    async fn exec(&self, mut process: Process) -> i64 {
        let id = process.argv[3].clone();
        let container = process.spec.overlay().name.clone();
        let killed = Arc::new(Notify::new());
        self.enter(container, killed.clone());
        let outbox = process.spec.overlay().outbox.clone();
        let (code, signal) = tokio::select! {
            code = self.converse(&mut process, &id) => code,
            () = killed.notified() => (None, Some(9)),
        };
        let record = serde_json::json!({"id": id, "pid": 7, "started_ns": 1, "ended_ns": 2,
            "exit_code": code, "signal": signal, "leftovers": 0});
        let _ = std::fs::write(outbox.join(format!("exits/{id}.json")), record.to_string());
        i64::from(code.unwrap_or(137))
    }

    fn enter(&self, container: String, killed: Arc<Notify>) {
        let mut live = self.live.lock().unwrap();
        live.entry(container).or_default().push(killed);
    }

    async fn converse(&self, process: &mut Process, id: &str) -> (Option<i32>, Option<i32>) {
        let (stdin, _closed) = tokio::io::duplex(1);
        let stdin = std::mem::replace(&mut process.stdin, stdin);
        let mut lines = BufReader::new(stdin).lines();
        let mut loaded = BTreeMap::new();
        let mut weights = Weights::Random;
        while let Ok(Some(text)) = lines.next_line().await {
            let line: RequestLine = serde_json::from_str(&text).unwrap();
            let backend = process.spec.overlay().labels["org.lemctl.backend"].clone();
            self.heard.lock().unwrap().push(Heard {
                worker: id.to_owned(),
                backend: backend.clone(),
                request: line.request.clone(),
                attempt: line.attempt.clone(),
            });
            let mut act = self.act(name(&line.request));
            let talk = act::Talk {
                process,
                line: &line,
            };
            if let Some(act) = &act {
                match talk.before(act).await {
                    Then::Answer => {}
                    Then::Next => continue,
                    Then::Ended(end) => return end,
                }
            }
            let outcome = match &line.request {
                Request::Hello {} => Outcome::Hello(self.hello(&backend, act.as_ref())),
                Request::Load(load) => {
                    loaded = load.parameters.clone();
                    weights = match load.model {
                        Model::Local { weights, .. } => weights,
                        Model::Hub { .. } => Weights::Real,
                        Model::Dummy { .. } => Weights::Dummy,
                        Model::Random { .. } => Weights::Random,
                    };
                    Outcome::Load(Loaded {
                        effective: loaded.clone(),
                        model_parameters: 1000,
                        vocab_size: None,
                        active_parameters: None,
                        marks: vec![],
                    })
                }
                Request::Warmup(_) => match &act {
                    Some(Act::Warmup(f) | Act::SlowWarmup(_, f)) => {
                        let (output_tokens, elapsed_ns) = f(self.count("warmup"));
                        Outcome::Warmup {
                            output_tokens,
                            elapsed_ns,
                        }
                    }
                    _ => Outcome::Warmup {
                        output_tokens: 10,
                        elapsed_ns: 1_000_000,
                    },
                },
                Request::Measure(measure) => {
                    if matches!(act, Some(Act::EarlyDone)) {
                        let sha256 = String::new();
                        Outcome::Measure { bytes: 0, sha256 }
                    } else {
                        talk.say(Event::Ready {}).await;
                        let Ok(Some(go)) = lines.next_line().await else {
                            return (Some(0), None);
                        };
                        let go: RequestLine = serde_json::from_str(&go).unwrap();
                        assert_eq!((go.request, go.id), (Request::Go {}, line.id));
                        if let Some(at_go) = self.act("go") {
                            match talk.before(&at_go).await {
                                Then::Answer => {}
                                Then::Next => continue,
                                Then::Ended(end) => return end,
                            }
                            act = Some(at_go);
                        }
                        let attempt = line.attempt.clone().unwrap();
                        let asked = record::Asked {
                            backend: &backend,
                            attempt: &attempt,
                            loaded: &loaded,
                            weights,
                            measure,
                        };
                        self.write(process, &asked, act.as_ref())
                    }
                }
                Request::Assess(assess) => {
                    let attempt = line.attempt.clone().unwrap();
                    self.answers(process, &attempt, assess, &loaded, act.as_ref())
                }
                Request::Shutdown {} => Outcome::Shutdown {},
                other => panic!("the runner never sends {other:?} by itself"),
            };
            talk.say(Event::Done { outcome }).await;
            if matches!(line.request, Request::Shutdown {}) {
                return (Some(0), None);
            }
        }
        (Some(0), None)
    }
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::Hello {} => "hello",
        Request::Load(_) => "load",
        Request::Warmup(_) => "warmup",
        Request::Measure(_) => "measure",
        Request::Assess(_) => "assess",
        Request::Go {} => "go-line",
        Request::Ping {} => "ping",
        Request::Cancel {} => "cancel",
        Request::Shutdown {} => "shutdown",
    }
}

fn line(request: &RequestLine, event: Event) -> Vec<u8> {
    let line = EventLine {
        id: request.id,
        attempt: request.attempt.clone(),
        event,
    };
    let mut bytes = serde_json::to_vec(&line).unwrap();
    bytes.push(b'\n');
    bytes
}
