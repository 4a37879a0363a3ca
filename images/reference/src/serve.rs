//! The conversation from a good load request on: loads, warms up, measures, until shutdown or the end
//! of stdin.

use std::path::PathBuf;

use lem_protocol::{
    Arrival, Event, Load, Loaded, Mark, MarkName, Measure, Model, Outcome, Parameters, Prompt,
    RECORD_SCHEMA_VERSION, Record, Request, RequestLine, TimingKind, Weights, Work, is_name,
};

use crate::arguments::{Arguments, Loading};
use crate::before_load;
use crate::clock::monotonic_ns;
use crate::fault::{Code, Fault};
use crate::hello::{BACKEND, DEVICE, VERSION, hello};
use crate::memory;
use crate::model::Llama;
use crate::output::Answered;
use crate::parameters::{Engine, Request as RequestParameters};
use crate::post::Post;
use crate::record;
use crate::simulated::LoadLog;
use crate::window::{self, Until, Window};
use crate::workload::{self, Prompts};

/// Requests in flight at most: each that waits costs a little memory.
const MAX_CONCURRENCY: u32 = 65_536;

/// A loaded engine and where its files are.
struct Worker {
    llama: Llama,
    engine: Engine,
    requested: Parameters,
    effective: Parameters,
    workloads: PathBuf,
    outbox: PathBuf,
    log: LoadLog,
    /// The warm-up since the load or the window before: when its first iteration began and its last one ended.
    warmed: Option<(Mark, Mark)>,
}

/// Work whose every part has been checked.
struct Prepared {
    prompts: Vec<Prompt>,
    arrivals_ns: Vec<u64>,
    arrival: Arrival,
    request: RequestParameters,
    cache_bytes: u128,
}

/// Carries out the load request in `loading` and then whatever is asked. Must run where the computing
/// threads are.
pub fn converse(arguments: &Arguments, loading: &Loading, mut post: Post) {
    if let Ok(line) = serde_json::from_str::<RequestLine>(&loading.line)
        && let Request::Load(load) = &line.request
    {
        let to = Answered::from(&line);
        match Worker::load(arguments, load, loading.start_ns, &to, &mut post) {
            Ok(mut worker) => worker.serve(&mut post),
            Err(fault) => {
                post.send(&to, fault.to_event());
                refuse_all(&mut post);
            }
        }
    }
    post.finish();
}

/// After a failed load: the thread pools are as they are, so another load needs another process.
fn refuse_all(post: &mut Post) {
    while let Some(line) = post.next() {
        let to = Answered::from(&line);
        match line.request {
            Request::Hello {} => post.done(&to, Outcome::Hello(hello())),
            Request::Ping {} => post.done(
                &to,
                Outcome::Ping {
                    monotonic_ns: monotonic_ns(),
                },
            ),
            _ => post.send(
                &to,
                Fault::new(Code::NotLoaded, "loading failed in this worker")
                    .hint("start another worker")
                    .to_event(),
            ),
        }
    }
}

impl Worker {
    fn load(
        arguments: &Arguments,
        load: &Load,
        start_ns: u64,
        to: &Answered,
        post: &mut Post,
    ) -> Result<Self, Fault> {
        let start = Mark {
            name: MarkName::LoadStart,
            monotonic_ns: start_ns,
        };
        post.send(to, Event::Mark(start));
        let engine = before_load::check(load)?;
        let mut log = LoadLog::begin(&arguments.outbox, &load.gpus)?;
        log.busy(monotonic_ns(), 0)?;
        let Model::Random { seed, config: None } = load.model else {
            return Err(Fault::new(
                Code::Unsupported,
                "this backend has random weights only, of the shape that its parameters say",
            )
            .hint("write `model: {random: {seed: 1}}`"));
        };
        let mut stopped = Ok(());
        let llama = Llama::random(engine.shape, engine.dtype, seed, &mut || {
            stopped = post.steer(to);
            stopped.is_ok()
        })?;
        stopped?;
        let llama = llama.ok_or_else(|| Fault::new(Code::Cancelled, "cancelled"))?;
        let end = Mark {
            name: MarkName::LoadEnd,
            monotonic_ns: monotonic_ns(),
        };
        log.resident(engine.shape.weights() * engine.dtype.size_in_bytes() as u128);
        log.idle(end.monotonic_ns)?;
        post.send(to, Event::Mark(end));
        let threads = rayon::current_num_threads().min(candle_core::utils::get_num_threads());
        let effective = engine.effective(threads);
        post.done(
            to,
            Outcome::Load(Loaded {
                effective: effective.clone(),
                model_parameters: llama.weights(),
                vocab_size: u32::try_from(engine.shape.vocab_size).ok(),
                active_parameters: None,
                marks: vec![start, end],
            }),
        );
        Ok(Self {
            llama,
            engine,
            requested: load.parameters.clone(),
            effective,
            workloads: arguments.workloads.clone(),
            outbox: arguments.outbox.clone(),
            log,
            warmed: None,
        })
    }

    fn serve(&mut self, post: &mut Post) {
        while let Some(line) = post.next() {
            let to = Answered::from(&line);
            let ended = match &line.request {
                Request::Hello {} => Ok(Outcome::Hello(hello())),
                Request::Ping {} => Ok(Outcome::Ping {
                    monotonic_ns: monotonic_ns(),
                }),
                Request::Load(_) => Err(Fault::new(
                    Code::AlreadyLoaded,
                    "an engine is loaded in this worker",
                )
                .hint("start another worker: a fresh process is the only unload")),
                Request::Warmup(work) => self.warm_up(work, &to, post),
                Request::Measure(measure) => self.measure(measure, &to, post),
                Request::Assess(_) => Err(Fault::new(
                    Code::Unsupported,
                    "random weights have no quality to look at",
                )),
                // Post keeps these to itself.
                Request::Go {} | Request::Cancel {} | Request::Shutdown {} => continue,
            };
            match ended {
                Ok(outcome) => post.done(&to, outcome),
                Err(fault) => post.send(&to, fault.to_event()),
            }
        }
    }

