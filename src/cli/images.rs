//! `lemctl images build|list|verify`.

use std::collections::BTreeMap;

use clap::Subcommand;
use serde_json::json;

use super::{Format, Outcome, Root, output};
use crate::containers::ImageIdentity;
use crate::containers::docker::DockerEngine;
use crate::diagnostics::{Exit, Failure};
use crate::progress::Building;
use crate::runner::images::{Freshness, ImageState, ImagesError, build, names, state};
use crate::runner::project::Project;
use crate::worker::printable;

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build images from images/<name>/Dockerfile; lemctl pulls no base image.
    #[command(
        after_help = "The package index is PIP_INDEX_URL of the environment (LEM_PIP_INDEX_URL wins), with PIP_TRUSTED_HOST \
        beside it, and proxies are HTTP_PROXY and its like; none of them is kept in the image.\n\n\
        Examples:\n  lemctl images build reference\n  lemctl images build               every backend, and `fetch`\n  \
        lemctl images build pytorch --build-arg BASE=python:3.12-slim"
    )]
    Build {
        /// Backends, or `fetch`; all of them if none is named.
        names: Vec<String>,
        /// A value for an ARG of the Dockerfile: BASE is the image it begins from.
        #[arg(long = "build-arg", value_name = "NAME=VALUE", value_parser = argument)]
        arguments: Vec<(String, String)>,
        /// Print only what was built.
        #[arg(long, short)]
        quiet: bool,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the images on this machine.
    #[command(after_help = "Examples:\n  lemctl images list\n  lemctl images list --format json")]
    List {
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check that images were built from their sources as they are now, and say whether their base is pinned.
    #[command(
        after_help = "Exits 8 if an image is not what its sources say, 4 if one is not on this machine.\n\n\
        Examples:\n  lemctl images verify\n  lemctl images verify reference --format json"
    )]
    Verify {
        /// Backends, or `fetch`; all of them if none is named.
        names: Vec<String>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

fn argument(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

pub(super) async fn run(command: Command, root: &Root) -> Outcome {
    let project = root.project();
    match command {
        Command::Build {
            names,
            arguments,
            quiet,
            format,
        } => {
            let arguments = arguments.into_iter().collect();
            let engine = DockerEngine::connect().await?;
            let mut built = Vec::new();
            for name in chosen(&project, &names)? {
                let image = build_one(&engine, &project, &name, &arguments, quiet).await?;
                if format == Format::Text {
                    let megabytes = image.size_bytes as f64 / 1e6;
                    let id = short(&image.id);
                    output::text(&format!(
                        "built {} ({id}, {megabytes:.1} MB)",
                        image.reference
                    ));
                }
                built.push(image);
            }
            if format == Format::Json {
                output::json(&json!({ "built": built }));
            }
            Ok(Exit::Ok)
        }
        Command::List { format } => {
            show(&states(&project, &[]).await?, format);
            Ok(Exit::Ok)
        }
        Command::Verify { names, format } => {
            let states = states(&project, &names).await?;
            show(&states, format);
            Ok(verdict(&states))
        }
    }
}

/// A wrong image weighs more than one that is not there.
fn verdict(states: &[ImageState]) -> Exit {
    let missing = |state: &&ImageState| state.freshness == Freshness::Missing;
    if states.iter().all(ImageState::holds) {
        Exit::Ok
    } else if states
        .iter()
        .filter(|state| !state.holds())
        .all(|state| missing(&state))
    {
        Exit::EnvironmentNotReady
    } else {
        Exit::VerificationFailed
    }
}

/// The images that were named, or all of them.
fn chosen(project: &Project, named: &[String]) -> Result<Vec<String>, ImagesError> {
    if named.is_empty() {
        names(project)
    } else {
        Ok(named.to_vec())
    }
}

async fn build_one(
    engine: &DockerEngine,
    project: &Project,
    name: &str,
    arguments: &BTreeMap<String, String>,
    quiet: bool,
) -> Result<ImageIdentity, Failure> {
    let shown = Building::new(name, quiet);
    let mut progress = |line: &str| shown.line(line);
    let built = build(engine, project, name, arguments, &mut progress).await;
    shown.end();
    Ok(built?)
}

async fn states(project: &Project, named: &[String]) -> Result<Vec<ImageState>, Failure> {
    let engine = DockerEngine::connect().await?;
    let mut states = Vec::new();
    for name in chosen(project, named)? {
        states.push(state(&engine, project, &name).await?);
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
        Freshness::Current if state.problems.is_empty() => "current",
        Freshness::Current => "wrong",
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
    let mut lines = vec![format!(
        "{word:<8} {:<12} {:<32} {id:<12} {created}{}",
        state.backend,
        state.reference,
        state
            .note
            .as_ref()
            .map_or(String::new(), |note| format!("  ({note})"))
    )];
    if let Some(base) = &state.base {
        lines.push(match base.pinned {
            true => format!("base pinned: {}", base.name),
            false => format!(
                "base NOT pinned, so another build may differ: {}",
                base.name
            ),
        });
    }
    if !state.arguments.is_empty() {
        let given = state.arguments.iter();
        let given: Vec<String> = given
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        lines.push(format!("built with {}", given.join(" ")));
    }
    lines.extend(state.problems.iter().cloned());
    if !state.holds() {
        lines.push(format!("fix: lemctl images build {}", state.backend));
    }
    // Labels are what anyone wrote into an image.
    let lines: Vec<String> = lines
        .iter()
        .map(|line| printable(line.as_bytes()))
        .collect();
    lines.join("\n         ")
}

fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}
