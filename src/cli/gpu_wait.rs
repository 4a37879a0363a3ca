//! `--wait-for-gpus`: what to do where another lemctl of this host measures on a GPU that is asked for.

use std::time::Duration;

use clap::Args;

use super::{Root, output};
use crate::clock::HostClock;
use crate::diagnostics::Failure;
use crate::environment::{GpuLocks, LockFolder};
use crate::runner::{hold_gpus, lock_names};
use crate::telemetry::{GpuSnapshot, LibraryInfo};

/// The setting that names the folder of the locks.
const FOLDER: &str = "LEM_GPU_LOCKS";

/// Names the GPU simulator's scenario (docs/simulator.md): the same GPUs in another one are others.
const SCENARIO: &str = "LEM_NVML_SIM";

/// Flattened into every command that needs GPUs for itself.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct GpuWaitArguments {
    /// Wait until no other lemctl of this host measures on these GPUs, at most so many minutes [default: without
    /// this, refuse; without a number, wait as long as it takes].
    #[arg(
        long,
        value_name = "MINUTES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "inf",
        value_parser = minutes,
        help_heading = "GPU"
    )]
    wait_for_gpus: Option<f64>,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes >= 0.0 => Ok(minutes),
        _ => Err("minutes, 0 or more".to_owned()),
    }
}

impl GpuWaitArguments {
    /// Has GPUs for this process alone.
    ///
    /// # Errors
    /// If another lemctl holds one for longer than is waited, or there is nowhere to lock them.
    pub(super) async fn hold(
        self,
        root: &Root,
        library: &LibraryInfo,
        gpus: &[GpuSnapshot],
    ) -> Result<GpuLocks, Failure> {
        let settings = root.project().settings()?;
        let named = settings.get(FOLDER).filter(|folder| !folder.is_empty());
        let folder = LockFolder::find(named.map(String::as_str))?;
        let wait = self
            .wait_for_gpus
            .map(|minutes| Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(Duration::MAX));
        let scenario = settings.get(SCENARIO).map_or("", String::as_str);
        let names = lock_names(library, scenario, gpus);
        Ok(hold_gpus(&folder, &names, wait, &HostClock, &mut output::note).await?)
    }
}
