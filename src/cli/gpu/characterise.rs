//! `lemctl gpu characterise`.

use camino::Utf8PathBuf;
use clap::Args;
use serde_json::json;

use super::found;
use super::{Outcome, Root};
use crate::cli::gpu_wait::GpuWaitArguments;
use crate::cli::nvml::NvmlArguments;
use crate::cli::{CliError, Format, output};
use crate::diagnostics::Exit;
use crate::runner::characterise::{CharacteriseRequest, characterise, chosen};
use crate::telemetry::GpuSnapshot;

/// The load program's name, beside lemctl.
const LOAD_PROGRAM: &str = "lem-load";

/// Arguments of `characterise`.
#[derive(Debug, Args)]
#[command(
    after_help = "Loads the GPU with square waves, steps and steady load for about two minutes and finds, for each\n\
    source of power: its update period, averaging window and latency; further the agreement of counter and\n\
    sample buffer, and the power of an idle GPU bare and with a context. Every figure with its 95 % interval.\n\
    Writes sensors/<uuid>-<driver>.json, which windows on this GPU with this driver then use. Nobody else may\n\
    use the GPU meanwhile (exit 4). On the GPU simulator the load is simulated, too.\n\n\
    Examples:\n  lemctl gpu characterise\n  lemctl gpu characterise --gpu GPU-… --meter meter.csv"
)]
pub(in crate::cli) struct Characterise {
    /// The GPU, by UUID [default: the only one there is].
    #[arg(long, value_name = "UUID")]
    gpu: Option<String>,
    #[command(flatten)]
    nvml: NvmlArguments,
    #[command(flatten)]
    wait: GpuWaitArguments,
    /// The program that loads the GPU [default: lem-load beside lemctl].
    #[arg(long, value_name = "PATH")]
    load_program: Option<Utf8PathBuf>,
    /// Length of each steady phase; all of it takes about 12 of them, and shorter ones give wider intervals.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Readings of a physical meter, written while this runs: CSV of `monotonic_ns` or `unix_us`, and `watts`.
    /// Gain and offset of the sensor are fitted to them.
    #[arg(long, value_name = "FILE")]
    meter: Option<Utf8PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (2.0..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("from 2 to 60".to_owned()),
    }
}

pub(super) async fn run(arguments: &Characterise, root: &Root) -> Outcome {
    let telemetry = arguments.nvml.open()?;
    let gpu = GpuSnapshot {
        uuid: chosen(telemetry.as_ref(), arguments.gpu.as_deref())?.uuid,
        ..GpuSnapshot::default()
    };
    let library = telemetry.library();
    let locks = arguments.wait.hold(root, &library, &[gpu]).await?;
    locks.tell("gpu characterise");
    let load_program = match &arguments.load_program {
        Some(path) => path.clone(),
        None => beside()?,
    };
    let request = CharacteriseRequest {
        root: root.path().to_owned(),
        gpu: arguments.gpu.clone(),
        load_program,
        phase_seconds: arguments.seconds,
        meter: arguments.meter.clone(),
    };
    let found = characterise(&request, &telemetry, &mut output::note)?;
    match arguments.format {
        Format::Json => output::json(&json!({ "path": found.path, "found": found.file })),
        Format::Text => output::text(&found::text(&found.file, &found.path)),
    }
    Ok(Exit::Ok)
}

/// The load program beside this one.
fn beside() -> Result<Utf8PathBuf, CliError> {
    let unreadable = |reason: String| CliError::Unreadable {
        path: LOAD_PROGRAM.into(),
        reason,
        fix: "name it: --load-program PATH".to_owned(),
    };
    let own = std::env::current_exe().map_err(|error| unreadable(error.to_string()))?;
    let own = Utf8PathBuf::from_path_buf(own)
        .map_err(|path| unreadable(format!("{} is not UTF-8", path.display())))?;
    Ok(own.with_file_name(LOAD_PROGRAM))
}
