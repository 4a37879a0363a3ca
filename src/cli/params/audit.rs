//! `lemctl params audit`.

use camino::Utf8PathBuf;
use clap::Args;
use serde_json::json;

use super::{Outcome, Root, catalogue, extraction};
use crate::catalogue::{Catalogues, Differences, Extracted};
use crate::cli::{Format, output};
use crate::clock::HostClock;
use crate::containers::docker::DockerEngine;
use crate::diagnostics::{Exit, Failure};
use crate::environment::Host;
use crate::report::differences_text;
use crate::runner::audit::installed;
use crate::runner::prerequisites::Facts;

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Starts the backend's container, has it read the parameters of the engine installed there (without\n\
    importing it), and removes it. Exits 8 when anything differs, and lists it.\n\n\
    Examples:\n  lemctl params audit vllm\n  \
    python3 -m lem_extract tensorrt --installed -o found.json    where the engine is, without Docker\n  \
    lemctl params audit tensorrt --against found.json"
)]
pub(in crate::cli) struct Audit {
    /// The backend.
    backend: String,
    /// Its version [default: the one that catalogues/pins.json names].
    #[arg(long)]
    version: Option<String>,
    /// A saved extraction to compare with, in place of a container's.
    #[arg(long, value_name = "FILE")]
    against: Option<Utf8PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn run(arguments: &Audit, root: &Root) -> Outcome {
    let backend = Catalogues::canonical(&arguments.backend);
    let version = match &arguments.version {
        Some(version) => version.clone(),
        None => catalogue(root, backend, None)?.version().to_owned(),
    };
    let kept = extraction(root, backend, &version)?;
    let found = match &arguments.against {
        Some(file) => extraction(root, backend, file.as_str())?,
        None => in_container(root, backend).await?,
    };
    let same_version = kept.version == found.version;
    let differences = Differences::of(&kept.parameters, &found.parameters);
    let holds = differences.is_empty() && same_version;
    let names = [
        format!("catalogue of {backend} {}", kept.version),
        format!("installed {}", found.version),
    ];
    match arguments.format {
        Format::Json => output::json(&json!({
            "backend": backend,
            "catalogue": kept.version,
            "installed": found.version,
            "holds": holds,
            "differences": differences,
        })),
        Format::Text if holds => output::text(&format!(
            "{} holds: {} parameters are what is installed",
            names[0],
            kept.parameters.len()
        )),
        Format::Text => {
            output::text(&differences_text(&names[0], &names[1], &differences, &[]));
            let count = differences.count();
            let version = if same_version {
                String::new()
            } else {
                format!("it is version {}, and ", found.version)
            };
            output::note(&format!(
                "error[params::audit]: what is installed is not what the catalogue of {backend} {} says: {version}{count} differences\n  \
                fix: lemctl images build {backend}, or extract the catalogue anew and look through its curated text",
                kept.version
            ));
        }
    }
    Ok(if holds {
        Exit::Ok
    } else {
        Exit::VerificationFailed
    })
}

async fn in_container(root: &Root, backend: &str) -> Result<Extracted, Failure> {
    let (project, host) = (root.project(), Host::observe());
    let facts = Facts {
        project: &project,
        groups: crate::cli::root::groups(),
        clock: &HostClock,
        boot_id: &host.boot_id,
    };
    let engine = DockerEngine::connect().await?;
    Ok(installed(&engine, &facts, backend).await?)
}
