//! The command line where no container is needed: exit codes, what is printed, and that nothing is written.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;

use camino::Utf8Path;
use project::{Project, Said};

const QUICKSTART: &str = "campaigns/quickstart.yaml";

/// A project with the campaign that everybody begins with.
fn begun() -> Project {
    let project = Project::without_docker();
    project.write(QUICKSTART, &std::fs::read_to_string(QUICKSTART).unwrap());
    project
}

/// A campaign of `count` experiments.
fn many(count: u32) -> String {
    let text = std::fs::read_to_string(QUICKSTART).unwrap();
    let (head, tail) = (
        text.find("grid:").unwrap(),
        text.find("execution:").unwrap(),
    );
    let seeds: Vec<String> = (0..count).map(|seed| seed.to_string()).collect();
    let grid = format!(
        "grid:\n  backends: [reference]\n  shared: {{temperature: [1], sampling_seed: [{}]}}\n\n",
        seeds.join(", ")
    );
    format!("{}{grid}{}", &text[..head], &text[tail..]).replace("name: quickstart", "name: many")
}

/// Cause and fix, no backtrace.
fn assert_error(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:#?}");
    assert!(
        said.stderr.starts_with("error[") && said.stdout.is_empty(),
        "{said:#?}"
    );
    assert!(
        !said.stderr.contains("stack backtrace") && !said.stderr.contains("panicked"),
        "{said:#?}"
    );
    for word in words {
        assert!(said.stderr.contains(word), "no `{word}` in {said:#?}");
    }
}

#[test]
fn every_invalid_file_ends_with_3_and_writes_nothing() {
    let project = Project::without_docker();
    let mut names = Vec::new();
    for entry in Utf8Path::new("tests/invalid").read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_file() {
            let name = path.file_name().unwrap();
            project.write(
                &format!("campaigns/{name}"),
                &std::fs::read_to_string(&path).unwrap(),
            );
            if path.extension() == Some("yaml") {
                names.push(name.to_owned());
            }
        }
    }
    assert!(names.len() >= 25, "{} files", names.len());
    let before = project.paths();
    for name in names {
        let file = format!("campaigns/{name}");
        for command in ["plan", "up"] {
            let said = project.run(&["campaign", command, &file]);
            assert_eq!(said.code, Some(3), "{command} {name}: {said:#?}");
            assert!(
                said.stdout.is_empty() && !said.stderr.is_empty(),
                "{command} {name}: {said:#?}"
            );
            assert!(
                !said.stderr.contains("panicked"),
                "{command} {name}: {said:#?}"
            );
        }
    }
    assert_eq!(project.paths(), before, "something was written");
}

#[test]
fn a_plan_is_the_same_twice_and_writes_nothing() {
    let project = begun();
    let before = project.paths();
    for (format, word) in [
        ("text", "heads-divide-hidden-size"),
        ("json", "\"runs\""),
        ("dot", "digraph"),
        ("mermaid", "flowchart"),
    ] {
        let arguments = ["campaign", "plan", QUICKSTART, "--format", format];
        let first = project.expect(0, &arguments);
        assert!(first.stdout.contains(word), "{format}: {first:#?}");
        assert_eq!(first.stderr, "", "{format}");
        assert_eq!(
            first.stdout,
            project.expect(0, &arguments).stdout,
            "{format}"
        );
    }
    assert_eq!(project.paths(), before, "something was written");
}

#[test]
fn a_plan_follows_its_seed() {
    let project = begun();
    let plan = || {
        project
            .expect(0, &["campaign", "plan", QUICKSTART, "--format", "json"])
            .stdout
    };
    let one = plan();
    let text = std::fs::read_to_string(QUICKSTART).unwrap();
    let other = text.replace("shuffled\n  seed: 1\n", "shuffled\n  seed: 2\n");
    project.write(QUICKSTART, &other);
    assert_ne!(one, plan());
}

#[test]
fn more_than_a_hundred_experiments_need_a_yes() {
    let project = begun();
    project.write("campaigns/many.yaml", &many(101));
    project.write("campaigns/enough.yaml", &many(100));
    let before = project.paths();
    let said = project.expect(0, &["campaign", "plan", "campaigns/many.yaml"]);
    assert!(
        said.stderr.contains("warning: 101 experiments"),
        "{said:#?}"
    );
    let said = project.expect(0, &["campaign", "plan", "campaigns/enough.yaml"]);
    assert_eq!(said.stderr, "");
    let said = project.run(&["campaign", "up", "campaigns/many.yaml"]);
    assert_error(&said, 2, &["101 experiments", "--yes"]);
    assert_eq!(project.paths(), before, "something was written");
}

