//! `lemctl models`: having models before they are needed, and what the store holds.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Format, Outcome, Root, output, session};
use crate::campaign::ModelConfig;
use crate::clock::HostClock;
use crate::containers::docker::DockerEngine;
use crate::diagnostics::{Exit, Failure};
use crate::progress::Transfer;
use crate::report::table;
use crate::runner::models::{Ensured, Models, Owner, Wanted, Watch, ensure, verify};
use crate::runner::{Lease, StopSignal};
use crate::store::{FoundModel, ModelIdentity};

/// `lemctl models …`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Have a model's files before they are needed; one that is there whole is left alone.
    Pull(Pull),
    /// Models that are there.
    #[command(after_help = "\
Examples:
  lemctl models list
  lemctl models list --format json | jq '.models[].model'")]
    List {
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl models pull campaigns/quick.yaml                     what a campaign needs
  lemctl models pull org/name@0123456789abcdef0123456789abcdef01234567
  lemctl models pull --random campaigns/models/llama-1b.json --seed 1

A token for models that need one comes from HF_TOKEN or the file that the hub's own tools keep; HF_ENDPOINT names
another hub, LEM_MODELS another folder.")]
pub(super) struct Pull {
    /// A campaign file, or a hub's `organisation/name`, with `@` and a commit, branch or tag.
    #[arg(required_unless_present = "random")]
    what: Option<String>,
    /// Draw random weights for this `config.json`.
    #[arg(
        long,
        value_name = "CONFIG",
        conflicts_with = "what",
        requires = "seed"
    )]
    random: Option<Utf8PathBuf>,
    /// Seed of the random weights.
    #[arg(long, requires = "random")]
    seed: Option<u64>,
    /// Read every byte of the files and compare their hashes; a damaged model is had anew.
    #[arg(long)]
    verify: bool,
    /// Show no progress.
    #[arg(long)]
    quiet: bool,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn run(command: Command, root: &Root) -> Outcome {
    let project = root.project();
    let identity = session::identity(&project)?;
    let backends = project.backends()?;
    let models = Models::of(&project, &backends, identity)?;
    match command {
        Command::Pull(arguments) => pull(&arguments, root, &models).await,
        Command::List { format } => {
            list(&models, format);
            Ok(Exit::Ok)
        }
    }
}

async fn pull(arguments: &Pull, root: &Root, models: &Models) -> Outcome {
    let Some(wanted) = wanted(arguments, root)? else {
        output::text("the campaign's model is made of parameters: it has no files");
        return Ok(Exit::Ok);
    };
    let shown = Transfer::new(arguments.quiet);
    let engine = DockerEngine::connect().await?;
    let owner = Owner::of_pull(models, &wanted);
    let lease = Lease::new(Arc::new(HostClock));
    let (stopper, stop) = StopSignal::new();
    let listening = tokio::spawn(session::listen(session::Signals::hear()?, stopper));
    let mut told = |done, total| shown.at(done, total);
    let mut watch = Watch {
        stop: &stop,
        told: &mut told,
    };
    let mut had = ensure(&engine, models, &wanted, &owner, &lease, &mut watch).await;
    let mut damaged = Vec::new();
    if let Ok(ensured) = &had
        && arguments.verify
        && !ensured.fetched
    {
        match verify(models, &wanted, ensured, &mut watch).await {
            Ok(found) => damaged = found,
            Err(cause) => had = Err(cause),
        }
    }
    let local = matches!(wanted, Wanted::Local { .. });
    if let Ok(ensured) = &had
        && !damaged.is_empty()
    {
        output::note(&told_damaged(ensured, &damaged, local));
        had = ensure(&engine, models, &wanted, &owner, &lease, &mut watch).await;
    }
    listening.abort();
    shown.end();
    match had {
        Ok(ensured) => {
            show(&ensured, root, arguments.format);
            // What nobody but the user can mend must not pass for whole.
            Ok(match local && !damaged.is_empty() {
                true => Exit::VerificationFailed,
                false => Exit::Ok,
            })
        }
        Err(_) if stop.asked().is_some() => Ok(Exit::Interrupted),
        Err(cause) => Err(CliError::NoModel {
            what: format!("{}: {}", cause.code, cause.message),
            fix: cause.hint.unwrap_or_else(|| "lemctl check".to_owned()),
        }
        .into()),
    }
}

