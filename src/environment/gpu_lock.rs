//! Who measures on a GPU of this host: an flock per GPU, in a folder that every user of the host shares. It knows
//! GPUs only by the names it is given, and tells of a holder its pid and its campaign's id: no user, path or host.
//!
//! The kernel frees a lock when its holder ends, however it ends, so none is ever stale; the files stay, since who
//! removed one could take it from under somebody about to lock it. What stands in a file is for the message only.
//! Anybody can write into the shared folder: a file there is opened without following a link and without waiting for
//! a pipe's other end, and is used only if it is a plain file with one name.

use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;
use rustix::fs::OFlags;

use crate::diagnostics::{Exit, Fault};

/// Folders that systems share for locks, best first. Which one is taken must not depend on who asks.
const SHARED: [&str; 2] = ["/run/lock", "/tmp"];
/// Anybody can make a file there and only its owner can remove it.
const STICKY_FOR_ALL: u32 = 0o1777;
/// Bytes of a file that are read.
const MAX_BYTES: u64 = 256;
/// Anybody can lock it, and say what for.
const FOR_ALL: u32 = 0o666;
/// How often a file is tried to be opened.
const OPENINGS: u32 = 12;
/// How long is waited for whoever just made one to open it to all.
const BETWEEN: Duration = Duration::from_millis(10);

/// Who holds a GPU, as they say themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// A campaign's id, or what else it does.
    pub purpose: String,
}

/// Why a GPU cannot be had.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum GpuLockError {
    /// Another lemctl of this host measures on it.
    #[error("GPU {gpu} is held by another lemctl{}", told(.holder.as_ref()))]
    #[diagnostic(
        code(gpu::held),
        help(
            "wait for it: --wait-for-gpus (or --wait-for-gpus=MINUTES); or name other GPUs: lemctl gpu list"
        )
    )]
    Held {
        /// The GPU.
        gpu: String,
        /// Who, if that can be read.
        holder: Option<Holder>,
    },
    /// The file of its lock is not one.
    #[error("the lock of GPU {gpu} cannot be used: {path} {what}")]
    #[diagnostic(
        code(gpu::lock),
        help("somebody else made it: look at it (ls -l {path}), and have it removed")
    )]
    Unusable {
        /// The GPU.
        gpu: String,
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no folder that users of this host share.
    #[error(
        "this host has no folder for locks that all its users can write to and nobody can remove others' files from: {tried}"
    )]
    #[diagnostic(
        code(gpu::lock_folder),
        help(
            "make one, and name it in every user's LEM_GPU_LOCKS: sudo install -d -m 1777 /var/lib/lemctl-locks"
        )
    )]
    NoFolder {
        /// What was looked at.
        tried: String,
    },
}

impl Fault for GpuLockError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}

fn told(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |Holder { pid, purpose }| {
        format!(" (pid {pid}, {purpose})")
    })
}

/// Where the locks of this host lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFolder(Utf8PathBuf);

impl LockFolder {
    /// The folder that is named, or the first shared one.
    ///
    /// # Errors
    /// If it is not a folder in which users can lock each other out and do no other harm.
    pub fn find(named: Option<&str>) -> Result<Self, GpuLockError> {
        let candidates: Vec<&str> = named.map_or_else(|| SHARED.to_vec(), |named| vec![named]);
        let found = candidates.iter().map(Utf8Path::new).find(|path| safe(path));
        found.map_or_else(
            || {
                Err(GpuLockError::NoFolder {
                    tried: candidates.join(", "),
                })
            },
            |path| Ok(Self(path.to_owned())),
        )
    }

    /// Takes the locks of GPUs, all or none.
    ///
    /// # Errors
    /// [`GpuLockError::Held`] by another process, or a file that is no lock.
    pub fn take(&self, gpus: &[String]) -> Result<GpuLocks, GpuLockError> {
        let mut gpus = gpus.to_vec();
        gpus.sort();
        gpus.dedup();
        let files: Result<Vec<File>, GpuLockError> =
            gpus.iter().map(|gpu| self.take_one(gpu)).collect();
        let locks = GpuLocks { files: files? };
        locks.tell("about to begin");
        Ok(locks)
    }

