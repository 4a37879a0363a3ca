//! What lemctl adds to a measurement, on a real Docker Engine, in one run and with the same image: a warm
//! run from due to accepted with its window taken out, against one bare exec and one `docker run --rm`.
//! `cargo bench --bench overhead`; needs the image: `make images`, `lemctl images build reference`.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark reads the clock and prints"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use futures_util::StreamExt;
use lem_protocol::AGENT;
use lemctl::clock::{Clock, HostClock};
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{
    ContainerEngine, ContainerId, ContainerSpec, Overlay, group_text, labels, passwd_text,
};
use lemctl::environment::Host;
use lemctl::execution::{Event, EventSink, Notice, State};
use lemctl::plan::Plan;
use lemctl::runner::project::Project;
use lemctl::runner::{Identity, Planned, Runner, Setting, StopSignal, create};

const RUNS: usize = 400;

const CAMPAIGN: &str = "
campaign_name: overhead
model: {random: {seed: 1}}
workload:
  synthetic: {input_tokens: 8, output_tokens: 4, prompts: 4}
  arrival: batch
  measure: {min_seconds: 0, min_requests: 1}
grid:
  backends: [reference]
  shared: {num_layers: [1], hidden_size: [32], num_heads: [2], intermediate_size: [32]}
execution: {cycles: 400, config_gap_seconds: 0, cycle_gap_seconds: 0}
warmup: {enabled: false}
baseline: off
";

struct NoFiles;

impl lemctl::campaign::PromptSource for NoFiles {
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

/// Time from one accepted run to the next, less the window in between.
struct Stopwatch {
    last: Option<Instant>,
    overheads: Arc<Mutex<Vec<Duration>>>,
}

impl EventSink for Stopwatch {
    fn notice(&mut self, _: &Plan, _: &State, notice: &Notice<'_>) {
        let Notice::Journaled(Event::AttemptEnded { figures, .. }) = notice else {
            return;
        };
        let now = Instant::now();
        let window = Duration::from_secs_f64(figures["window_seconds"]);
        if let Some(last) = self.last.replace(now) {
            self.overheads
                .lock()
                .unwrap()
                .push((now - last).saturating_sub(window));
        }
    }
}

fn quantiles(mut times: Vec<Duration>) -> (f64, f64, f64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    (at(0.1), at(0.5), at(0.9))
}

fn print(what: &str, times: Vec<Duration>) -> f64 {
    let count = times.len();
    let (low, median, high) = quantiles(times);
    println!("{what:<44} {median:>8.2} ms  (10 % {low:.2}, 90 % {high:.2}, n = {count})");
    median
}

/// A project of its own below the build folder, with this checkout's Compose file and catalogue.
fn project(folder: &Utf8PathBuf) -> Project {
    let here = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for name in ["compose/reference.yaml", "catalogues/reference-0.1.0.json"] {
        let target = folder.join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(here.join(name), target).unwrap();
    }
    Project {
        root: folder.clone(),
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        environment: BTreeMap::from([("LEM_ALLOW_ROOT".to_owned(), "1".to_owned())]),
    }
}

async fn bare_exec(engine: &DockerEngine, id: &ContainerId) -> Duration {
    let begun = Instant::now();
    let argv = [AGENT, "--version"].map(str::to_owned);
    let mut session = engine.exec(id, &argv).await.unwrap();
    while let Some(piece) = session.output.next().await {
        piece.unwrap();
    }
    engine.exec_status(&session.id).await.unwrap();
    begun.elapsed()
}

fn docker_run(image: &str) -> Duration {
    let begun = Instant::now();
    let arguments = [
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        AGENT,
        image,
        "--version",
    ];
    let status = Command::new("docker")
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    begun.elapsed()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    let project = project(&root);
    let catalogue = std::fs::read_to_string(root.join("catalogues/reference-0.1.0.json")).unwrap();
    let catalogues = BTreeMap::from([("reference".to_owned(), catalogue)]);
    let planned = Planned::new("overhead.yaml", CAMPAIGN, &catalogues, &NoFiles).unwrap();
    let engine = DockerEngine::connect().await.unwrap();
    let service = project.compose("reference").unwrap().worker;
    let reference = service.image.clone();
    let image = engine
        .image(&reference)
        .await
        .unwrap()
        .expect("lemctl images build reference");
    let engine_info = engine.engine().await.unwrap();
    println!(
        "Docker Engine {}, {} CPUs, {}",
        engine_info.version, engine_info.cpus, engine_info.storage_driver
    );

    let overheads: Arc<Mutex<Vec<Duration>>> = Arc::default();
    // Kept alive: a dropped stopper is fine, but an unused one would be warned about.
    let (_stopper, stop) = StopSignal::new();
    let setting = Setting {
        engine: DockerEngine::connect().await.unwrap(),
        clock: Arc::new(HostClock),
        services: BTreeMap::from([("reference".to_owned(), service)]),
        images: BTreeMap::from([("reference".to_owned(), image)]),
        engine_info,
        host: Host::observe(),
        identity: Identity {
            uid: project.uid,
            gid: project.gid,
        },
        sinks: vec![Box::new(Stopwatch {
            last: None,
            overheads: overheads.clone(),
        })],
        stop,
        power: None,
        gpu_locks: None,
        models: None,
    };
    let opened = create(&root, planned, &HostClock).unwrap();
    let campaign = opened.folders.id.clone();

    let ended = Runner::new(setting, opened).session().await.unwrap();
    assert_eq!(ended.tally.accepted, RUNS);
    let runs = std::mem::take(&mut *overheads.lock().unwrap());
    assert!(
        engine
            .list(&[(labels::CAMPAIGN, &campaign)])
            .await
            .unwrap()
            .is_empty()
    );

    let container = idle_container(&engine, &project, &root).await;
    let mut execs = Vec::new();
    for _ in 0..60 {
        execs.push(bare_exec(&engine, &container).await);
    }
    engine.remove(&container).await.unwrap();
    let fresh: Vec<Duration> = (0..20).map(|_| docker_run(&reference)).collect();

    let warm = print("warm run, due to accepted, less its window", runs);
    let exec = print("bare exec of the agent, create to inspect", execs);
    let fresh = print("docker run --rm of the agent", fresh);
    println!(
        "warm run / bare exec: {:.3}   warm run / docker run: {:.4}",
        warm / exec,
        warm / fresh
    );
}

/// A container as a campaign starts it, with a lease that lasts as long as the benchmark.
async fn idle_container(
    engine: &DockerEngine,
    project: &Project,
    root: &Utf8PathBuf,
) -> ContainerId {
    let (control, outbox) = (root.join("control"), root.join("outbox"));
    for folder in [&control, &outbox] {
        std::fs::create_dir(folder).unwrap();
    }
    let lease = HostClock.monotonic_ns() + 600_000_000_000;
    std::fs::write(control.join("lease"), format!("{lease}\n")).unwrap();
    std::fs::write(
        control.join("passwd"),
        passwd_text(project.uid, project.gid),
    )
    .unwrap();
    std::fs::write(control.join("group"), group_text(project.gid)).unwrap();
    let overlay = Overlay {
        name: format!("lem-bench-{}", std::process::id()),
        labels: BTreeMap::from([(labels::CAMPAIGN.to_owned(), "bench".to_owned())]),
        gpus: Vec::new(),
        without_devices: Vec::new(),
        control,
        outbox,
        model: None,
    };
    let service = project.compose("reference").unwrap().worker;
    let spec = ContainerSpec::new(&service, &overlay).unwrap();
    let id = engine.create(&spec).await.unwrap();
    engine.start(&id).await.unwrap();
    id
}
