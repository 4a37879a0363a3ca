//! Outside crates that only one module may name, so that they can be replaced or pinned in one place.

use super::mentions::mentions;
use super::source::Source;

/// Crate, and the module below `src/` that owns it. A trailing `*` stands for the rest of a name.
const OWNERS: &[(&str, &str)] = &[
    ("bollard", "containers/docker"),
    ("nvml_wrapper", "telemetry/nvml*"),
    ("indicatif", "progress"),
    ("serde_saphyr", "document"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
];

/// What signals a process by its number. A pid of the Engine's is 0 at first and another's later, so lemctl signals
/// nobody by one: the agent sweeps from inside of the container, where there are only processes that are ours.
const SIGNALS: &[&str] = &[
    "kill_process",
    "kill_process_group",
    "kill_current_process_group",
    "pidfd_open",
    "pidfd_send_signal",
];

/// Whether `source` of lemctl's own signals somebody by a number.
fn signals<'a>(source: &Source, path: &'a [String]) -> Option<&'a String> {
    let named = path.iter().find(|part| SIGNALS.contains(&part.as_str()));
    named.filter(|_| source.path.starts_with("src/"))
}

fn belongs(path: &str, owner: &str) -> bool {
    let Some(inner) = path.strip_prefix("src/") else {
        return false;
    };
    match owner.strip_suffix('*') {
        Some(stem) => inner.starts_with(stem),
        None => inner
            .strip_prefix(owner)
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/')),
    }
}

/// Crates that `source` names and does not own, or owns and re-exports.
pub fn check(source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    for mention in mentions(source).all {
        if let Some(name) = signals(source, &mention.path) {
            let path = &source.path;
            violations.push(format!("{path}: `{name}`: nobody is signalled by pid"));
        }
        let Some((name, owner)) = OWNERS.iter().find(|(name, _)| mention.path[0] == *name) else {
            continue;
        };
        let path = &source.path;
        let shown = mention.display();
        if !belongs(path, owner) {
            violations.push(format!(
                "{path}: `{shown}`: only src/{owner} may name {name}"
            ));
        } else if mention.reexport {
            violations.push(format!(
                "{path}: `pub use {shown}` lets {name} out of src/{owner}"
            ));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn nobody_is_signalled_by_pid() {
        let kills = "fn f() { rustix::process::kill_process(pid, signal); }";
        assert_eq!(violations("src/runner/agent.rs", kills), 1);
        assert_eq!(violations("images/agent/src/sweep.rs", kills), 0);
        let imports = "use rustix::process::{Pid, pidfd_open};";
        assert_eq!(violations("src/runner/agent.rs", imports), 1);
        assert_eq!(
            violations("src/runner/agent.rs", "fn f() { child.kill(); }"),
            0
        );
    }

    #[test]
    fn owners_may() {
        assert_eq!(
            violations("src/containers/docker/api.rs", "use bollard::Docker;"),
            0
        );
        assert_eq!(
            violations("src/telemetry/nvml_fields.rs", "use nvml_wrapper::Nvml;"),
            0
        );
        assert_eq!(
            violations("src/cli/mod.rs", "#[derive(clap::Parser)] struct A;"),
            0
        );
    }

    #[test]
    fn others_may_not() {
        for (path, text) in [
            ("src/containers/spec.rs", "use bollard::models::HostConfig;"),
            ("src/containers/docker_like.rs", "use bollard::Docker;"),
            (
                "src/telemetry/sampler.rs",
                "fn f(n: &nvml_wrapper::Nvml) {}",
            ),
            ("src/runner/mod.rs", "use indicatif::ProgressBar;"),
            (
                "src/compose/mod.rs",
                "fn f() { serde_saphyr::from_str(\"\"); }",
            ),
            (
                "src/progress/mod.rs",
                "#[derive(clap::ValueEnum)] enum Format { A }",
            ),
            ("src/compose/mod.rs", "use serde_saphyr as yaml;"),
            ("src/containers/docker/mod.rs", "pub use bollard::Docker;"),
        ] {
            assert_eq!(violations(path, text), 1, "{path}: {text}");
        }
    }
}
