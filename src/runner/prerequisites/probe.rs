//! A container that really starts: what create and a mode bit cannot show (a missing GPU driver, a limit
//! that the daemon cannot set, a bind that is not what it seems) shows here. It is always removed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use lem_protocol::{AGENT_REFUSED, ProbeReport};

use super::{CheckLine, Facts};
use crate::compose::ComposeFile;
use crate::containers::{
    ContainerEngine, ContainerId, ContainerSpec, EngineError, Overlay, labels,
};
use crate::runner::live::{self, Live};
use crate::runner::probed::deviations;
use crate::runner::{Identity, agent, lease};
use crate::store::{Folders, StoreError};
use crate::units::Digest;

/// What a check's folder in `.lem/` begins with; its process id follows.
pub(in crate::runner) const FOLDER: &str = "check-";

/// Starts a backend's container from its Compose file, looks at it from inside, and removes it.
pub(super) async fn line<E: ContainerEngine>(
    engine: &E,
    facts: &Facts<'_>,
    backend: &str,
    file: &ComposeFile,
) -> CheckLine {
    let name = format!("probe {backend}");
    let folders = Folders::new(
        &facts.project.root,
        "check",
        &format!("{FOLDER}{}", std::process::id()),
    );
    let outcome = look(engine, facts, backend, file, &folders).await;
    let cleared = live::remove(&folders.live());
    match (outcome, cleared) {
        (Ok(wrong), Ok(())) if wrong.is_empty() => {
            CheckLine::pass(name, "a container started and is as its Compose file asks")
        }
        (Ok(wrong), Ok(())) => {
            let fix = format!("git diff {}", file.file);
            CheckLine::fail(
                name,
                format!("the container is not as asked: {}", wrong.join("; ")),
                fix,
            )
        }
        (Err((problem, fix)), _) => CheckLine::fail(name, problem, fix),
        (Ok(_), Err(error)) => CheckLine::warn(
            name,
            error.to_string(),
            format!("sudo rm -r {}", folders.live()),
        ),
    }
}

/// What went wrong, and what mends it.
pub(in crate::runner) type Trouble = (String, String);

fn trouble(error: &(impl miette::Diagnostic + ?Sized)) -> Trouble {
    (
        error.to_string(),
        error
            .help()
            .map_or_else(|| "docker info".to_owned(), |help| help.to_string()),
    )
}

async fn look<E: ContainerEngine>(
    engine: &E,
    facts: &Facts<'_>,
    backend: &str,
    file: &ComposeFile,
    folders: &Folders,
) -> Result<Vec<String>, Trouble> {
    let user = user(file).unwrap_or(Identity {
        uid: facts.project.uid,
        gid: facts.project.gid,
    });
    let live = prepare(facts, folders, backend, user).map_err(|error| {
        (
            error.to_string(),
            "sudo chown -R $(id -u):$(id -g) .lem".to_owned(),
        )
    })?;
    let overlay = overlay(facts, backend, &live);
    let spec = ContainerSpec::new(&file.worker, &overlay).map_err(|error| trouble(&error))?;
    let id = engine
        .create(&spec)
        .await
        .map_err(|error| trouble(&error))?;
    let seen = started(engine, &id, facts).await;
    // Whatever came of it, and before anything is said.
    let removed = engine.remove(&id).await;
    let (report, now_ns) = seen?;
    removed.map_err(|error| trouble(&error))?;
    let mut wrong = deviations(&report, user, now_ns, facts.boot_id);
    wrong.extend(wrong_owner(&live.outbox, user.uid));
    Ok(wrong)
}

async fn started<E: ContainerEngine>(
    engine: &E,
    id: &ContainerId,
    facts: &Facts<'_>,
) -> Result<(ProbeReport, u64), Trouble> {
    engine.start(id).await.map_err(|error| trouble(&error))?;
    match agent::probe(engine, id).await {
        Ok(report) => Ok((report, facts.clock.monotonic_ns())),
        Err(error) => Err(why(engine, id, error).await),
    }
}

/// The agent may have refused to start: its exit code tells, its log says why and how to mend it.
pub(in crate::runner) async fn why<E: ContainerEngine>(
    engine: &E,
    id: &ContainerId,
    error: EngineError,
) -> Trouble {
    let Ok(Some(state)) = engine.inspect(id).await else {
        return trouble(&error);
    };
    if state.running {
        return trouble(&error);
    }
    let said = one_line(&engine.logs(id, 5).await.unwrap_or_default());
    if state.exit_code == Some(i64::from(AGENT_REFUSED)) {
        return (
            format!("the agent refused to start: {said}"),
            "as the agent says".to_owned(),
        );
    }
    let code = state.exit_code.unwrap_or(-1);
    (
        format!("the container ended at once with exit code {code}: {said}"),
        "lemctl images build".to_owned(),
    )
}

/// Untrusted text in one line.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    crate::worker::printable(words.join(" ").as_bytes())
}

