//! `lemctl images build|list|verify`

use std::io::Write;

use camino::Utf8Path;
use serde_json::json;

use super::format::{Format, write_json};
use super::invoker;
use crate::containers::ContainerEngine;
use crate::containers::docker::DockerEngine;
use crate::diagnostics::{Exit, Failure};
use crate::runner::images::{Freshness, ImageState, ImagesError, sources, state};
use crate::runner::project::Project;

/// Build and look at the images of the backends
#[derive(Debug, clap::Args)]
pub struct ImagesArguments {
    /// What to do
    #[command(subcommand)]
    pub command: ImagesCommand,
}

/// What to do with images.
#[derive(Debug, clap::Subcommand)]
pub enum ImagesCommand {
    /// Build images from images/<backend>/Dockerfile; nothing is pulled
    #[command(
        after_help = "Examples:\n  lemctl images build reference\n  lemctl images build            every backend that has a Dockerfile"
    )]
    Build {
        /// Backends; all of them if none is named
        backends: Vec<String>,
        /// Print only what was built
        #[arg(long, short)]
        quiet: bool,
    },
    /// List the backends' images on this machine
    #[command(after_help = "Examples:\n  lemctl images list\n  lemctl images list --format json")]
    List {
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Check that the images were built from their sources as they are now; exits 4 if one was not
    #[command(
        after_help = "Examples:\n  lemctl images verify\n  lemctl images verify reference --format json"
    )]
    Verify {
        /// Backends; all of them if none is named
        backends: Vec<String>,
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Runs it.
///
/// # Errors
/// What the Engine, the file system or a Dockerfile is to blame for.
pub async fn run(
    arguments: &ImagesArguments,
    root: &Utf8Path,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let project = invoker::project(root);
    match &arguments.command {
        ImagesCommand::Build { backends, quiet } => {
            for backend in chosen(&project, backends)? {
                build(&project, &backend, *quiet, out).await?;
            }
            Ok(Exit::Ok)
        }
        ImagesCommand::List { format } => {
            show(out, &states(&project, &[]).await?, *format);
            Ok(Exit::Ok)
        }
        ImagesCommand::Verify { backends, format } => {
            let states = states(&project, backends).await?;
            show(out, &states, *format);
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

async fn build(
    project: &Project,
    backend: &str,
    quiet: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let build = sources(project, backend)?;
    let engine = DockerEngine::connect().await?;
    let mut progress = |line: &str| {
        if !quiet {
            let _ = writeln!(out, "  {line}").and_then(|()| out.flush());
        }
    };
    let image = engine.build(&build, &mut progress).await?;
    let _ = writeln!(
        out,
        "built {} ({}, {:.1} MB)",
        image.reference,
        short(&image.id),
        image.size_bytes as f64 / 1e6
    );
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

/// Whoever closed the pipe does not want to read the rest: a failed write is no failure.
fn show(out: &mut dyn Write, states: &[ImageState], format: Format) {
    let _ = match format {
        Format::Json => write_json(out, &json!({ "images": states })),
        Format::Text => states
            .iter()
            .try_for_each(|state| writeln!(out, "{}", text(state))),
    };
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
