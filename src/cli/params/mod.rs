//! `lemctl params …`.

mod audit;
mod diff;
mod list;
mod show;

use camino::Utf8Path;
use clap::Subcommand;

use super::error::near;
use super::{CliError, Outcome, Root};
use crate::catalogue::{Catalogues, Extracted};
use crate::diagnostics::Failure;

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the parameters of a backend.
    #[command(disable_version_flag = true)]
    List(list::List),
    /// Say all that is known of one parameter.
    #[command(disable_version_flag = true)]
    Show(show::Show),
    /// Say what a change of version adds, drops and changes, and which campaign files it breaks.
    Diff(diff::Diff),
    /// Compare a catalogue with the engine that is installed in the backend's image.
    #[command(disable_version_flag = true)]
    Audit(audit::Audit),
}

pub(super) async fn run(command: Command, root: &Root) -> Outcome {
    match command {
        Command::List(arguments) => list::run(&arguments, root),
        Command::Show(arguments) => show::run(&arguments, root),
        Command::Diff(arguments) => diff::run(&arguments, root),
        Command::Audit(arguments) => audit::run(&arguments, root).await,
    }
}

/// The catalogue of a backend, at a version or the pinned one.
fn catalogue(
    root: &Root,
    backend: &str,
    version: Option<&str>,
) -> Result<std::sync::Arc<crate::catalogue::Catalogue>, Failure> {
    let catalogues = Catalogues::read(&root.catalogues()?)?;
    let found = match version {
        Some(version) => catalogues.at(backend, version),
        None => catalogues.get(backend),
    };
    if let Some(found) = found {
        return Ok(std::sync::Arc::clone(found));
    }
    let known: Vec<&str> = catalogues.versions(backend).collect();
    Err(if known.is_empty() {
        CliError::NoCatalogue {
            wanted: backend.to_owned(),
            near: near(backend, catalogues.backends()),
            known: catalogues.backends().collect::<Vec<_>>().join(", "),
        }
    } else {
        CliError::NoCatalogue {
            wanted: format!("{backend} {}", version.unwrap_or_default()),
            near: String::new(),
            known: known.join(", "),
        }
    }
    .into())
}

/// An extraction: of a version at hand, or in a file.
fn extraction(root: &Root, backend: &str, named: &str) -> Result<Extracted, Failure> {
    let own = root
        .path()
        .join(format!("catalogues/{backend}-{named}.json"));
    let path = if own.exists() {
        own
    } else {
        Utf8Path::new(named).to_owned()
    };
    let fix = "name a version that has a file in catalogues/, or the file of an extraction: python3 -m lem_extract";
    let text = super::root::text(&path, fix)?;
    let extracted = Extracted::parse(&root.shown(&path), &text)?;
    if extracted.backend != Catalogues::canonical(backend) {
        return Err(CliError::NoCatalogue {
            wanted: format!("{backend} in {path}"),
            near: String::new(),
            known: format!("{} {}", extracted.backend, extracted.version),
        }
        .into());
    }
    Ok(extracted)
}
