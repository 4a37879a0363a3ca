//! A result that cannot be read now is not given up: it may be as good as ever.

use std::os::unix::fs::PermissionsExt;

use crate::campaign_files::{Files, campaign_text, text};
use crate::project::Project;

#[test]
fn docker_a_result_that_cannot_be_read_is_kept() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let shared = "hidden_size: [32], batch_size: [1, 2]";
    let file = campaign_text("kept", shared, "cycles: 1", 0.3);
    project.write("campaigns/kept.yaml", &file);
    project.expect(0, &["campaign", "up", "campaigns/kept.yaml"]);
    let files = Files::of(&project, "kept");
    let ended = files.events_of("attempt_ended").remove(0);
    let path = files.results().join(text(&ended["result"]["path"]));
    let sealed = files.manifest();
    let events = files.events().len();
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o000);
    if project.run(&["manifest", "verify", "kept"]).code == Some(0) {
        eprintln!("SKIPPED: this user reads every file, whatever its mode.");
        return;
    }
    let said = project.expect(4, &["campaign", "resume", "kept", "--retry", "lost"]);
    assert!(said.stderr.contains(path.as_str()), "{said:#?}");
    assert_eq!(files.events().len(), events, "nothing is given up");
    mode(0o644);
    project.expect(0, &["campaign", "resume", "kept", "--retry", "lost"]);
    assert_eq!(files.manifest(), sealed);
    project.expect(0, &["manifest", "verify", "kept"]);
}
