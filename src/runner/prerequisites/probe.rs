//! A container that really starts: what create and a mode bit cannot show (a missing GPU driver, a limit
//! that the daemon cannot set, a bind that is not what it seems) shows here. It is always removed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use futures_util::StreamExt;
use lem_protocol::{AGENT, AGENT_REFUSED, ProbeReport};

use super::{CheckLine, Facts};
use crate::compose::ComposeFile;
use crate::containers::{
    ContainerEngine, ContainerId, ContainerSpec, EngineError, ExecOutput, Overlay, group_text,
    labels, passwd_text,
};
use crate::units::Digest;

/// How long the container may live if this process dies now: its agent then ends it.
const LEASE: Duration = Duration::from_secs(120);
/// How long the agent may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Most bytes of its answer that are read.
const MAX_ANSWER: usize = 64 * 1024;
/// How far the container's CLOCK_MONOTONIC may be from the host's: the time of one exec.
const CLOCK_TOLERANCE_NS: u64 = 5_000_000_000;

/// Starts a backend's container from its Compose file, looks at it from inside, and removes it.
pub(super) async fn line<E: ContainerEngine>(
    engine: &E,
    facts: &Facts<'_>,
    backend: &str,
    file: &ComposeFile,
) -> CheckLine {
    let name = format!("probe {backend}");
    let folder = facts
        .project
        .root
        .join(format!(".lem/check-{}-{backend}", std::process::id()));
    let outcome = look(engine, facts, backend, file, &folder).await;
    let cleared = remove_folder(&folder);
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
            format!("cannot remove {folder}: {error}"),
            format!("sudo rm -r {folder}"),
        ),
    }
}

/// What went wrong, and what mends it.
type Trouble = (String, String);

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
    folder: &Utf8Path,
) -> Result<Vec<String>, Trouble> {
    let folder_trouble = |error: std::io::Error| {
        (
            format!("cannot make {folder}: {error}"),
            "sudo chown -R $(id -u):$(id -g) .lem".to_owned(),
        )
    };
    let overlay = overlay(facts, backend, folder);
    let (uid, gid) = user(file).unwrap_or((facts.project.uid, facts.project.gid));
    prepare(&overlay, uid, gid, facts.clock.monotonic_ns()).map_err(folder_trouble)?;
    let spec = ContainerSpec::new(&file.worker, &overlay).map_err(|error| trouble(&error))?;
    let id = match engine.create(&spec).await {
        Ok(id) => id,
        Err(error) => return Err(trouble(&error)),
    };
    let seen = started(engine, &id, facts).await;
    // Whatever came of it, and before anything is said.
    let removed = engine.remove(&id).await;
    let (report, now_ns) = seen?;
    removed.map_err(|error| trouble(&error))?;
    let mut wrong = deviations(&report, (uid, gid), now_ns, facts.boot_id);
    wrong.extend(wrong_owner(&overlay.outbox, uid));
    Ok(wrong)
}

async fn started<E: ContainerEngine>(
    engine: &E,
    id: &ContainerId,
    facts: &Facts<'_>,
) -> Result<(ProbeReport, u64), Trouble> {
    engine.start(id).await.map_err(|error| trouble(&error))?;
    match tokio::time::timeout(ANSWER, ask(engine, id)).await {
        Ok(Ok(report)) => Ok((report, facts.clock.monotonic_ns())),
        Ok(Err(error)) => Err(why(engine, id, error).await),
        Err(_) => {
            let error = EngineError::TimedOut {
                what: format!("{AGENT} probe"),
                seconds: ANSWER.as_secs(),
            };
            Err(why(engine, id, error).await)
        }
    }
}