    fn prepare(&self, work: &Work) -> Result<Prepared, Fault> {
        let request = RequestParameters::read(&work.parameters, self.engine.shape.vocab_size)?;
        if let Arrival::ClosedLoop { concurrency } = work.arrival
            && !(1..=MAX_CONCURRENCY).contains(&concurrency)
        {
            let message = format!("concurrency is {concurrency}, expected 1 to {MAX_CONCURRENCY}");
            return Err(Fault::new(Code::BadParameter, message));
        }
        let Prompts {
            prompts,
            arrivals_ns,
        } = workload::read(&self.workloads, &work.workload, self.llama.shape())?;
        if matches!(work.arrival, Arrival::OpenLoop { .. }) && arrivals_ns.is_empty() {
            let message = "an open loop needs arrivals_ns in its workload";
            return Err(Fault::new(Code::WorkloadInvalid, message));
        }
        let together = window::in_flight(work.arrival, &request).min(request.batch_size);
        let needed = memory::to_run(self.llama.shape(), self.engine.dtype, &prompts, together);
        memory::check("running this workload", needed)?;
        Ok(Prepared {
            cache_bytes: memory::caches(self.llama.shape(), self.engine.dtype, &prompts, together),
            prompts,
            arrivals_ns,
            arrival: work.arrival,
            request,
        })
    }

    fn window<'a>(&'a self, work: &'a Prepared, until: Until) -> Window<'a> {
        let Prepared {
            prompts,
            arrivals_ns,
            arrival,
            request,
            ..
        } = work;
        Window {
            llama: &self.llama,
            prompts,
            arrivals_ns,
            arrival: *arrival,
            request: *request,
            until,
        }
    }

    fn warm_up(&mut self, work: &Work, to: &Answered, post: &mut Post) -> Result<Outcome, Fault> {
        // As in `measure`: one that fails is nobody's.
        let warmed = self.warmed.take();
        let work = self.prepare(work)?;
        let start = Mark {
            name: MarkName::WarmupStart,
            monotonic_ns: monotonic_ns(),
        };
        post.send(to, Event::Mark(start));
        self.log.busy(start.monotonic_ns, work.cache_bytes)?;
        let window = self.window(&work, Until::OneIteration);
        let ran = window.run(start.monotonic_ns, &mut |_| post.steer(to));
        self.log.idle(monotonic_ns())?;
        let ran = ran?;
        let end = Mark {
            name: MarkName::WarmupEnd,
            monotonic_ns: ran.end_ns,
        };
        post.send(to, Event::Mark(end));
        self.warmed = Some((warmed.map_or(start, |(first, _)| first), end));
        Ok(Outcome::Warmup {
            output_tokens: ran
                .requests
                .iter()
                .map(|request| u64::from(request.output_tokens))
                .sum(),
            elapsed_ns: ran.end_ns - ran.start_ns,
        })
    }

    fn measure(
        &mut self,
        measure: &Measure,
        to: &Answered,
        post: &mut Post,
    ) -> Result<Outcome, Fault> {
        // Whatever becomes of this window, the warm-up was for it: the next one's record must not begin with it.
        let warmed = self.warmed.take();
        let attempt = match &to.attempt {
            Some(attempt) if is_name(attempt) => attempt.clone(),
            _ => {
                return Err(Fault::new(
                    Code::BadRequest,
                    "measure needs an attempt that can name a folder",
                ));
            }
        };
        let work = self.prepare(&measure.work)?;
        post.send(to, Event::Ready {});
        post.wait_for_go(to)?;
        let start = Mark {
            name: MarkName::MeasureStart,
            monotonic_ns: monotonic_ns(),
        };
        self.log.busy(start.monotonic_ns, work.cache_bytes)?;
        post.send(to, Event::Mark(start));
        let window = self.window(&work, Until::Minima(measure.measure));
        let ran = window.run(start.monotonic_ns, &mut |completed| {
            post.progress(to, completed);
            post.steer(to)
        });
        self.log.idle(monotonic_ns())?;
        let ran = ran?;
        let end = Mark {
            name: MarkName::MeasureEnd,
            monotonic_ns: ran.end_ns,
        };
        post.send(to, Event::Mark(end));
        let record = Record {
            schema_version: RECORD_SCHEMA_VERSION,
            attempt,
            backend: BACKEND.to_owned(),
            backend_version: VERSION.to_owned(),
            device: DEVICE.to_owned(),
            weights: Weights::Random,
            requested: both(&self.requested, &measure.work.parameters),
            effective: both(&self.effective, &work.request.effective()),
            workload: measure.work.workload.clone(),
            arrival: work.arrival,
            marks: warmed
                .into_iter()
                .flat_map(|(first, last)| [first, last])
                .chain([start, end])
                .collect(),
            token_timing: TimingKind::Measured,
            requests: ran.requests,
            unfinished: ran.unfinished,
            tokens_sha256: None,
            chat_template_sha256: None,
            profile: None,
        };
        let written = record::write(&self.outbox, &record)?;
        Ok(Outcome::Measure {
            bytes: written.bytes,
            sha256: written.sha256,
        })
    }
}

/// Engine and request level together: their names do not overlap.
fn both(engine: &Parameters, request: &Parameters) -> Parameters {
    engine
        .iter()
        .chain(request)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
