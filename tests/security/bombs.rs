//! Files that are small and would grow: campaigns, Compose files and `.env`, through the real program, which gets a
//! gigabyte of memory and half a minute.

use std::process::Command;

use crate::project::{Project, Said, said};

/// lemctl with little memory: `ulimit -v`, in KiB.
fn bounded(project: &Project, arguments: &[&str]) -> Said {
    let lemctl = project.lemctl(arguments);
    let mut words: Vec<String> = vec![lemctl.get_program().to_str().unwrap().to_owned()];
    words.extend(
        lemctl
            .get_args()
            .map(|word| word.to_str().unwrap().to_owned()),
    );
    let mut command = Command::new("timeout");
    command
        .args(["30", "sh", "-c", "ulimit -v 1048576; exec \"$@\"", "sh"])
        .args(words);
    command.current_dir(project.root()).env_clear();
    command
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent");
    command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    said(
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped()),
    )
}

fn bombs() -> Vec<(&'static str, String)> {
    let filler = "x".repeat(900_000);
    let laughs = (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        text + &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)
    });
    let merges = (1..40).fold("m0: &m0 {a: 1, b: 2}\n".to_owned(), |text, level| {
        text + &format!(
            "m{level}: &m{level} {{<<: [*m{0}, *m{0}], k{level}: *m{0}}}\n",
            level - 1
        )
    });
    vec![
        ("a thousand million laughs", laughs),
        ("merges of merges", merges),
        (
            "a long text named often",
            format!("a: &a {filler}\nb: [{}]\n", "*a,".repeat(20_000)),
        ),
        (
            "a long key named often",
            format!("a: &a {filler}\nb:\n{}", "  *a : 1\n".repeat(5_000)),
        ),
        (
            "one key over and over",
            format!("{{{}}}", "a: 1, ".repeat(150_000)),
        ),
        ("lists in lists", "[".repeat(400_000)),
        ("maps in maps", "{a: ".repeat(200_000)),
        ("lists by dashes", "- ".repeat(400_000)),
        ("keys of keys", "? ".repeat(400_000)),
        (
            "a key that is too long",
            format!("? {}\n: 1\n", "k".repeat(100_000)),
        ),
        ("too large", "#".repeat(2_000_000)),
        ("anchors without end", "&a ".repeat(300_000)),
        (
            "many unknown keys",
            (0..60_000)
                .map(|n| format!("key_number_{n}: 1\n"))
                .collect(),
        ),
        (
            "bytes of all kinds",
            (0..=255_u8).map(char::from).collect::<String>().repeat(100),
        ),
    ]
}

#[test]
fn a_campaign_that_would_grow_is_refused() {
    let project = Project::without_docker();
    for (what, text) in bombs() {
        project.write("campaigns/bomb.yaml", &text);
        let said = bounded(&project, &["campaign", "plan", "campaigns/bomb.yaml"]);
        assert!(
            matches!(said.code, Some(2 | 3)),
            "{what}: {:?} {:.2000}",
            said.code,
            said.stderr
        );
        assert!(
            said.stderr.len() < 300_000,
            "{what}: {} bytes of report",
            said.stderr.len()
        );
    }
}

#[test]
fn a_compose_file_that_would_grow_is_refused() {
    let project = Project::without_docker();
    for (what, text) in bombs() {
        project.write("compose/reference.yaml", &text);
        let said = bounded(&project, &["models", "list"]);
        assert_eq!(said.code, Some(4), "{what}: {:.2000}", said.stderr);
        assert!(
            said.stderr.len() < 300_000,
            "{what}: {} bytes of report",
            said.stderr.len()
        );
    }
}

#[test]
fn an_env_file_that_is_too_large_or_odd_is_refused_and_not_shown() {
    let project = Project::without_docker();
    for text in [
        format!("HF_TOKEN={}\n", "s3cret".repeat(20_000)),
        "HF_TOKEN='s3cret'\n".to_owned(),
        "HF_TOKEN=s3cret # mine\n".to_owned(),
        "export HF_TOKEN=s3cret\n".to_owned(),
        "s3cret\n".repeat(9_000),
    ] {
        project.write(".env", &text);
        let said = bounded(&project, &["models", "list"]);
        assert_eq!(said.code, Some(4), "{:.2000}", said.stderr);
        assert!(!said.stderr.contains("s3cret"), "{:.2000}", said.stderr);
    }
}