fn wanted(arguments: &Pull, root: &Root) -> Result<Option<Wanted>, Failure> {
    if let Some(path) = &arguments.random {
        let fix = "name a `config.json` of the transformers kind";
        let config = super::root::text(path, fix)?;
        if let Err(reason) = ModelConfig::parse(&config) {
            let (path, fix) = (path.clone(), fix.to_owned());
            return Err(CliError::Unreadable { path, reason, fix }.into());
        }
        let seed = arguments.seed.unwrap_or_default();
        return Ok(Some(Wanted::Random { config, seed }));
    }
    let what = arguments.what.as_deref().unwrap_or_default();
    let file = Utf8Path::new(what);
    if file.is_file() || matches!(file.extension(), Some("yaml" | "yml")) {
        let planned = root.plan(file)?;
        return Ok(Wanted::of(&planned.campaign.model));
    }
    let (id, revision) = what.split_once('@').unwrap_or((what, "main"));
    Wanted::hub(id, revision).map(Some).ok_or_else(|| {
        CliError::NoModel {
            what: format!("`{what}` is neither a campaign file nor a hub's `organisation/name`"),
            fix: "lemctl models pull org/name@revision".to_owned(),
        }
        .into()
    })
}

/// What became of damaged files.
fn told_damaged(ensured: &Ensured, damaged: &[String], local: bool) -> String {
    let (folder, names) = (&ensured.folder, damaged.join(", "));
    match local {
        true => format!(
            "{folder} has other bytes than were summed before, though size and times are the same ({names}): put the right files there; the disk may be failing"
        ),
        false => format!("{folder} is damaged ({names}): it is had anew"),
    }
}

fn show(ensured: &Ensured, root: &Root, format: Format) {
    let Ensured {
        identity,
        folder,
        bytes,
        files,
        fetched,
    } = ensured;
    match format {
        Format::Json => output::json(&json!({
            "model": identity, "folder": folder, "bytes": bytes, "files": files, "fetched": fetched,
        })),
        Format::Text => {
            let word = if *fetched { "fetched" } else { "was there" };
            output::text(&format!(
                "{word}: {} {}{} ({files} files, {})",
                identity.source,
                identity.id,
                at(identity),
                size(*bytes)
            ));
            output::text(&format!("folder:  {}", root.shown(folder)));
            output::text(&format!("weights: {}", identity.weights_sha256));
        }
    }
}

fn list(models: &Models, format: Format) {
    let (found, partial) = models.store.list();
    match format {
        Format::Json => {
            let entry = |found: &FoundModel| {
                json!({
                    "model": found.model.identity, "folder": found.folder,
                    "bytes": found.model.bytes(), "files": found.model.files.len(),
                    "whole": found.wrong_sizes().is_empty(),
                })
            };
            let models: Vec<_> = found.iter().map(entry).collect();
            output::json(&json!({ "models": models, "unfinished": partial }));
        }
        Format::Text => {
            let rows = found.iter().map(|found| {
                let identity = &found.model.identity;
                let whole = found.wrong_sizes().is_empty();
                [
                    identity.source.clone(),
                    format!("{}{}", identity.id, at(identity)),
                    size(found.model.bytes()),
                    identity.weights_sha256.short(12),
                    if whole { "whole" } else { "damaged" }.to_owned(),
                ]
                .to_vec()
            });
            let head = ["source", "model", "size", "weights", "state"];
            let rows: Vec<Vec<String>> = rows.collect();
            if rows.is_empty() {
                output::text(&format!("no models in {}", models.store.root()));
            } else {
                output::text(&table(&head, rows, 2));
            }
            for folder in partial {
                output::text(&format!(
                    "not finished: {folder} (the next pull goes on with it; or remove it)"
                ));
            }
        }
    }
}

fn at(identity: &ModelIdentity) -> String {
    let revision = identity.revision.as_deref();
    revision.map_or(String::new(), |revision| format!("@{revision}"))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=999_999 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
