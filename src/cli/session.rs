//! What `up` and `resume` share: everything a session needs is had before anything is written, signals
//! are heard while it runs, and its end is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::gpu_wait::GpuWaitArguments;
use super::nvml::NvmlArguments;
use super::{CliError, Outcome, Root, output};
use crate::clock::HostClock;
use crate::compose;
use crate::containers::docker::DockerEngine;
use crate::containers::{ContainerEngine, EngineError};
use crate::diagnostics::{Exit, Failure};
use crate::environment::Host;
use crate::execution::Tally;
use crate::progress::{Style, sink};
use crate::report::summary_text;
use crate::runner::models::Models;
use crate::runner::prerequisites::{self, Status};
use crate::runner::project::Project;
use crate::runner::verified;
use crate::runner::{
    Ended, Identity, Opened, Planned, Power, Runner, Setting, StopSignal, Stopper,
};
use crate::store::known_sensor;
use crate::telemetry::{GpuSnapshot, LibraryInfo, NvmlTelemetry};

/// Options of `up` and `resume`.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ProgressArguments {
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = ProgressStyle::Auto)]
    progress: ProgressStyle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ProgressStyle {
    /// Bars on a terminal, plain lines elsewhere.
    Auto,
    /// Plain lines on stderr.
    Plain,
    /// JSON lines on stdout.
    Json,
    /// Warnings only.
    Quiet,
}

impl ProgressArguments {
    /// Where what is for people goes: programs read JSON lines from stdout, and nothing else.
    pub(super) fn say(self) -> fn(&str) {
        match self.progress {
            ProgressStyle::Json => output::note,
            _ => output::text,
        }
    }

    fn style(self) -> Style {
        match self.progress {
            ProgressStyle::Auto => Style::Auto,
            ProgressStyle::Plain => Style::Plain,
            ProgressStyle::Json => Style::Json,
            ProgressStyle::Quiet => Style::Quiet,
        }
    }
}

/// Everything a session needs of this machine; nothing is written for it.
pub(super) async fn prepare(
    root: &Root,
    planned: &Planned,
    nvml: &NvmlArguments,
    wait: GpuWaitArguments,
    progress: ProgressArguments,
) -> Result<(Setting<DockerEngine>, Stopper), Failure> {
    let project = root.project();
    let identity = identity(&project)?;
    let plan = &planned.plan;
    let mut services = BTreeMap::new();
    for backend in &plan.backends {
        services.insert(backend.clone(), project.compose(backend)?.worker);
    }
    let engine = DockerEngine::connect().await?;
    let engine_info = engine.engine().await?;
    let mut images = BTreeMap::new();
    for (backend, service) in &services {
        let reference = service.image.clone();
        match engine.image(&reference).await? {
            Some(image) => images.insert(backend.clone(), image),
            None => return Err(EngineError::ImageMissing { reference }.into()),
        };
    }
    let power = power(root, &planned.campaign.gpus, nvml)?;
    let gpu_locks = match &power {
        Some(power) => Some(wait.hold(root, &power.library, &power.gpus).await?),
        None => None,
    };
    files_have_limits();
    let (stopper, stop) = StopSignal::new();
    let setting = Setting {
        engine,
        clock: Arc::new(HostClock),
        services,
        images,
        engine_info,
        host: Host::observe(),
        identity,
        sinks: vec![sink(progress.style())],
        stop,
        power,
        gpu_locks,
        models: Some(Models::of(&project, &plan.backends, identity)?),
    };
    Ok((setting, stopper))
}

/// A file that reaches a limit on sizes (`ulimit -f`) is an error like a full disk, and no death: a signal that is
/// heard kills nobody.
fn files_have_limits() {
    const SIGXFSZ: i32 = 25;
    // Where it cannot be heard, the kernel's default stands.
    let _ = signal(SignalKind::from_raw(SIGXFSZ));
}

/// The campaign's GPUs, and what is known of their sensors.
fn power(root: &Root, gpus: &[String], nvml: &NvmlArguments) -> Result<Option<Power>, Failure> {
    if gpus.is_empty() {
        return Ok(None);
    }
    let telemetry = NvmlTelemetry::open(nvml.library.as_deref())?;
    let sensor = |gpu: &GpuSnapshot, library: &LibraryInfo| {
        known_sensor(root.path(), &gpu.uuid, &gpu.name, &library.driver_version)
    };
    Ok(Some(Power::open(Arc::new(telemetry), gpus, sensor)?))
}

