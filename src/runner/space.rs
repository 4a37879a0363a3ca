//! Room on the disks: whether what a campaign needs is there before anything begins, and whether there is enough left for
//! the next run. It also says what a disk that takes no more means for the campaign.
//!
//! What is needed is an estimate. A disk that fills up all the same is met by looking again before every step, and by the
//! room that the journal keeps.

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;

use super::session::Runner;
use super::{Need, RunnerError};
use crate::containers::{ContainerEngine, EngineInfo};
use crate::diagnostics::{Exit, Fault};
use crate::environment::Disk;
use crate::execution::{Blame, Cause, DISK, DISK_FULL};
use crate::store::{StoreError, remove_abandoned, remove_temporary};

/// Left free on every disk that lemctl writes to: other programs need some, and a session that must end for want of
/// room still writes a little.
pub const RESERVE: u64 = 16 << 20;
/// Files that are left free.
const RESERVE_FILES: u64 = 64;
/// One thing that needs room.
struct Wanted {
    folder: Utf8PathBuf,
    bytes: u64,
    files: u64,
}

/// A disk has not the room that a campaign or an image will need.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{folder} has {free} free, and about {needed} are needed")]
#[diagnostic(
    code(runner::no_space),
    help("make room there (df -h {folder}; df -i {folder}), or move the folder to a larger disk")
)]
pub struct NoSpace {
    folder: Utf8PathBuf,
    free: String,
    needed: String,
}

impl Fault for NoSpace {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}

/// Refuses a campaign for which there is no room: below the project's folder, or where the Engine keeps its data.
///
/// # Errors
/// [`NoSpace`] names the folder, what is free, what is needed and what to do.
pub fn require(root: &Utf8Path, need: &Need, engine: &EngineInfo) -> Result<(), NoSpace> {
    let wanted = |name: &str, bytes: u64, files: u64| Wanted {
        folder: root.join(name),
        bytes,
        files,
    };
    let mut all = vec![
        wanted("results", need.results, need.files),
        wanted("manifests", need.manifest, 4),
        wanted(".lem", need.live, 16),
    ];
    all.extend(data_root(engine).map(|folder| Wanted {
        folder,
        bytes: 0,
        files: 0,
    }));
    // Folders of one disk share its room: each is asked for what all of them need.
    let disks: Vec<(&Wanted, Disk)> = all
        .iter()
        .filter_map(|wanted| Some((wanted, Disk::of(&wanted.folder).ok()?)))
        .collect();
    for (place, disk) in &disks {
        let same = disks
            .iter()
            .filter(|(_, other)| other.device == disk.device);
        let (bytes, files) = same.fold((RESERVE, RESERVE_FILES), |(bytes, files), (wanted, _)| {
            (bytes.saturating_add(wanted.bytes), files + wanted.files)
        });
        if let Some(short) = short(disk, bytes, files) {
            return Err(no_space(&place.folder, short));
        }
    }
    Ok(())
}

/// What a disk has, and what it would have to have.
struct Short {
    free: String,
    needed: String,
}

fn short(disk: &Disk, bytes: u64, files: u64) -> Option<Short> {
    if disk.free_bytes < bytes {
        return Some(Short {
            free: amount(disk.free_bytes),
            needed: amount(bytes),
        });
    }
    let free = disk.free_files.filter(|free| *free < files)?;
    Some(Short {
        free: format!("room for {free} files"),
        needed: format!("{files} files"),
    })
}

fn no_space(folder: &Utf8Path, short: Short) -> NoSpace {
    NoSpace {
        folder: folder.to_owned(),
        free: short.free,
        needed: short.needed,
    }
}

