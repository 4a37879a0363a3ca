//! `campaign down` always ends clean: whatever state journal, results, containers and locks are in. It refuses while a
//! lemctl lives, with its pid.

use std::time::Duration;

use crate::campaign_files::{Files, campaign_text, docker};
use crate::project::Project;
use crate::session::{Session, eventually};

const FILE: &str = "campaigns/down.yaml";

/// A campaign whose lemctl was killed in a window: a container runs and a live folder is there.
fn killed(project: &Project) -> Files<'_> {
    let mut session = Session::start(project, &["campaign", "up", FILE, "--new"]);
    session.wait_phase("measure");
    session.signal("KILL");
    session.end();
    let files = Files::of(project, "down");
    assert!(files.container().is_some(), "nothing is left to take away");
    files
}

/// A project with a campaign of one run, whose window is so long.
fn project(seconds: f64) -> Option<Project> {
    let project = Project::with_docker()?;
    let text = campaign_text(
        "down",
        "hidden_size: [32], batch_size: [1]",
        "cycles: 1",
        seconds,
    );
    project.write(FILE, &text);
    Some(project)
}

fn removed(project: &Project, arguments: &[&str], containers: usize) {
    let arguments = [&["campaign", "down"], arguments].concat();
    let said = project.expect(0, &arguments);
    let want = format!("{containers} containers removed");
    assert!(said.stdout.contains(&want), "{arguments:?}: {said:#?}");
}

/// Nothing of the campaign stands, whatever its journal says.
fn assert_gone(project: &Project, id: &str) {
    let label = format!("label=org.lemctl.campaign={id}");
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]), "");
    let live = project.root().join(".lem").join(id);
    assert!(!live.exists(), "{live} is left");
}

#[test]
fn docker_down_takes_away_a_container_in_any_state_twice_and_without_a_journal() {
    let Some(project) = project(5.0) else { return };
    // Paused and renamed; the journal is no journal any more; the lock names a process that is dead.
    let files = killed(&project);
    let container = files.container().unwrap();
    docker(&["pause", &container]);
    let name = format!("somebody-called-it-{}", &container[..12]);
    docker(&["rename", &container, &name]);
    std::fs::write(
        files.results().join("journal.jsonl"),
        b"\xff no journal\n\x00",
    )
    .unwrap();
    std::fs::write(files.results().join("lock"), "4000000\n").unwrap();
    removed(&project, &["down"], 1);
    assert_gone(&project, &files.id);
    removed(&project, &["down"], 0);
    removed(&project, &["--all"], 0);
    std::fs::remove_dir_all(project.root().join("results/down")).unwrap();

    // Stopped, and the journal is gone.
    let files = killed(&project);
    docker(&["stop", "--time", "0", &files.container().unwrap()]);
    std::fs::remove_file(files.results().join("journal.jsonl")).unwrap();
    removed(&project, &["--all"], 1);
    assert_gone(&project, &files.id);
    std::fs::remove_dir_all(project.root().join("results/down")).unwrap();

    // Being removed by somebody else just now, and all results are gone: the labels are enough.
    let files = killed(&project);
    let container = files.container().unwrap();
    std::fs::remove_dir_all(project.root().join("results")).unwrap();
    let mut other = std::process::Command::new("docker")
        .args(["rm", "--force", &container])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    project.expect(0, &["campaign", "down", &files.id]);
    other.wait().unwrap();
    assert_gone(&project, &files.id);
    let said = project.expect(2, &["campaign", "down", "down"]);
    assert!(
        said.stderr.contains("there is no campaign down"),
        "{said:#?}"
    );
}

#[test]
fn docker_down_leaves_a_living_lemctl_alone_even_without_results() {
    let Some(project) = project(120.0) else {
        return;
    };
    let mut session = Session::start(&project, &["campaign", "up", FILE]);
    session.wait_phase("measure");
    let files = Files::of(&project, "down");
    let container = files.container().unwrap();
    let pid = format!("pid {}", session.pid());
    let said = project.expect(7, &["campaign", "down", "down"]);
    assert!(said.stderr.contains(&pid), "{pid}: {said:#?}");
    let said = project.expect(0, &["campaign", "down", "--all"]);
    assert!(
        said.stderr.contains("left alone") && said.stderr.contains(&pid),
        "{said:#?}"
    );
    // Without a results folder there is no lock: the lease tells.
    let (results, aside) = (project.root().join("results"), project.root().join("aside"));
    std::fs::rename(&results, &aside).unwrap();
    let said = project.expect(7, &["campaign", "down", &files.id]);
    assert!(said.stderr.contains("renews its leases"), "{said:#?}");
    assert_eq!(files.container(), Some(container), "it was left alone");
    session.signal("KILL");
    session.end();
    // Now nobody renews it, though it holds for some seconds yet.
    removed(&project, &[&files.id], 1);
    assert_gone(&project, &files.id);
}

#[test]
fn docker_a_session_clears_away_what_other_dead_campaigns_left() {
    let Some(project) = project(2.0) else { return };
    let dead = killed(&project);
    let text = campaign_text(
        "other",
        "hidden_size: [32], batch_size: [1]",
        "cycles: 1",
        0.2,
    );
    project.write("campaigns/other.yaml", &text);
    // What a fetch that was killed mounted, a token among it, its lease run out.
    let fetch = project.root().join(".lem/fetch-0123456789abcdef/control");
    project.folder(".lem/fetch-0123456789abcdef/control");
    project.write(".lem/fetch-0123456789abcdef/control/token", "secret");
    project.write(".lem/fetch-0123456789abcdef/control/lease", "1\n");
    let said = project.expect(0, &["campaign", "up", "campaigns/other.yaml"]);
    assert!(
        said.stderr.contains("of campaign down, whose lemctl died"),
        "{said:#?}"
    );
    assert_gone(&project, &dead.id);
    assert!(!fetch.exists(), "{fetch} is left");
    project.expect(0, &["campaign", "resume", "down"]);
    dead.assert_nothing_left();
}

#[test]
fn docker_ctrl_c_while_the_campaign_is_made_ends_in_order() {
    let Some(project) = project(2.0) else { return };
    let session = Session::start(&project, &["campaign", "up", FILE]);
    let results = project.root().join("results/down");
    // The first that is made of it, before its journal has a line.
    eventually("the folder", Duration::from_secs(60), || results.exists());
    session.signal("INT");
    let said = session.end();
    assert_eq!(said.code, Some(130), "{said:#?}");
    let files = Files::of(&project, "down");
    assert_eq!(files.events_of("stop_requested").len(), 1);
    assert!(
        files
            .events()
            .last()
            .unwrap()
            .get("session_ended")
            .is_some()
    );
    project.expect(0, &["campaign", "resume", "down"]);
    files.assert_nothing_left();
}
