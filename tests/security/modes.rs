//! Modes of what lemctl writes, with the most open umask and the most closed one.

use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use crate::campaign_files::{Files, campaign_text};
use crate::project::{Project, said};

#[test]
fn docker_nobody_else_can_write_to_results_whatever_the_umask() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let before: Vec<String> = project.paths();
    for (umask, forbidden) in [("000", 0o002), ("077", 0o077)] {
        let name = format!("umask{umask}");
        let shared = "hidden_size: [32], batch_size: [1]";
        project.write(
            &format!("campaigns/{name}.yaml"),
            &campaign_text(&name, shared, "cycles: 1", 0.2),
        );
        let file = format!("campaigns/{name}.yaml");
        let lemctl = project.lemctl(&["campaign", "up", &file, "--progress", "quiet"]);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
        command.arg(lemctl.get_program()).args(lemctl.get_args());
        command.current_dir(project.root()).env_clear();
        for (name, value) in lemctl.get_envs() {
            command.env(name, value.unwrap());
        }
        let said = said(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        assert_eq!(said.code, Some(0), "{said:#?}");
        let files = Files::of(&project, &name);
        let written = [files.results(), files.manifests()];
        let mut looked = 0;
        for path in project.paths() {
            let path = project.root().join(path);
            let ours = written.iter().any(|folder| path.starts_with(folder));
            let known = before.iter().any(|old| project.root().join(old) == path);
            if !ours && known {
                continue;
            }
            let mode = std::fs::symlink_metadata(&path).unwrap().mode();
            // What the other umask left is looked at there.
            if ours || umask == "000" {
                let shown = path.strip_prefix(project.root()).unwrap();
                if !shown.starts_with("campaigns") {
                    assert_eq!(
                        mode & forbidden,
                        0,
                        "{shown} has mode {mode:o} with umask {umask}"
                    );
                    looked += 1;
                }
            }
        }
        assert!(looked > 8, "{looked} files");
        files.assert_nothing_left();
    }
    assert_eq!(
        project.foreign(),
        Vec::<String>::new(),
        "all of it is the user's"
    );
}