pub(in crate::runner) fn overlay(facts: &Facts<'_>, backend: &str, live: &Live) -> Overlay {
    let root = Digest::of(facts.project.root.as_str().as_bytes()).short(16);
    let pid = std::process::id().to_string();
    let labels = [
        (labels::ROOT, root.clone()),
        (labels::UID, facts.project.uid.to_string()),
        (labels::BACKEND, backend.to_owned()),
        (labels::PROBE, pid.clone()),
    ];
    Overlay {
        name: format!("lem-check-{root}-{pid}-{backend}"),
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        gpus: Vec::new(),
        without_devices: Vec::new(),
        control: live.control.clone(),
        outbox: live.outbox.clone(),
        model: None,
    }
}

/// The mounts of a campaign's container, but for the folder of exit records: left for the agent to make,
/// its owner shows who writes there. The lease is not renewed: what outlives this process ends with it.
pub(in crate::runner) fn prepare(
    facts: &Facts<'_>,
    folders: &Folders,
    backend: &str,
    user: Identity,
) -> Result<Live, StoreError> {
    let live = Live::make(folders, backend, user.uid, user.gid)?;
    let exits = live.outbox.join("exits");
    std::fs::remove_dir(&exits).map_err(StoreError::at("remove", &exits))?;
    lease::write(&live.control, facts.clock)?;
    Ok(live)
}

/// The user that the service names.
pub(in crate::runner) fn user(file: &ComposeFile) -> Option<Identity> {
    let (uid, gid) = file.worker.user.as_ref()?.split_once(':')?;
    Some(Identity {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

/// What the container wrote must belong to the user who measures, as the host counts.
fn wrong_owner(outbox: &Utf8Path, uid: u32) -> Option<String> {
    let exits = outbox.join("exits");
    match std::fs::metadata(&exits) {
        Ok(metadata) if metadata.uid() == uid => None,
        Ok(metadata) => Some(format!(
            "what it writes belongs to uid {}, not {uid}",
            metadata.uid()
        )),
        Err(error) => Some(format!("nothing that it wrote is in its outbox ({error})")),
    }
}

/// Removes what a check of this project left behind that was killed in the middle.
pub(super) async fn sweep_old<E: ContainerEngine>(
    engine: &E,
    root: &Utf8Path,
) -> Result<(), EngineError> {
    let root_hash = Digest::of(root.as_str().as_bytes()).short(16);
    let probes = engine
        .list(&[(labels::PROBE, ""), (labels::ROOT, &root_hash)])
        .await?;
    for probe in probes {
        if !lives(probe.labels.get(labels::PROBE)) {
            engine.remove(&probe.id).await?;
        }
    }
    for (pid, folder) in old_folders(root) {
        if !lives(Some(&pid)) {
            // What stays is tried again next time.
            let _ = live::remove(&folder);
        }
    }
    Ok(())
}

fn lives(pid: Option<&String>) -> bool {
    pid.is_some_and(|pid| Utf8Path::new("/proc").join(pid).exists())
}

/// `.lem/check-<pid>`, by process id.
fn old_folders(root: &Utf8Path) -> BTreeMap<String, Utf8PathBuf> {
    let entries = root
        .join(".lem")
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().strip_prefix(FOLDER)?;
            pid.parse::<u32>().ok()?;
            Some((pid.to_owned(), entry.path().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ProbeReport {
        ProbeReport {
            uid: 7,
            gid: 8,
            groups: vec![],
            monotonic_ns: 1_000,
            boot_id: "b".into(),
            lease_ns: Some(2_000),
            outbox_writable: true,
            root_writable: false,
            cap_eff: "0000000000000000".into(),
            no_new_privs: true,
        }
    }

    #[test]
    fn each_deviation_is_told() {
        let told = |change: fn(&mut ProbeReport)| {
            let mut report = report();
            change(&mut report);
            deviations(&report, Identity { uid: 7, gid: 8 }, 1_500, "b")
        };
        assert_eq!(told(|_| ()), Vec::<String>::new());
        assert!(told(|report| report.uid = 0)[0].contains("runs as 0:8"));
        assert!(told(|report| report.gid = 0)[0].contains("runs as 7:0"));
        assert!(
            told(|report| report.cap_eff = "00000000a80425fb".into())[0].contains("capabilities")
        );
        assert!(told(|report| report.cap_eff = "none".into())[0].contains("capabilities"));
        assert!(told(|report| report.no_new_privs = false)[0].contains("gain privileges"));
        assert!(told(|report| report.root_writable = true)[0].contains("root file system"));
        assert!(told(|report| report.outbox_writable = false)[0].contains("outbox"));
        assert!(told(|report| report.boot_id = "c".into())[0].contains("another kernel"));
        assert!(told(|report| report.monotonic_ns = 9_000_000_000)[0].contains("CLOCK_MONOTONIC"));
        assert!(told(|report| report.lease_ns = None)[0].contains("lease"));
        assert!(told(|report| report.lease_ns = Some(1_400))[0].contains("lease"));
    }

    #[test]
    fn only_folders_of_dead_checks_are_taken_for_old() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for name in ["check-4000000", "check-x", "20261124-1", "check-"] {
            std::fs::create_dir_all(root.join(".lem").join(name)).unwrap();
        }
        assert_eq!(
            old_folders(root).into_keys().collect::<Vec<_>>(),
            ["4000000"]
        );
        assert!(
            !lives(Some(&"4000000".to_owned())) && lives(Some(&std::process::id().to_string()))
        );
    }
}
