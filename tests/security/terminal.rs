//! What a file, a folder's name or a container says is shown without what a terminal obeys.

use crate::project::Project;

/// What a terminal would obey: clear, title, bell, an 8-bit colour, another direction of writing; and what is not seen:
/// marks and isolates of direction, a separator of lines, width zero, an annotation, a tag.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{61c}\u{200f}\u{2067}\u{2028}\u{200b}\u{ad}\u{fff9}\u{e0041}evil";

/// No control character but line breaks and tabs, and nothing that turns the direction or is not seen. Written out: what
/// the program thinks of a character is not asked.
pub fn assert_harmless(what: &str, text: &str) {
    let drives = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(
                c,
                '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'
                    ..='\u{202e}'
            )
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    if let Some(at) = text.find(drives) {
        let around: String = text[at..].chars().take(40).collect();
        panic!("{what} would drive a terminal: {around:?}");
    }
}

#[test]
fn nothing_that_is_read_drives_a_terminal() {
    let project = Project::without_docker();
    let root = project.root();
    // A campaign of a stranger's: names, keys, values, comments on the lines that are quoted.
    let quoted = ESCAPES.replace('\u{1b}', "\\e").replace('\u{7}', "\\a");
    let text = format!(
        "campaign_name: \"{quoted}\"\n\"{quoted}\": 1 # {ESCAPES}\nmodel: {{\"{quoted}\": {{seed: 7}}}}\ngrid: {{backends: [\"{quoted}\"]}}\n"
    );
    project.write("campaigns/evil.yaml", &text);
    project.write(
        &format!("campaigns/{}.yaml", ESCAPES.replace('/', "")),
        "campaign_name: x\n",
    );
    let named = format!("campaigns/{ESCAPES}.yaml");
    // A campaign's folder with such names, and a journal that says them.
    let folder = root.join(format!("results/{ESCAPES}/{ESCAPES}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("journal.jsonl"),
        format!("{{\"seq\": \"{ESCAPES}\"}}\n"),
    )
    .unwrap();
    // A model whose description says them.
    let model = root.join("models/hub/a--b").join("c");
    std::fs::create_dir_all(&model).unwrap();
    std::fs::create_dir_all(root.join(format!("models/hub/a--b/.partial-{ESCAPES}"))).unwrap();
    std::fs::write(model.join(".lem-model.json"), ESCAPES).unwrap();
    let compose = std::fs::read_to_string(root.join("compose/reference.yaml")).unwrap();
    let mut shown = String::new();
    for (arguments, compose) in [
        (&["campaign", "plan", "campaigns/evil.yaml"][..], &compose),
        (
            &[
                "campaign",
                "plan",
                "campaigns/evil.yaml",
                "--format",
                "json",
            ],
            &compose,
        ),
        (&["campaign", "plan", &named], &compose),
        (&["campaign", "plan", &format!("{ESCAPES}.yaml")], &compose),
        (&["campaign", "list"], &compose),
        (&["campaign", "list", "--format", "json"], &compose),
        (&["campaign", "status", ESCAPES], &compose),
        (&["campaign", "why", "x"], &compose),
        (&["manifest", "verify", ESCAPES], &compose),
        (&["manifest", "show", ESCAPES], &compose),
        (&["results", "list", ESCAPES], &compose),
        (&["models", "list"], &compose),
        (&["models", "list", "--format", "json"], &compose),
        (
            &["models", "list"],
            &format!("{compose}\n    \"{quoted}\": 1 # {ESCAPES}\n"),
        ),
        (&["params", "list", ESCAPES], &compose),
    ] {
        project.write("compose/reference.yaml", compose);
        let said = project.without_engine(arguments);
        let said = said.stdout + &said.stderr;
        assert_harmless(&arguments.join(" "), &said);
        shown.push_str(&said);
    }
    // It was shown, and not left out by chance; JSON kept what it is.
    assert!(shown.matches("evil").count() > 10, "{shown}");
    assert!(
        shown.contains("\\u202e"),
        "JSON tells it as an escape: {shown}"
    );
}