    fn take_one(&self, gpu: &str) -> Result<File, GpuLockError> {
        // A UUID comes from a library that may be named on the command line: nothing of it may be a path.
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let safe: String = gpu.chars().filter(|c| allowed(*c)).take(80).collect();
        let path = self.0.join(format!("lemctl-gpu-{safe}.lock"));
        let unusable = |what: String| GpuLockError::Unusable {
            gpu: gpu.to_owned(),
            path: path.clone(),
            what,
        };
        let file = open(&path).map_err(|error| unusable(format!("cannot be opened: {error}")))?;
        let found = file
            .metadata()
            .map_err(|error| unusable(error.to_string()))?;
        if !found.is_file() || found.nlink() != 1 {
            return Err(unusable("is not a plain file of one name".to_owned()));
        }
        open_to_all(&file, &found).map_err(|error| unusable(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(GpuLockError::Held {
                    gpu: gpu.to_owned(),
                    holder: holder(&file),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(unusable(format!("cannot be locked: {error}")));
            }
        }
        // One that was removed and made anew meanwhile is another's.
        let same = std::fs::symlink_metadata(&path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (found.dev(), found.ino()));
        if !same {
            return Err(unusable("was exchanged while it was locked".to_owned()));
        }
        Ok(file)
    }
}

/// Held locks: free again when this is dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct GpuLocks {
    files: Vec<File>,
}

impl GpuLocks {
    /// Says what the GPUs are held for, to those who come later.
    pub fn tell(&self, purpose: &str) {
        for mut file in &self.files {
            // For messages only: the lock does not depend on it.
            let _ = file
                .set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .and_then(|_| writeln!(file, "{} {purpose}", std::process::id()));
        }
    }
}

/// A folder, and no link, that belongs to root or to nobody but its users' own, where all can write and none can
/// remove another's file.
fn safe(path: &Utf8Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| {
        let mode = found.permissions().mode();
        found.is_dir() && found.uid() == 0 && mode & STICKY_FOR_ALL == STICKY_FOR_ALL
    })
}

/// Opens the file, or makes it. Making and opening are told apart: kernels refuse to open another user's file in such a
/// folder with a flag that would make it (`fs.protected_regular`).
fn open(path: &Utf8Path) -> std::io::Result<File> {
    // Neither a link nor a pipe is waited for or followed.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(flags);
    for _ in 0..OPENINGS {
        match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Whoever made it is about to open it to all, or died before.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                std::thread::sleep(BETWEEN);
                continue;
            }
            opened => return opened,
        }
        let mut making = options.clone();
        match making.create_new(true).mode(FOR_ALL).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    // A lock needs no right to write; only what stands in the file stays that of somebody before.
    options.write(false).open(path)
}

/// Gives everybody the right to write into a file of ours that is as it was made: the umask took it, and whoever made
/// it may have died before this. The others could lock each other out, and not be told by whom. One that has something
/// in it was open to all before, or was put there by a stranger to be shown to all.
fn open_to_all(file: &File, found: &Metadata) -> std::io::Result<()> {
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if ours && found.len() == 0 && found.permissions().mode() & FOR_ALL != FOR_ALL {
        file.set_permissions(Permissions::from_mode(FOR_ALL))?;
    }
    Ok(())
}