fn amount(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Where the Engine keeps its data, if that can be seen from here.
fn data_root(engine: &EngineInfo) -> Option<Utf8PathBuf> {
    let folder = Utf8PathBuf::from(&engine.data_root);
    (folder.is_absolute() && folder.exists()).then_some(folder)
}

/// Refuses what would fill the Engine's disk.
///
/// # Errors
/// As [`require`].
pub fn require_for_engine(engine: &EngineInfo, bytes: u64) -> Result<(), NoSpace> {
    let disk = data_root(engine).and_then(|folder| Disk::of(&folder).ok());
    let Some(disk) = disk else { return Ok(()) };
    match short(&disk, RESERVE.saturating_add(bytes), RESERVE_FILES) {
        Some(short) => Err(no_space(&disk.folder, short)),
        None => Ok(()),
    }
}

/// What a file that could not be written means for the campaign.
pub(super) fn disk_cause(error: &StoreError) -> Cause {
    let folder = error.path.parent().unwrap_or(&error.path);
    if !error.is_full() {
        let hint = format!(
            "look at the folder and its disk (ls -ld {folder}; findmnt -T {folder}), then: lemctl campaign resume"
        );
        return Cause::new(Blame::Environment, DISK, error.to_string()).hint(hint);
    }
    let free = Disk::of(folder).map_or(0, |disk| disk.free_bytes);
    let message = format!("{error}; {} are free there", amount(free));
    Cause::new(Blame::Environment, DISK_FULL, message).hint(make_room(folder))
}

/// The cause where the Engine says that its own disk is full: it does so in the words of the system, without a code.
pub(super) fn engine_disk_full(message: &str) -> Option<Cause> {
    message.contains("no space left on device").then(|| {
        Cause::new(Blame::Environment, DISK_FULL, message).hint(
            "make room where the Engine keeps its data: docker system df, then docker info -f '{{.DockerRootDir}}'",
        )
    })
}

/// What the disk said of a worker's log.
pub(super) fn log_error(logs: &Utf8Path, source: std::io::Error) -> StoreError {
    StoreError {
        action: "write",
        path: logs.join("log"),
        source,
    }
}

fn make_room(folder: &Utf8Path) -> String {
    format!("make room there (df -h {folder}; df -i {folder}), then: lemctl campaign resume")
}

impl<E: ContainerEngine> Runner<E> {
    /// Opens the breaker where something is due and the disks have no room for it.
    pub(super) fn look_at_disks(&mut self) -> Result<(), RunnerError> {
        let due = self.opened.state.tally().due > 0;
        match self.disk_trouble() {
            Some(trouble) if due => self.trip(&trouble),
            _ => Ok(()),
        }
    }

    /// Removes what crashes left under temporary names: the campaign's folders are this session's alone, the
    /// project's are not.
    pub(super) fn remove_temporary(&self) {
        let folders = &self.opened.folders;
        for own in [folders.results(), folders.manifests()] {
            remove_temporary(&own);
        }
        for shared in ["", ".lem", "sensors"] {
            remove_abandoned(&folders.root.join(shared));
        }
    }

    /// Why nothing more can be begun: there is no room, or the present worker's log could not be written.
    pub(super) fn disk_trouble(&mut self) -> Option<Cause> {
        let logs = self.opened.folders.logs();
        let worker = self.engine.as_mut().map(|loaded| &mut loaded.worker);
        if let Some(error) = worker.and_then(crate::worker::Worker::log_trouble) {
            return Some(disk_cause(&log_error(&logs, error)));
        }
        self.want_of_room()
    }

    /// Why nothing more can be begun for want of room, if that is so. Asked before every step: it costs some
    /// microseconds.
    fn want_of_room(&self) -> Option<Cause> {
        let folders = &self.opened.folders;
        if self.opened.journal.is_short() {
            let folder = folders.results();
            let message = format!("{folder} has no room for more of the journal than its end");
            let cause = Cause::new(Blame::Environment, DISK_FULL, message);
            return Some(cause.hint(make_room(&folder)));
        }
        let next = RESERVE.saturating_add(self.largest_run);
        let live = folders.root.join(".lem");
        let own = [folders.results(), live].map(|folder| (folder, next));
        let engine = data_root(&self.setting.engine_info).map(|folder| (folder, RESERVE));
        own.into_iter().chain(engine).find_map(|(folder, bytes)| {
            let Short { free, needed } = short(&Disk::of(&folder).ok()?, bytes, RESERVE_FILES)?;
            let message = format!("{folder} has {free} free, the next run needs {needed}");
            Some(Cause::new(Blame::Environment, DISK_FULL, message).hint(make_room(&folder)))
        })
    }

    /// A failure while a disk is full says nothing of what failed: the disk is the cause. What its own config causes
    /// stays what it is.
    pub(super) fn or_of_disk(&self, cause: Cause) -> Cause {
        or_of(cause, || self.want_of_room())
    }
}

fn or_of(cause: Cause, want_of_room: impl FnOnce() -> Option<Cause>) -> Cause {
    if cause.blame == Blame::Config || cause.is_of_disk() {
        return cause;
    }
    match want_of_room() {
        Some(full) => Cause {
            message: format!("{}; meanwhile: {cause}", full.message),
            ..full
        },
        None => cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(free_bytes: u64, free_files: Option<u64>) -> Disk {
        Disk {
            folder: "/x".into(),
            device: 1,
            free_bytes,
            free_files,
        }
    }

    #[test]
    fn bytes_and_files_are_both_needed() {
        assert!(short(&disk(10, Some(10)), 10, 10).is_none());
        assert!(short(&disk(10, None), 10, 10).is_none());
        let bytes = short(&disk(1 << 20, Some(10)), 3 << 20, 10).expect("too few bytes");
        assert_eq!((&*bytes.free, &*bytes.needed), ("1.0 MiB", "3.0 MiB"));
        let files = short(&disk(10, Some(9)), 10, 10).expect("too few files");
        assert_eq!(files.free, "room for 9 files");
    }

    #[test]
    fn a_full_disk_and_a_closed_one_are_two_causes() {
        let error = |code: i32| StoreError {
            action: "write",
            path: "/nowhere/results/x".into(),
            source: std::io::Error::from_raw_os_error(code),
        };
        let full = disk_cause(&error(28));
        assert_eq!((full.blame, &*full.code), (Blame::Environment, DISK_FULL));
        assert!(full.hint.expect("a hint").contains("/nowhere/results"));
        let closed = disk_cause(&error(30));
        assert!(closed.is_of_disk() && closed.code == DISK, "{closed}");
    }

    #[test]
    fn a_full_disk_explains_every_failure_but_a_configs_own() {
        let full = || Some(Cause::new(Blame::Environment, DISK_FULL, "no room"));
        let of = |blame, code| Cause::new(blame, code, "x");
        for blame in [Blame::Worker, Blame::Environment] {
            let cause = or_of(of(blame, "y"), full);
            assert_eq!(&*cause.code, DISK_FULL);
            assert_eq!(cause.message, "no room; meanwhile: y: x");
            assert_eq!(or_of(of(blame, "y"), || None), of(blame, "y"));
        }
        for own in [of(Blame::Config, "y"), of(Blame::Environment, DISK)] {
            assert_eq!(or_of(own.clone(), full), own);
        }
    }
}
