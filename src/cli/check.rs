//! `lemctl check`.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use super::{Format, Outcome, Root, output};
use crate::clock::HostClock;
use crate::containers::docker::DockerEngine;
use crate::diagnostics::Exit;
use crate::environment::Host;
use crate::runner::prerequisites::{CheckLine, Facts, Status, check, ready};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each line is pass, warn or fail, with what mends it. Changes nothing but one probe container per\n\
    backend, which it removes. Exits 4 when a campaign could not run.\n\n\
    Examples:\n  lemctl check\n  lemctl check --format json | jq '.lines[] | select(.status == \"fail\")'"
)]
pub(super) struct Check {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn run(arguments: &Check, root: &Root) -> Outcome {
    let (project, host) = (root.project(), Host::observe());
    let facts = Facts {
        project: &project,
        groups: super::root::groups(),
        clock: &HostClock,
        boot_id: &host.boot_id,
    };
    let lines = check(&facts, DockerEngine::connect().await).await;
    let ready = ready(&lines);
    match arguments.format {
        Format::Json => output::json(&json!({ "ready": ready, "lines": lines })),
        Format::Text => output::text(&text(&lines, ready)),
    }
    Ok(if ready {
        Exit::Ok
    } else {
        Exit::EnvironmentNotReady
    })
}

fn text(lines: &[CheckLine], ready: bool) -> String {
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for CheckLine {
        name,
        status,
        detail,
        fix,
    } in lines
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {name:width$}  {detail}", status.word());
        if let Some(fix) = fix {
            let _ = writeln!(text, "      {:width$}  fix: {fix}", "");
        }
    }
    let count = |wanted| lines.iter().filter(|line| line.status == wanted).count();
    let verdict = if ready {
        "a campaign can run here"
    } else {
        "a campaign cannot run here"
    };
    let (pass, warn, fail) = (
        count(Status::Pass),
        count(Status::Warn),
        count(Status::Fail),
    );
    let _ = write!(text, "{verdict}: {pass} pass, {warn} warn, {fail} fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_each_fix_under_its_line() {
        let lines = [
            CheckLine::pass("docker engine", "27.0"),
            CheckLine::fail(".env", "PUID=9", "lemctl init"),
        ];
        let expected = "pass  docker engine  27.0\nfail  .env           PUID=9\n                     fix: lemctl init\n\
            a campaign cannot run here: 1 pass, 0 warn, 1 fail";
        assert_eq!(text(&lines, false), expected);
    }
}
