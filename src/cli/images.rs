//! `lemctl images build|list|verify`.

use clap::Subcommand;
use serde_json::json;

use super::{Format, Outcome, Root, output};
use crate::containers::docker::DockerEngine;
use crate::diagnostics::{Exit, Failure};
use crate::runner::images::{Freshness, ImageState, ImagesError, build, state};
use crate::runner::project::Project;

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build images from images/<backend>/Dockerfile; nothing is pulled.
    #[command(
        after_help = "Examples:\n  lemctl images build reference\n  lemctl images build               every backend"
    )]
    Build {
        /// Backends; all of them if none is named.
        backends: Vec<String>,
        /// Print only what was built.
        #[arg(long, short)]
        quiet: bool,
    },
    /// List the backends' images on this machine.
    #[command(after_help = "Examples:\n  lemctl images list\n  lemctl images list --format json")]
    List {
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check that images were built from their sources as they are now; exits 4 if one was not.
    #[command(
        after_help = "Examples:\n  lemctl images verify\n  lemctl images verify reference --format json"
    )]
    Verify {
        /// Backends; all of them if none is named.
        backends: Vec<String>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

pub(super) async fn run(command: Command, root: &Root) -> Outcome {
    let project = root.project();
    match command {
        Command::Build { backends, quiet } => {
            for backend in chosen(&project, &backends)? {
                build_one(&project, &backend, quiet).await?;
            }
            Ok(Exit::Ok)
        }
        Command::List { format } => {
            show(&states(&project, &[]).await?, format);
            Ok(Exit::Ok)
        }
        Command::Verify { backends, format } => {
            let states = states(&project, &backends).await?;
            show(&states, format);
            let current = states
                .iter()
                .all(|state| state.freshness == Freshness::Current);
            Ok(if current {
                Exit::Ok
            } else {
                Exit::EnvironmentNotReady
            })
        }
    }
}

/// The backends that were named, or all of them.
fn chosen(project: &Project, named: &[String]) -> Result<Vec<String>, ImagesError> {
    if named.is_empty() {
        Ok(project.backends()?)
    } else {
        Ok(named.to_vec())
    }
}

async fn build_one(project: &Project, backend: &str, quiet: bool) -> Result<(), Failure> {
    let engine = DockerEngine::connect().await?;
    let mut progress = |line: &str| {
        if !quiet {
            output::text(&format!("  {line}"));
        }
    };
    let image = build(&engine, project, backend, &mut progress).await?;
    let megabytes = image.size_bytes as f64 / 1e6;
    output::text(&format!(
        "built {} ({}, {megabytes:.1} MB)",
        image.reference,
        short(&image.id)
    ));
    Ok(())
}

async fn states(project: &Project, named: &[String]) -> Result<Vec<ImageState>, Failure> {
    let engine = DockerEngine::connect().await?;
    let mut states = Vec::new();
    for backend in chosen(project, named)? {
        states.push(state(&engine, project, &backend).await?);
    }
    Ok(states)
}

fn show(states: &[ImageState], format: Format) {
    match format {
        Format::Json => output::json(&json!({ "images": states })),
        Format::Text => states.iter().for_each(|state| output::text(&text(state))),
    }
}

fn text(state: &ImageState) -> String {
    let word = match state.freshness {
        Freshness::Current => "current",
        Freshness::Stale => "stale",
        Freshness::Unknown => "unknown",
        Freshness::Missing => "missing",
    };
    let id = state.image.as_ref().map_or("-", |image| short(&image.id));
    let created = state
        .image
        .as_ref()
        .and_then(|image| image.created.as_deref())
        .unwrap_or("-");
    let mut line = format!(
        "{word:<8} {:<12} {:<32} {id:<12} {created}",
        state.backend, state.reference
    );
    if let Some(note) = &state.note {
        line.push_str(&format!("  ({note})"));
    }
    if state.freshness != Freshness::Current {
        line.push_str(&format!(
            "\n         fix: lemctl images build {}",
            state.backend
        ));
    }
    line
}

fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}
