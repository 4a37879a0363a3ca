//! A whole campaign on fakes: a project folder, an engine, a worker, and sessions on them.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "each integration test uses its own part")]

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use lemctl::compose::{self, Service};
use lemctl::containers::{ContainerEngine, ImageIdentity};
use lemctl::environment::Host;
use lemctl::execution::{Event, RunStatus, State, Verdict};
use lemctl::journal::{FILE, replay};
use lemctl::runner::{
    Ended, Identity, Opened, Planned, Runner, RunnerError, Setting, StopSignal, create, reopen,
    replayed, verified,
};
use lemctl::store::Folders;

use crate::campaigns;
use crate::fake_engine::FakeEngine;
use crate::fake_worker::FakeWorker;

/// Whom containers run as.
pub const UID: u32 = 1000;
/// The kernel's boot.
pub const BOOT: &str = "boot";

/// 2 engine keys, 2 request settings each, 2 cycles: 8 runs, 4 loads.
pub const EIGHT: &str = "
campaign_name: staged
model: {random: {seed: 1}}
workload:
  synthetic: {input_tokens: 4, output_tokens: 3, prompts: 4}
  arrival: batch
  measure: {min_seconds: 0.5, min_requests: 2}
grid:
  backends: [reference]
  shared: {num_layers: [1, 2], batch_size: [1, 2]}
execution: {cycles: 2, config_gap_seconds: 0, cycle_gap_seconds: 0}
warmup: {min_iterations: 2, max_seconds: 5}
baseline: off
";

/// The project, its engine and its worker.
pub struct Stage {
    pub engine: FakeEngine,
    pub worker: FakeWorker,
    pub planned: Planned,
    pub stop: (lemctl::runner::Stopper, StopSignal),
    folder: tempfile::TempDir,
}

impl Stage {
    pub fn new(text: &str) -> Self {
        // In memory where that is possible: hundreds of sessions, each of which syncs every event.
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let engine = FakeEngine::new();
        for backend in ["reference", "gadget", "widget"] {
            engine.add_image(&service(backend).image);
        }
        let worker = FakeWorker::install(&engine);
        let planned = plan(text);
        let stop = StopSignal::new();
        Self {
            engine,
            worker,
            planned,
            stop,
            folder,
        }
    }

    pub fn root(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().to_owned()).unwrap()
    }

    pub fn folders(&self) -> Folders {
        Folders::all(&self.root()).unwrap().pop().unwrap()
    }

    /// A new campaign on disk.
    pub fn create(&self) -> Opened {
        create(&self.root(), self.planned.clone(), &*self.worker.clock).unwrap()
    }

    /// Another life of lemctl on what is on disk.
    pub async fn resume(&self) -> Result<Ended, RunnerError> {
        self.run(reopen(self.folders())?).await
    }

    /// A first life.
    pub async fn up(&self) -> Result<Ended, RunnerError> {
        self.run(self.create()).await
    }

    pub async fn run(&self, opened: Opened) -> Result<Ended, RunnerError> {
        let images: BTreeMap<String, ImageIdentity> = {
            // Looked at beside the engine under test, whose calls may be made to fail.
            let engine = FakeEngine::new();
            let mut images = BTreeMap::new();
            for backend in &opened.planned.plan.backends {
                engine.add_image(&service(backend).image);
                let image = engine
                    .image(&service(backend).image)
                    .await
                    .unwrap()
                    .unwrap();
                images.insert(backend.clone(), image);
            }
            images
        };
        let setting = Setting {
            engine: self.engine.clone(),
            clock: self.worker.clock.clone(),
            services: images
                .keys()
                .map(|backend| (backend.clone(), service(backend)))
                .collect(),
            images,
            engine_info: FakeEngine::new().engine().await.unwrap(),
            host: Host {
                id: "host".into(),
                boot_id: BOOT.into(),
                ..Host::observe()
            },
            identity: Identity { uid: UID, gid: UID },
            sinks: vec![],
            stop: self.stop.1.clone(),
            power: None,
            gpu_locks: None,
            models: None,
        };
        Runner::new(setting, opened).session().await
    }

    pub fn state(&self) -> State {
        replayed(&self.folders()).unwrap().1
    }

    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        replay(&self.folders().results(), |entry| {
            events.push(entry.event);
            Ok(())
        })
        .unwrap();
        events
    }

    /// Each run's verdict and how often it was tried, in the plan's order.
    pub fn verdicts(&self) -> Vec<(String, Option<Verdict>, u32)> {
        let state = self.state();
        (0..state.plan().runs.len())
            .map(|run| {
                let verdict = match state.status(run) {
                    RunStatus::Ended { verdict, .. } => Some(verdict.clone()),
                    RunStatus::Due | RunStatus::Running => None,
                };
                (
                    state.plan().runs[run].id.clone(),
                    verdict,
                    state.attempts(run),
                )
            })
            .collect()
    }

    /// Codes of the failed and skipped runs, `accepted` for the others, in the plan's order.
    pub fn codes(&self) -> Vec<String> {
        self.verdicts()
            .into_iter()
            .map(|(_, verdict, _)| match verdict {
                Some(Verdict::Failed { cause } | Verdict::Skipped { cause }) => cause.code,
                Some(verdict) => verdict.word().to_owned(),
                None => "due".to_owned(),
            })
            .collect()
    }

    /// Nothing stands any more, on the engine or on disk.
    pub fn assert_nothing_left(&self) {
        assert_eq!(self.engine.names(), [].into(), "containers are left");
        let live = self.folders().live();
        assert!(!live.exists(), "{live} is left");
    }

    /// Every run accepted, each by one attempt that was accepted; sealed, and the seal holds.
    pub fn assert_complete(&self) {
        let state = self.state();
        assert_eq!(
            state.tally().accepted,
            state.plan().runs.len(),
            "{:?}",
            self.verdicts()
        );
        assert!(state.sealed().is_some());
        let verification = verified(&self.folders());
        assert_eq!(verification.findings, [], "verified");
        assert_eq!(verification.not_compared, None, "the journal is replayed");
        self.assert_nothing_left();
    }

    /// How often each run was accepted over all sessions.
    pub fn times_accepted(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for event in self.events() {
            if let Event::AttemptEnded {
                run,
                verdict: Verdict::Accepted,
                ..
            } = event
            {
                *times.entry(run).or_default() += 1;
            }
        }
        times
    }

    pub fn journal(&self) -> Utf8PathBuf {
        self.folders().results().join(FILE)
    }
}

/// Plans a campaign with the kit's catalogues.
pub fn plan(text: &str) -> Planned {
    let catalogues = [
        ("reference", campaigns::REFERENCE),
        ("gadget", campaigns::GADGET),
        ("widget", campaigns::WIDGET),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()));
    Planned::new("test.yaml", text, &catalogues.into(), &campaigns::prompts()).unwrap()
}

/// The service of a backend: the real Compose file, under the kit's user.
pub fn service(backend: &str) -> Service {
    let text = include_str!("../../compose/reference.yaml")
        .replace("lemctl/reference", &format!("lemctl/{backend}"));
    let variables = ["PUID", "PGID"].map(|name| (name.to_owned(), UID.to_string()));
    compose::parse("compose/x.yaml", &text, &variables.into())
        .unwrap()
        .worker
}

pub fn exists(path: &Utf8Path) -> bool {
    path.exists()
}