/// Whose containers and files: the invoking user's, by the rule that `check` shows.
pub(super) fn identity(project: &Project) -> Result<Identity, Failure> {
    let line = prerequisites::user(project, &super::root::groups());
    if line.status == Status::Fail {
        return Err(CliError::WrongUser {
            detail: line.detail,
            fix: line.fix.unwrap_or_default(),
        }
        .into());
    }
    let env_file = project.env_file()?.unwrap_or_default();
    let (uid, gid) = (project.uid, project.gid);
    let variables = compose::variables(&env_file, project.environment.clone(), uid, gid);
    // The rule has seen that they are numbers.
    let id = |name: &str, own: u32| {
        variables
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(own)
    };
    Ok(Identity {
        uid: id("PUID", uid),
        gid: id("PGID", gid),
    })
}

/// Runs a session to its end and tells of it.
pub(super) async fn run(
    root: &Root,
    setting: Setting<DockerEngine>,
    (stopper, signals): (Stopper, Signals),
    opened: Opened,
    progress: ProgressArguments,
) -> Outcome {
    let folders = opened.folders.clone();
    let say = progress.say();
    let listening = tokio::spawn(listen(signals, stopper));
    let ended = Runner::new(setting, opened).session().await;
    listening.abort();
    let ended = ended?;
    let target = format!("{} ({})", folders.campaign, folders.id);
    if let Some(manifest) = &ended.manifest {
        let verification = verified(&folders);
        say(&summary_text(manifest));
        say("");
        say(&format!(
            "manifest: {}",
            root.shown(&folders.manifests().join("manifest.json"))
        ));
        if verification.findings.is_empty() {
            say(&format!(
                "verified: {} files are what was sealed",
                verification.checked
            ));
        } else {
            for finding in &verification.findings {
                output::note(&format!("{}: {}", finding.path, finding.what));
            }
            return Ok(Exit::VerificationFailed);
        }
    }
    let exit = exit(&ended);
    if ended.manifest.is_none() {
        let due = ended.tally.due;
        let unasked = match ended.unasked {
            0 => String::new(),
            some => format!(", quality of {some} experiments is still to be asked for"),
        };
        output::note(&format!(
            "{due} runs are due{unasked}; go on with: lemctl campaign resume {}",
            folders.campaign
        ));
    }
    if let Some(cause) = &ended.breaker {
        output::note(&format!(
            "error: campaign {target} stopped by its breaker: {cause}"
        ));
    }
    let Tally {
        rejected,
        failed,
        skipped,
        ..
    } = ended.tally;
    if rejected + failed + skipped > 0 {
        output::note(&format!(
            "{rejected} rejected, {failed} failed, {skipped} skipped: lemctl campaign status {} says why",
            folders.campaign
        ));
    }
    Ok(exit)
}

fn exit(ended: &Ended) -> Exit {
    if ended.breaker.is_some() {
        return Exit::EnvironmentNotReady;
    }
    if ended.stopped.is_some() && ended.manifest.is_none() {
        return Exit::Interrupted;
    }
    of_tally(&ended.tally)
}

/// What a finished campaign's tally means.
pub(super) fn of_tally(tally: &Tally) -> Exit {
    match (tally.failed + tally.skipped, tally.rejected) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::RunsRejected,
        _ => Exit::RunsFailed,
    }
}

/// Signals that ask lemctl to stop. From the moment that this exists they do not end the process by themselves.
pub(super) struct Signals([Signal; 3]);

impl Signals {
    /// Hears them from now on: before anything is made that a sudden end would leave behind.
    pub(super) fn hear() -> Result<Self, CliError> {
        let heard = |kind| signal(kind).map_err(|source| CliError::Runtime { source });
        Ok(Self([
            heard(SignalKind::interrupt())?,
            heard(SignalKind::terminate())?,
            heard(SignalKind::hangup())?,
        ]))
    }
}

/// Ctrl-C, SIGTERM or SIGHUP once: stop in order. Twice: leave now; the lease cleans up.
pub(super) async fn listen(signals: Signals, stopper: Stopper) {
    let Signals([mut interrupt, mut terminate, mut hangup]) = signals;
    let mut asked = false;
    loop {
        let reason = tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "SIGTERM",
            _ = hangup.recv() => "SIGHUP",
        };
        if asked {
            output::note(
                "leaving now; the containers end by themselves when their lease runs out (30 s)",
            );
            #[expect(
                clippy::disallowed_methods,
                reason = "the user asked twice: nothing in order is wanted"
            )]
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        asked = true;
        output::note("stopping in order; once more to leave at once");
        stopper.stop(reason);
    }
}