#[test]
fn every_command_explains_itself() {
    let project = Project::without_docker();
    let mut commands = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = project.expect(0, &arguments).stdout;
        assert!(help.contains("Usage: lemctl"), "{command:?}: {help}");
        seen += 1;
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in listed.take_while(|line| !line.is_empty()) {
            // Two spaces, then the name; descriptions go on further in.
            let name = line
                .strip_prefix("  ")
                .filter(|rest| !rest.starts_with(' '));
            let Some(name) = name.and_then(|rest| rest.split_whitespace().next()) else {
                continue;
            };
            if name != "help" {
                commands.push([command.clone(), vec![name.to_owned()]].concat());
            }
        }
    }
    assert!(seen >= 19, "{seen} commands were found");
}

#[test]
fn completions_and_the_manual_are_printed() {
    let project = Project::without_docker();
    for shell in ["bash", "zsh", "fish"] {
        let said = project.expect(0, &["completions", shell]);
        assert!(
            said.stdout.contains("campaign") && said.stdout.contains("resume"),
            "{shell}"
        );
    }
    let man = project.expect(0, &["man"]).stdout;
    assert!(
        man.contains(".TH lemctl") && man.contains("campaign"),
        "{man}"
    );
}

#[test]
fn a_name_that_is_not_there_gives_a_near_one() {
    let project = begun();
    let folder = project
        .root()
        .join("results/quickstart/20260101T000000Z-aaaaaa");
    std::fs::create_dir_all(folder).unwrap();
    for command in ["status", "why", "resume", "down"] {
        let mut arguments = vec!["campaign", command, "quickstrat"];
        if command == "why" {
            arguments = vec!["campaign", "why", "x.c1", "--campaign", "quickstrat"];
        }
        // A name is looked up before the Engine is asked.
        let said = project.without_engine(&arguments);
        assert_error(
            &said,
            2,
            &[
                "there is no campaign quickstrat: did you mean quickstart?",
                "campaign list",
            ],
        );
    }
    let said = project.run(&["manifest", "verify", "quickstrat"]);
    assert_error(&said, 2, &["did you mean quickstart?"]);
}

#[test]
fn usage_errors_end_with_2() {
    let project = begun();
    for arguments in [
        &["campaign", "plan"][..],
        &["campaign", "plan", QUICKSTART, "--format", "xml"],
        &["campaign", "resume", "quickstart", "--retry", "accepted"],
        &["campaign", "plna", QUICKSTART],
        &["campaign", "plan", "campaigns/absent.yaml"],
    ] {
        let said = project.expect(2, arguments);
        assert!(
            said.stdout.is_empty() && said.stderr.starts_with("error"),
            "{said:#?}"
        );
    }
    let outside = project
        .lemctl(&["campaign", "list"])
        .current_dir("/")
        .output()
        .unwrap();
    let stderr = String::from_utf8(outside.stderr).unwrap();
    assert_eq!(outside.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("lemctl --root DIR"), "{stderr}");
}

#[test]
fn containers_run_as_nobody_but_the_invoking_user() {
    let project = begun();
    let (uid, gid) = (project.user.uid, project.user.gid);
    for (name, env, words) in [
        ("root", "PUID=0\nPGID=0\n".to_owned(), "PUID=0"),
        (
            "another user",
            format!("PUID={}\nPGID={gid}\n", uid + 1),
            "PUID=",
        ),
        ("no number", format!("PUID=me\nPGID={gid}\n"), "PUID"),
    ] {
        project.write(".env", &env);
        let before = project.paths();
        let said = project.run(&["campaign", "up", QUICKSTART]);
        assert_error(&said, 4, &[".env", words]);
        assert!(said.stderr.lines().count() <= 3, "{name}: {said:#?}");
        assert_eq!(project.paths(), before, "{name}: something was written");
    }
}

#[test]
fn init_never_overwrites() {
    let project = begun();
    let said = project.expect(0, &["init"]);
    assert!(said.stdout.contains("made  .env"), "{said:#?}");
    let env = std::fs::read_to_string(project.root().join(".env")).unwrap();
    assert!(env.contains(&format!("PUID={}", project.user.uid)), "{env}");
    project.write(".env", "PUID=1\n");
    let said = project.expect(0, &["init", "--format", "json"]);
    let done: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let lines = done["done"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["made"] == false), "{done}");
    assert_eq!(
        std::fs::read_to_string(project.root().join(".env")).unwrap(),
        "PUID=1\n"
    );
    assert_eq!(project.foreign(), Vec::<String>::new());
}

#[test]
fn json_is_json() {
    let project = begun();
    let said = project.expect(0, &["campaign", "list", "--format", "json"]);
    assert_eq!(said.stdout.trim(), "[]");
    let said = project.expect(0, &["campaign", "plan", QUICKSTART, "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(plan["experiments"].as_array().unwrap().len(), 12);
    assert_eq!(plan["runs"].as_array().unwrap().len(), 24);
}