async fn ask<E: ContainerEngine>(engine: &E, id: &ContainerId) -> Result<ProbeReport, EngineError> {
    let mut session = engine
        .exec(id, &[AGENT.to_owned(), "probe".to_owned()])
        .await?;
    let mut said = Vec::new();
    while let Some(piece) = session.output.next().await {
        let (ExecOutput::Stdout(bytes) | ExecOutput::Stderr(bytes)) = piece?;
        let room = MAX_ANSWER - said.len();
        said.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    serde_json::from_slice(&said).map_err(|_| EngineError::Broken {
        what: format!("{AGENT} probe"),
        message: printable(&String::from_utf8_lossy(&said)),
    })
}

/// The agent may have refused to start: its exit code tells, its log says why and how to mend it.
async fn why<E: ContainerEngine>(engine: &E, id: &ContainerId, error: EngineError) -> Trouble {
    let Ok(Some(state)) = engine.inspect(id).await else {
        return trouble(&error);
    };
    if state.running {
        return trouble(&error);
    }
    let said = printable(&engine.logs(id, 5).await.unwrap_or_default());
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

/// Untrusted text in one bounded line.
fn printable(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn overlay(facts: &Facts<'_>, backend: &str, folder: &Utf8Path) -> Overlay {
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
        control: folder.join("control"),
        outbox: folder.join("outbox"),
        model: None,
    }
}

fn prepare(overlay: &Overlay, uid: u32, gid: u32, now_ns: u64) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(overlay.control.join("workloads"))?;
    std::fs::create_dir_all(&overlay.outbox)?;
    std::fs::set_permissions(&overlay.outbox, std::fs::Permissions::from_mode(0o700))?;
    let lease = now_ns.saturating_add(u64::try_from(LEASE.as_nanos()).unwrap_or(u64::MAX));
    let files = [
        ("passwd", passwd_text(uid, gid)),
        ("group", group_text(gid)),
        ("lease", format!("{lease}\n")),
    ];
    files
        .into_iter()
        .try_for_each(|(name, text)| std::fs::write(overlay.control.join(name), text))
}

/// The user that the service names.
fn user(file: &ComposeFile) -> Option<(u32, u32)> {
    let (uid, gid) = file.worker.user.as_ref()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// How a container differs from what every backend's must be.
fn deviations(report: &ProbeReport, user: (u32, u32), now_ns: u64, boot_id: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut want = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let (uid, gid) = (report.uid, report.gid);
    want(
        (uid, gid) == user,
        format!("it runs as {uid}:{gid}, not {}:{}", user.0, user.1),
    );
    want(
        u64::from_str_radix(&report.cap_eff, 16) == Ok(0),
        format!("it has capabilities {}", report.cap_eff),
    );
    want(report.no_new_privs, "it can gain privileges".to_owned());
    want(
        !report.root_writable,
        "its root file system is writable".to_owned(),
    );
    want(
        report.outbox_writable,
        "it cannot write its outbox".to_owned(),
    );
    want(
        report.boot_id == boot_id,
        "it runs under another kernel than this host's".to_owned(),
    );
    let apart = now_ns.abs_diff(report.monotonic_ns);
    want(
        apart < CLOCK_TOLERANCE_NS,
        format!("its CLOCK_MONOTONIC is {apart} ns from the host's"),
    );
    want(
        report.lease_ns.is_some_and(|lease| lease > now_ns),
        "it sees no valid lease".to_owned(),
    );
    wrong
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
            let _ = remove_folder(&folder);
        }
    }
    Ok(())
}

fn lives(pid: Option<&String>) -> bool {
    pid.is_some_and(|pid| Utf8Path::new("/proc").join(pid).exists())
}

/// `.lem/check-<pid>-<backend>`.
fn old_folders(root: &Utf8Path) -> BTreeMap<String, Utf8PathBuf> {
    let entries = root
        .join(".lem")
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| {
            let (pid, _) = entry.file_name().strip_prefix("check-")?.split_once('-')?;
            pid.parse::<u32>().ok()?;
            Some((pid.to_owned(), entry.path().to_owned()))
        })
        .collect()
}

fn remove_folder(folder: &Utf8Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
            deviations(&report, (7, 8), 1_500, "b")
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
    fn what_a_container_prints_is_made_harmless() {
        assert_eq!(printable("a\n\u{1b}[31mb\t c"), "a [31mb c");
        assert!(printable(&"x".repeat(10_000)).len() <= 300);
    }

    #[test]
    fn only_folders_of_dead_checks_are_taken_for_old() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for name in [
            "check-4000000-reference",
            "check-x-reference",
            "20261124-1",
            "check-1",
        ] {
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