/// What the holder wrote; nothing that has another form, and nothing that a terminal would obey.
fn holder(file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let (pid, purpose) = text.lines().next()?.split_once(' ')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ' ';
    Some(Holder {
        pid: pid.parse().ok()?,
        purpose: purpose.chars().filter(|c| plain(*c)).take(80).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, LockFolder) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, LockFolder(path))
    }

    fn gpus(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_holder_a_gpu_and_others_are_told_who() {
        let (_keep, folder) = folder();
        let held = folder.take(&gpus(&["GPU-1", "GPU-2"])).unwrap();
        held.tell("campaign c-1");
        assert!(folder.take(&gpus(&["GPU-3"])).is_ok());
        let error = folder.take(&gpus(&["GPU-0", "GPU-2"])).unwrap_err();
        let said = error.to_string();
        let pid = std::process::id();
        assert!(
            said.contains("GPU-2") && said.contains(&format!("(pid {pid}, campaign c-1)")),
            "{said}"
        );
        assert!(
            error
                .help()
                .unwrap()
                .to_string()
                .contains("--wait-for-gpus")
        );
        assert_eq!(error.exit(), Exit::EnvironmentNotReady);
        assert!(folder.take(&gpus(&["GPU-0"])).is_ok(), "all or none");
        drop(held);
        assert!(folder.take(&gpus(&["GPU-2", "GPU-2"])).is_ok());
    }

    #[test]
    fn every_user_may_lock_whatever_the_umask() {
        let (_keep, folder) = folder();
        let _held = folder.take(&gpus(&["GPU-1"])).unwrap();
        let found = std::fs::metadata(folder.0.join("lemctl-gpu-GPU-1.lock")).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o666);
    }

    #[test]
    fn one_that_was_left_closed_is_opened_to_all() {
        let (_keep, folder) = folder();
        let path = folder.0.join("lemctl-gpu-GPU-1.lock");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        // Nobody but root may write into the second: it is opened to be read.
        for left in [0o644, 0o444] {
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(left)).unwrap();
            drop(folder.take(&gpus(&["GPU-1"])).unwrap());
            assert_eq!(mode(), 0o666, "{left:o}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn no_secret_is_opened_to_all() {
        let (_keep, folder) = folder();
        let path = folder.0.join("lemctl-gpu-GPU-1.lock");
        let secret = folder.0.join("secret");
        std::fs::write(&secret, "secret").unwrap();
        std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        std::fs::hard_link(&secret, &path).unwrap();
        assert!(folder.take(&gpus(&["GPU-1"])).is_err());
        std::fs::rename(&secret, &path).unwrap();
        std::fs::remove_file(&secret).unwrap();
        drop(folder.take(&gpus(&["GPU-1"])).unwrap());
        let found = std::fs::metadata(&path).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_somebody_else_put_there_is_not_followed_or_waited_for() {
        let (_keep, folder) = folder();
        let victim = folder.0.join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let at = |gpu: &str| folder.0.join(format!("lemctl-gpu-{gpu}.lock"));
        std::os::unix::fs::symlink(&victim, at("GPU-1")).unwrap();
        std::fs::hard_link(&victim, at("GPU-2")).unwrap();
        std::fs::create_dir(at("GPU-3")).unwrap();
        let pipe = rustix::fs::mknodat(
            rustix::fs::CWD,
            at("GPU-4").as_std_path(),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        );
        pipe.unwrap();
        for gpu in ["GPU-1", "GPU-2", "GPU-3", "GPU-4"] {
            let error = folder.take(&gpus(&[gpu])).unwrap_err();
            assert!(
                matches!(error, GpuLockError::Unusable { .. }),
                "{gpu}: {error}"
            );
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        // No part of a name is a path.
        assert!(folder.take(&gpus(&["../../GPU/5"])).is_ok());
        assert!(at("GPU5").exists());
    }

    #[test]
    fn what_a_liar_wrote_is_told_harmlessly_or_not_at_all() {
        let (_keep, folder) = folder();
        let path = folder.0.join("lemctl-gpu-GPU-1.lock");
        let said = |text: &[u8]| {
            let _held = folder.take(&gpus(&["GPU-1"])).unwrap();
            std::fs::write(&path, text).unwrap();
            folder.take(&gpus(&["GPU-1"])).unwrap_err().to_string()
        };
        assert!(said(b"7 \x1b[31mcampaign\n").ends_with("(pid 7, 31mcampaign)"));
        assert!(said(b"me ada").ends_with("another lemctl"));
        assert!(said(&[0xff; 900]).ends_with("another lemctl"));
        assert!(said(format!("7 {}", "a".repeat(90_000)).as_bytes()).len() < 200);
    }

    #[test]
    fn only_a_folder_that_is_safe_for_all_is_shared() {
        let (keep, folder) = folder();
        let named = folder.0.as_str();
        assert!(matches!(
            LockFolder::find(Some(named)),
            Err(GpuLockError::NoFolder { .. })
        ));
        let link = folder.0.join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(LockFolder::find(Some(link.as_str())).is_err());
        let sticky = Permissions::from_mode(0o1777);
        std::fs::set_permissions(keep.path(), sticky).unwrap();
        let own = rustix::process::geteuid().is_root();
        assert_eq!(
            LockFolder::find(Some(named)).is_ok(),
            own,
            "root's own only"
        );
    }
}
