//! `lemctl check`

use std::io::Write;

use camino::Utf8Path;
use serde_json::json;

use super::format::{Format, write_json};
use super::invoker;
use crate::clock::HostClock;
use crate::containers::docker::DockerEngine;
use crate::diagnostics::Exit;
use crate::environment::Host;
use crate::runner::prerequisites::{CheckLine, Facts, Status, check, ready};

/// Look whether a campaign could run here
///
/// Each line is pass, warn or fail, with what mends it. Changes nothing but one probe container per backend,
/// which it removes. Exits 4 when a campaign could not run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lemctl check\n  lemctl check --format json | jq '.lines[] | select(.status == \"fail\")'"
)]
pub struct CheckArguments {
    /// How to print the lines
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs it: [`Exit::Ok`] or [`Exit::EnvironmentNotReady`].
///
/// # Errors
/// If the output cannot be written.
pub async fn run(
    arguments: &CheckArguments,
    root: &Utf8Path,
    out: &mut dyn Write,
) -> std::io::Result<Exit> {
    let (project, host) = (invoker::project(root), Host::observe());
    let facts = Facts {
        project: &project,
        groups: invoker::groups(),
        clock: &HostClock,
        boot_id: &host.boot_id,
    };
    let lines = check(&facts, DockerEngine::connect().await).await;
    let ready = ready(&lines);
    match arguments.format {
        Format::Json => write_json(out, &json!({ "ready": ready, "lines": lines }))?,
        Format::Text => write_text(out, &lines, ready)?,
    }
    Ok(if ready {
        Exit::Ok
    } else {
        Exit::EnvironmentNotReady
    })
}

fn write_text(out: &mut dyn Write, lines: &[CheckLine], ready: bool) -> std::io::Result<()> {
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    for CheckLine {
        name,
        status,
        detail,
        fix,
    } in lines
    {
        writeln!(out, "{}  {name:width$}  {detail}", status.word())?;
        if let Some(fix) = fix {
            writeln!(out, "      {:width$}  fix: {fix}", "")?;
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
    writeln!(out, "{verdict}: {pass} pass, {warn} warn, {fail} fail")
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
        let mut out = Vec::new();
        write_text(&mut out, &lines, false).unwrap();
        let expected = "pass  docker engine  27.0\nfail  .env           PUID=9\n                     fix: lemctl init\n\
            a campaign cannot run here: 1 pass, 0 warn, 1 fail\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
