//! Help, completions, the manual page, names that are nearly right, output that nobody reads.

use std::io::{Read, Seek};
use std::process::Stdio;

use crate::place::{Place, said};

/// Every command that has no commands below it, as its words.
fn commands(place: &Place, above: &[String], found: &mut Vec<Vec<String>>) {
    let mut arguments: Vec<&str> = above.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = place.expect(0, &arguments).stdout;
    let Some((_, listed)) = help.split_once("\nCommands:\n") else {
        found.push(above.to_vec());
        return;
    };
    let names = listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| *name != "help");
    for name in names {
        let mut words = above.to_vec();
        words.push(name.to_owned());
        commands(place, &words, found);
    }
}

#[test]
fn the_help_of_every_command_has_an_example_that_the_program_accepts() {
    let place = Place::new();
    let mut found = Vec::new();
    commands(&place, &[], &mut found);
    assert!(found.len() >= 15, "{found:?}");
    for command in found {
        let words: Vec<&str> = command
            .iter()
            .map(String::as_str)
            .chain(["--help"])
            .collect();
        let help = place.expect(0, &words).stdout;
        let prefix = format!("  lemctl {}", command.join(" "));
        let examples: Vec<&str> = help
            .lines()
            .filter(|line| line.starts_with(&prefix))
            .map(str::trim)
            .collect();
        // Without arguments there is nothing to show.
        let takes_something = help.contains("Arguments:") || help.contains("--format");
        assert!(
            !examples.is_empty() || !takes_something,
            "{command:?}: {help}"
        );
        for example in examples {
            // Up to a remark in the next column, a pipe or a redirection; asking for help parses the rest.
            let line = example.split("  ").next().unwrap();
            let line = line
                .split([' '])
                .take_while(|word| !["|", ">"].contains(word));
            let mut words: Vec<&str> = line.skip(1).collect();
            words.push("--help");
            place.expect(0, &words);
        }
    }
}

#[test]
fn completions_and_the_manual_page_name_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.expect(0, &["completions", shell]).stdout;
        assert!(
            script.contains("resume") && script.contains("accept-changes"),
            "{shell}"
        );
    }
    let page = place.expect(0, &["man"]).stdout;
    assert!(
        page.contains(".TH lemctl 1") && page.contains("campaign"),
        "{page}"
    );
}

#[test]
fn a_reader_that_closes_ends_the_output_and_a_full_disk_is_told() {
    let place = Place::new();
    for arguments in [
        &["completions", "bash"][..],
        &["man"],
        &[
            "campaign",
            "plan",
            "campaigns/quickstart.yaml",
            "--format",
            "json",
        ],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = place
            .lemctl(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let closed = said(&closed);
        assert_eq!(
            (closed.code, closed.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );

        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut stderr = tempfile::tempfile().unwrap();
        let code = place
            .lemctl(arguments)
            .stdout(full)
            .stderr(stderr.try_clone().unwrap())
            .status()
            .unwrap()
            .code();
        let mut text = String::new();
        stderr.rewind().unwrap();
        stderr.read_to_string(&mut text).unwrap();
        assert_eq!(code, Some(70), "{arguments:?}: {text}");
        assert!(
            text.starts_with("error[cli::output]") && text.matches("os error 28").count() == 1,
            "{text}"
        );
    }
}

#[test]
fn a_campaign_that_is_not_there_is_answered_with_a_near_name() {
    let place = Place::new();
    let none = place.expect(2, &["campaign", "status"]);
    assert!(none.stderr.contains("no campaign"), "{none:#?}");
    place.write(
        "results/quickstart/20260102T030405Z-0a1b2c/logs/worker.log",
        "",
    );
    for arguments in [
        &["campaign", "status", "quikstart"][..],
        &["campaign", "why", "some-run", "--campaign", "quickstrat"],
        &["campaign", "resume", "quickstar"],
        &["manifest", "show", "quickstartt"],
        &["manifest", "verify", "kwickstart"],
    ] {
        let near = place.expect(2, arguments);
        assert!(
            near.stderr.contains("did you mean quickstart?"),
            "{arguments:?}: {near:#?}"
        );
        assert!(near.stderr.lines().count() <= 3, "{near:#?}");
    }
    let far = place.expect(2, &["campaign", "status", "zzz"]);
    assert!(!far.stderr.contains("did you mean"), "{far:#?}");
}

#[test]
fn wrong_usage_ends_with_2() {
    let place = Place::new();
    for arguments in [
        &[][..],
        &["campaign"],
        &["campaign", "pln"],
        &["campaign", "plan"],
        &[
            "campaign",
            "plan",
            "campaigns/quickstart.yaml",
            "--format",
            "xml",
        ],
        &["campaign", "down", "quickstart", "--all"],
        &["manifest", "verify", "--bogus"],
        &["completions", "tcsh"],
    ] {
        let said = place.expect(2, arguments);
        assert!(
            said.stdout.is_empty() && !said.stderr.is_empty(),
            "{said:#?}"
        );
    }
    let nowhere = place
        .lemctl(&["campaign", "list"])
        .current_dir("/")
        .output()
        .unwrap();
    let nowhere = said(&nowhere);
    assert_eq!(nowhere.code, Some(2), "{nowhere:#?}");
    assert!(nowhere.stderr.contains("--root"), "{nowhere:#?}");
    let named = place
        .lemctl(&[
            "--root",
            place.root().as_str(),
            "campaign",
            "list",
            "--format",
            "json",
        ])
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(said(&named).stdout.trim(), "[]");
}
