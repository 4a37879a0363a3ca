//! `lemctl results show`.

use clap::Args;
use serde_json::Value;

use super::{Outcome, Root, gather};
use crate::cli::{CliError, Format, output, target};
use crate::diagnostics::Exit;
use crate::execution::{Attempt, State, Verdict};
use crate::journal::Lock;
use crate::manifest::{over_cycles, quality};
use crate::report::{ExperimentView, ResultLine, experiment_text, run_text, why_not};
use crate::runner;
use crate::store::Folders;

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl results show reference-batch_size4-3fa9c1.c2
  lemctl results show reference-batch_size4-3fa9c1 --campaign quickstart       an experiment over its cycles
  lemctl results show reference-batch_size4-3fa9c1.c2 --format json            the result file itself")]
pub(in crate::cli) struct Show {
    /// A run's id, or an experiment's, as `results list` prints it.
    run: String,
    /// Which attempt at the run [default: the one that stands].
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// A campaign's name, id, or name/id [default: the latest].
    #[arg(long)]
    campaign: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Show, root: &Root) -> Outcome {
    let folders = target::find(root, arguments.campaign.as_deref())?;
    let (planned, state, _) = runner::replayed(&folders)?;
    let live = Lock::is_held(&folders.results());
    let plan = state.plan();
    if let Some(run) = state.run_index(&arguments.run) {
        let line = gather::line(&folders, &planned.campaign, &state, run, live);
        return show_run(arguments, &folders, &state, run, line);
    }
    let experiments = &plan.experiments;
    let place = experiments
        .iter()
        .position(|experiment| experiment.id == arguments.run);
    let Some(place) = place else {
        let runs = plan.runs.iter().map(|run| run.id.as_str());
        let names = runs.chain(experiments.iter().map(|experiment| experiment.id.as_str()));
        return Err(CliError::no_run(folders.campaign, &arguments.run, names).into());
    };
    if arguments.attempt.is_some() {
        return Err(CliError::NoAttempt {
            what: format!("{} is an experiment: attempts are of runs", arguments.run),
        }
        .into());
    }
    let mut cycles = over_cycles(&state, &planned.campaign.rules);
    let of = (0..plan.runs.len()).filter(|run| plan.runs[*run].experiment == place);
    let view = ExperimentView {
        campaign: folders.campaign.clone(),
        id: folders.id.clone(),
        experiment: experiments[place].id.clone(),
        experiment_hash: experiments[place].hash,
        config: experiments[place].canonical(),
        quality: quality(&planned.campaign, &state, &experiments[place].hash),
        scores: state.scores(&experiments[place].hash).to_vec(),
        cycles: cycles.swap_remove(place),
        runs: of
            .map(|run| gather::line(&folders, &planned.campaign, &state, run, live))
            .collect(),
    };
    match arguments.format {
        Format::Text => output::text(&experiment_text(&view)),
        Format::Json => output::json(&view),
    }
    Ok(Exit::Ok)
}

fn show_run(
    arguments: &Show,
    folders: &Folders,
    state: &State,
    run: usize,
    mut line: ResultLine,
) -> Outcome {
    let mut attempt = None;
    if let Some(number) = arguments.attempt {
        let place = (number as usize).checked_sub(1);
        let Some(found) = place.and_then(|place| state.history(run).nth(place)) else {
            return Err(CliError::NoAttempt {
                what: format!("run {} has {} attempts", line.run, line.attempts),
            }
            .into());
        };
        attempt = Some(number);
        line.verdict = found.verdict.as_ref().map_or("interrupted", Verdict::word);
        line.why = found.verdict.as_ref().and_then(why_not);
        line.result = found.result;
        line.flags.clear();
        line.file = None;
    } else if let Some(result) = &line.result {
        let stands = |attempt: &Attempt| attempt.result.as_ref() == Some(result);
        attempt = state
            .history(run)
            .position(|attempt| stands(&attempt))
            .and_then(|place| u32::try_from(place + 1).ok());
    }
    let cited = line.result.clone();
    let found = cited.map(|cited| gather::bytes(folders, &cited));
    let read = found.and_then(|found| {
        let both = found.and_then(|bytes| Ok((gather::value(&bytes)?, bytes)));
        both.map_err(|lost| line.file = Some(lost.word())).ok()
    });
    if let Some((value, _)) = &read {
        let flags = value.get("flags").and_then(Value::as_array);
        let flags = flags.into_iter().flatten().filter_map(Value::as_str);
        line.flags = flags.map(str::to_owned).collect();
    }
    match (arguments.format, &read) {
        (Format::Text, read) => {
            let value = read.as_ref().map(|(value, _)| value);
            output::text(&run_text(&line, attempt, value));
        }
        // The file itself, byte for byte: its hash can be checked.
        (Format::Json, Some((_, bytes))) => {
            output::text(String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        }
        (Format::Json, None) => output::json(&line),
    }
    Ok(match line.file {
        Some(_) => Exit::VerificationFailed,
        None => Exit::Ok,
    })
}
