//! Several lemctls, and several users, on one host: on different GPUs at once, on one GPU one after the other.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::campaign_files::{Files, campaign_text, docker};
use crate::lab::{Campaign, GPU, went_well};
use crate::nvml_sim;
use crate::project::Project;
use crate::session::{Session, eventually};

const OTHER_GPU: &str = "GPU-00000000-0000-0000-0000-000000000001";
/// The other user, where the tests may be two.
const OTHER_UID: u32 = 1001;

/// A host with two GPUs, and two users with a project each.
struct Host {
    one: Project,
    other: Project,
    library: Utf8PathBuf,
}

impl Host {
    /// None, said loudly, where Docker tests are skipped.
    fn new() -> Option<Self> {
        let one = Project::with_docker()?;
        let other = one.beside(OTHER_UID);
        let library = one.root().join("libnvidia-ml.so.1");
        std::fs::copy(nvml_sim::library(), &library).unwrap();
        let live = |project: &Project| json!({ "load": { "logs": project.root().join(".lem") } });
        let scenario = json!({ "seed": 3, "gpus": [live(&one), live(&other)] });
        one.write("libnvidia-ml.so.1.json", &scenario.to_string());
        let host = Self {
            one,
            other,
            library,
        };
        for (project, gpu) in [(&host.one, GPU), (&host.other, OTHER_GPU)] {
            let env = std::fs::read_to_string(project.root().join(".env")).unwrap();
            project.write(".env", &format!("{env}LEM_SIMULATED_GPUS={gpu}\n"));
        }
        Some(host)
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--nvml-library", self.library.as_str()]].concat()
    }
}

fn write(project: &Project, name: &'static str, gpu: &str, seconds: f64) {
    let campaign = Campaign {
        name,
        execution: "cycles: 3",
        baseline: "off",
        seconds,
        ..Campaign::default()
    };
    let text = campaign.text().replace(GPU, gpu);
    project.write(&campaign.file(), &text);
}

/// When a campaign's attempts began, in the journal's order.
fn begun(files: &Files<'_>) -> Vec<String> {
    let text = std::fs::read_to_string(files.results().join("journal.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["event"].get("attempt_started").is_some())
        .map(|line| line["at"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn docker_two_users_measure_on_two_gpus_at_once() {
    let Some(host) = Host::new() else { return };
    write(&host.one, "one", GPU, 1.5);
    write(&host.other, "other", OTHER_GPU, 1.5);
    let first = host.arguments(&["campaign", "up", "campaigns/one.yaml"]);
    let second = host.arguments(&["campaign", "up", "campaigns/other.yaml"]);
    let first = Session::start(&host.one, &first);
    let second = Session::start(&host.other, &second);
    let projects = [(first, &host.one, "one"), (second, &host.other, "other")];
    let mut times = Vec::new();
    let mut owners = Vec::new();
    for (session, project, name) in projects {
        let said = session.end();
        let files = Files::of(project, name);
        went_well(&said, &files, &[]);
        project.expect(0, &["manifest", "verify", name]);
        assert!(files.events_of("breaker_opened").is_empty(), "{name}");
        let names = files.events_of("step_done");
        let own = names
            .iter()
            .find_map(|step| step["detail"]["name"].as_str());
        owners.push(own.expect("a container's name").to_owned());
        times.push(begun(&files));
        files.assert_nothing_left();
        let mut foreign = project.foreign();
        foreign.retain(|path| *path != host.library);
        assert_eq!(foreign, Vec::<String>::new(), "{name}");
    }
    assert_ne!(owners[0], owners[1]);
    // Each began an attempt before the other had begun its last.
    let [one, other] = &times[..] else {
        panic!("{times:?}")
    };
    assert!(
        one.first() < other.last() && other.first() < one.last(),
        "one after the other: {times:?}"
    );
}

#[test]
fn docker_one_gpu_has_one_campaign_at_a_time() {
    let Some(host) = Host::new() else { return };
    // Holds its GPU until it is killed.
    write(&host.one, "one", GPU, 600.0);
    write(&host.one, "next", GPU, 1.5);
    write(&host.other, "other", GPU, 1.5);
    let up = host.arguments(&["campaign", "up", "campaigns/one.yaml"]);
    let mut first = Session::start(&host.one, &up);
    first.wait_phase("measure");
    let files = Files::of(&host.one, "one");

    // Another user is told which process and campaign, and nothing about whose; nothing is written.
    let arguments = host.arguments(&["campaign", "up", "campaigns/other.yaml"]);
    let refused = host.other.run(&arguments);
    assert_eq!(refused.code, Some(4), "{refused:#?}");
    let holder = format!("(pid {}, campaign {})", first.pid(), files.id);
    assert!(
        refused.stderr.contains(&holder) && refused.stderr.contains("--wait-for-gpus"),
        "{refused:#?}"
    );
    assert!(!refused.stderr.contains(host.one.root().as_str()));
    assert!(!host.other.root().join("results/other").exists());
    let characterise = host.arguments(&["gpu", "characterise", "--gpu", GPU]);
    let refused = host.other.run(&characterise);
    assert_eq!(refused.code, Some(4), "{refused:#?}");
    assert!(refused.stderr.contains(&holder), "{refused:#?}");
    let arguments = [&arguments[..], &["--wait-for-gpus=0.01"]].concat();
    let refused = host.other.run(&arguments);
    assert_eq!(refused.code, Some(4), "{refused:#?}");
    assert!(refused.stderr.contains("waiting: "), "{refused:#?}");

    // A campaign without GPUs needs none.
    let text = campaign_text(
        "none",
        "hidden_size: [32], batch_size: [1]",
        "cycles: 1",
        0.3,
    );
    host.other.write("campaigns/none.yaml", &text);
    let env = std::fs::read_to_string(host.other.root().join(".env")).unwrap();
    host.other.write(".env", &env.replace(OTHER_GPU, ""));
    host.other
        .expect(0, &["campaign", "up", "campaigns/none.yaml"]);

    // The next one waits, and begins once the holder is gone, however it went.
    let arguments = host.arguments(&["campaign", "up", "campaigns/next.yaml", "--wait-for-gpus"]);
    let next = Session::start(&host.one, &arguments);
    std::thread::sleep(Duration::from_secs(1));
    assert!(!host.one.root().join("results/next").exists(), "it waits");
    first.signal("KILL");
    let _ = first.end();
    let said = next.end();
    assert!(said.stderr.contains("waiting: "), "{said:#?}");
    let next = Files::of(&host.one, "next");
    went_well(&said, &next, &[]);
    next.assert_nothing_left();
    host.one.expect(0, &["campaign", "down", "one"]);
    let label = format!("label=org.lemctl.campaign={}", files.id);
    eventually("no container is left", Duration::from_secs(60), || {
        docker(&["ps", "--all", "--quiet", "--filter", &label]).is_empty()
    });
}
