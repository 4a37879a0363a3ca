//! What the program prints, and files it cannot read: output that is lost is told, a reader that closes is
//! not an error, examples in the help are accepted, causes are named. No container is needed.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;

use std::process::{Command, Stdio};

use project::{Project, Said, said};
use serde_json::Value;

const QUICKSTART: &str = "campaigns/quickstart.yaml";

fn begun() -> Project {
    let project = Project::without_docker();
    project.write(QUICKSTART, &std::fs::read_to_string(QUICKSTART).unwrap());
    project
}

/// Whoever debugs has `RUST_BACKTRACE` set: a backtrace still has no place in what users see.
fn run(command: &mut Command) -> Said {
    let said = said(command.env("RUST_BACKTRACE", "1"));
    assert!(
        !said.stderr.contains("panicked") && !said.stderr.contains("backtrace"),
        "{said:#?}"
    );
    said
}

const PRINTING: [&[&str]; 4] = [
    &["completions", "bash"],
    &["man"],
    &["campaign", "plan", QUICKSTART, "--format", "json"],
    &["campaign", "plan", QUICKSTART, "--format", "dot"],
];

#[test]
fn a_reader_that_closes_ends_the_output_and_nothing_else() {
    let project = begun();
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let said = run(project.lemctl(arguments).stdout(writer));
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn output_that_a_full_disk_cut_does_not_pass_for_whole() {
    let project = begun();
    for arguments in PRINTING {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let said = run(project.lemctl(arguments).stdout(full.unwrap()));
        assert_eq!(said.code, Some(70), "{arguments:?}: {said:#?}");
        assert!(said.stderr.starts_with("error[cli::output]"), "{said:#?}");
        assert_eq!(said.stderr.matches("os error 28").count(), 1, "{said:#?}");
    }
}

/// Every command that has no commands below it, as its words, with its help.
fn commands(project: &Project, above: &[&str], found: &mut Vec<(Vec<String>, String)>) {
    let help = project.expect(0, &[above, &["--help"]].concat()).stdout;
    let Some((_, listed)) = help.split_once("\nCommands:\n") else {
        found.push((above.iter().map(|word| (*word).to_owned()).collect(), help));
        return;
    };
    for line in listed.lines().take_while(|line| !line.is_empty()) {
        // Two spaces, then the name; descriptions go on further in.
        let name = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
            .and_then(|rest| rest.split_whitespace().next());
        if let Some(name) = name.filter(|name| *name != "help") {
            commands(project, &[above, &[name]].concat(), found);
        }
    }
}

#[test]
fn commands_that_take_something_show_examples_that_the_program_accepts() {
    let project = Project::without_docker();
    let mut found = Vec::new();
    commands(&project, &[], &mut found);
    assert!(found.len() >= 15, "{found:?}");
    for (command, help) in found {
        let prefix = format!("  lemctl {}", command.join(" "));
        let examples: Vec<&str> = help
            .lines()
            .filter(|line| line.starts_with(&prefix))
            .map(str::trim)
            .collect();
        let takes_something = help.contains("Arguments:") || help.contains("--format");
        assert!(
            !examples.is_empty() || !takes_something,
            "{command:?}: {help}"
        );
        for example in examples {
            // Up to a remark in the next column, a pipe or a redirection; asking for help parses the rest.
            let line = example.split("  ").next().unwrap();
            let words = line.split(' ').skip(1);
            let mut words: Vec<&str> = words
                .take_while(|word| !["|", ">"].contains(word))
                .collect();
            words.push("--help");
            project.expect(0, &words);
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_cause() {
    let project = begun();
    std::fs::write(
        project.root().join("campaigns/latin1.yaml"),
        b"campaign_name: \xe9\n",
    )
    .unwrap();
    for (file, cause) in [
        ("campaigns/absent.yaml", "No such file"),
        ("campaigns", "directory"),
        ("campaigns/latin1.yaml", "not UTF-8"),
        ("/dev/zero", "not a regular file"),
    ] {
        for command in ["plan", "up"] {
            let said = run(project
                .lemctl(&["campaign", command, file])
                .stdout(Stdio::piped()));
            assert_eq!(said.code, Some(2), "{said:#?}");
            assert!(
                said.stderr.contains(cause) && said.stderr.contains(file),
                "{said:#?}"
            );
            assert!(said.stderr.lines().count() <= 3, "{said:#?}");
        }
    }
}

#[test]
fn a_broken_catalogue_is_named_and_ends_with_4() {
    let project = begun();
    project.write("catalogues/reference-0.1.0.json", "{\"schema_version\": 1,");
    let said = project.expect(4, &["campaign", "plan", QUICKSTART]);
    assert!(
        said.stderr.contains("catalogues/reference-0.1.0.json") && said.stderr.contains("fix:"),
        "{said:#?}"
    );
}

#[test]
fn the_order_of_keys_changes_no_run_and_a_seed_only_their_order() {
    let project = begun();
    let order = || -> Vec<String> {
        let said = project.expect(0, &["campaign", "plan", QUICKSTART, "--format", "json"]);
        let plan: Value = serde_json::from_str(&said.stdout).unwrap();
        let runs = plan["runs"].as_array().unwrap();
        runs.iter()
            .map(|run| run["run"].as_str().unwrap().to_owned())
            .collect()
    };
    let sorted = |mut order: Vec<String>| {
        order.sort();
        order
    };
    let usual = order();
    assert_eq!(usual.len(), 24);
    let text = std::fs::read_to_string(QUICKSTART).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        project.write(QUICKSTART, &text.replace(from, to));
        order()
    };
    let (one, two) = ("    batch_size: [1, 2, 4]\n", "    temperature: [0, 0.8]\n");
    assert_eq!(
        usual,
        changed(&format!("{one}{two}"), &format!("{two}{one}"))
    );
    let other = changed("shuffled\n  seed: 1\n", "shuffled\n  seed: 2\n");
    assert_ne!(usual, other);
    assert_eq!(sorted(usual), sorted(other));
}
