//! What an engine needs of its container beyond the mounts that every backend has: its model, its caches,
//! shared memory and the nodes of its GPUs. Found before PID 1 starts, so that a container that cannot work says
//! why in one line instead of failing in the middle of a load. What is not there at all may be meant so, and a
//! campaign's own checks know; what is there must be usable.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lem_protocol::MODEL;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access, getegid, geteuid};

use crate::failure::{Failure, Refusal};
use crate::mounts::{self, Mount};

/// Set for the backends that hold an engine in Python; the reference backend has none.
pub const BACKEND: &str = "LEM_BACKEND";
/// Where caches go.
pub const CACHES: &str = "XDG_CACHE_HOME";
/// Set by the NVIDIA runtime to the GPUs that were asked for.
pub const GPUS: &str = "NVIDIA_VISIBLE_DEVICES";
/// Docker's own 64 MiB break tensor parallel workers at their first exchange.
const LEAST_SHM: u64 = 1 << 30;

/// What PID 1's environment says of an engine.
#[derive(Debug, Default)]
pub struct Environment {
    /// [`BACKEND`].
    pub backend: Option<String>,
    /// [`CACHES`].
    pub caches: Option<String>,
    /// [`GPUS`].
    pub gpus: Option<String>,
}

/// Checks all of it.
pub fn check(environment: &Environment, mountinfo: &str) -> Result<(), Failure> {
    model_is_readable(mounts::find(mountinfo, MODEL), Path::new(MODEL))?;
    if environment.backend.as_deref().is_none_or(str::is_empty) {
        return Ok(());
    }
    if let Some(caches) = &environment.caches {
        caches_are_writable(Path::new(caches))?;
    }
    shared_memory_suffices(Path::new("/dev/shm"))?;
    gpus_are_there(environment.gpus.as_deref(), Path::new("/dev"))
}

fn refused(
    code: &'static str,
    at: &Path,
    found: String,
    expected: String,
    mend: impl Into<String>,
) -> Result<(), Failure> {
    Err(Failure::Refused(Refusal {
        code,
        at: at.display().to_string(),
        found,
        expected,
        mend: mend.into(),
    }))
}

fn owner_and_mode(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(found) => format!(
            "owner {}:{} mode {:04o}",
            found.uid(),
            found.gid(),
            found.mode() & 0o7777
        ),
        Err(error) => error.to_string(),
    }
}

fn may(path: &Path, flags: AccessFlags) -> bool {
    access(path, flags).is_ok()
}

fn user() -> String {
    format!("{}:{}", geteuid(), getegid())
}

fn model_is_readable(mount: Mount, folder: &Path) -> Result<(), Failure> {
    match mount {
        Mount::Absent => return Ok(()),
        Mount::ReadOnly => {}
        Mount::Writable => {
            return refused(
                "agent::model_writable",
                folder,
                "a writable mount".to_owned(),
                "the model, mounted read-only: no measurement may change it".to_owned(),
                "docker run --mount type=bind,src=DIR,dst=/model,readonly (lemctl campaign up does it)",
            );
        }
    }
    let config = folder.join("config.json");
    let (unreadable, flags) = match config.exists() {
        true => (&*config, AccessFlags::R_OK),
        false => (folder, AccessFlags::R_OK | AccessFlags::X_OK),
    };
    if may(unreadable, flags) {
        return Ok(());
    }
    refused(
        "agent::model_not_readable",
        unreadable,
        owner_and_mode(unreadable),
        format!("a model that {} can read", user()),
        "chmod -R a+rX DIR (the folder of the host that is mounted there)",
    )
}

/// Making the folder is the test. A volume keeps the owner and mode that it was made with.
fn caches_are_writable(folder: &Path) -> Result<(), Failure> {
    let made = fs::create_dir_all(folder);
    if made.is_ok() && may(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        return Ok(());
    }
    let found = match made {
        Ok(()) => owner_and_mode(folder),
        Err(error) => error.to_string(),
    };
    refused(
        "agent::cache_not_writable",
        folder,
        found,
        format!("a folder in which {} can make files ({CACHES})", user()),
        "docker volume rm lem-cache-BACKEND-UID (lemctl makes it anew, for any user; only compiled kernels are lost)",
    )
}

fn shared_memory_suffices(folder: &Path) -> Result<(), Failure> {
    let Ok(shm) = statvfs(folder) else {
        return refused(
            "agent::shm_absent",
            folder,
            "no such mount".to_owned(),
            "shared memory".to_owned(),
            "remove `ipc: none` from the Compose file",
        );
    };
    let bytes = shm.blocks().saturating_mul(shm.fragment_size());
    if bytes >= LEAST_SHM {
        return Ok(());
    }
    refused(
        "agent::shm_too_small",
        folder,
        format!("{} MiB", bytes >> 20),
        format!("at least {} MiB", LEAST_SHM >> 20),
        "LEM_SHM_SIZE=8g in .env (`shm_size` in the Compose file)",
    )
}

/// Where the runtime was asked for GPUs, or some node is there, all that CUDA opens must be usable.
fn gpus_are_there(asked: Option<&str>, dev: &Path) -> Result<(), Failure> {
    let asked = asked.is_some_and(|gpus| gpus.starts_with("GPU-") || gpus.starts_with("MIG-"));
    let nodes = gpu_nodes(dev);
    if nodes.is_empty() {
        // WSL has one node for all.
        if !asked || dev.join("dxg").exists() {
            return Ok(());
        }
        return refused(
            "agent::gpu_absent",
            &dev.join("nvidia*"),
            "no such node".to_owned(),
            format!("the GPUs that {GPUS} names"),
            "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
        );
    }
    let shared = ["nvidiactl", "nvidia-uvm"].map(|name| dev.join(name));
    for node in nodes.iter().chain(&shared) {
        if !node.exists() {
            return refused(
                "agent::gpu_node_absent",
                node,
                "no such node".to_owned(),
                "the driver's node, beside those of the GPUs".to_owned(),
                "sudo nvidia-modprobe -c 0 -u, and the node in the Compose file's `devices`",
            );
        }
        if !may(node, AccessFlags::R_OK | AccessFlags::W_OK) {
            return refused(
                "agent::gpu_not_accessible",
                node,
                owner_and_mode(node),
                format!("a node that {} can read and write", user()),
                format!("sudo chmod 0666 {} (on the host)", node.display()),
            );
        }
    }
    Ok(())
}

/// `nvidia0`, `nvidia1`, …
fn gpu_nodes(dev: &Path) -> Vec<std::path::PathBuf> {
    let is_gpu = |name: &str| {
        name.strip_prefix("nvidia")
            .is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
    };
    let entries = fs::read_dir(dev).into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_gpu))
        .map(|entry| entry.path())
        .collect();
    nodes.sort();
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<(), Failure>) -> Option<&'static str> {
        match result {
            Ok(()) => None,
            Err(Failure::Refused(refusal)) => Some(refusal.code),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_model_is_mounted_read_only_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let of = |mount| code(model_is_readable(mount, folder.path()));
        assert_eq!(of(Mount::Absent), None);
        assert_eq!(of(Mount::ReadOnly), None);
        assert_eq!(of(Mount::Writable), Some("agent::model_writable"));
        let absent = folder.path().join("absent");
        assert_eq!(
            code(model_is_readable(Mount::ReadOnly, &absent)),
            Some("agent::model_not_readable")
        );
    }

    #[test]
    fn caches_are_tried() {
        let folder = tempfile::tempdir().unwrap();
        let caches = folder.path().join("a/b");
        assert_eq!(code(caches_are_writable(&caches)), None);
        assert!(caches.is_dir());
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(
            code(caches_are_writable(&folder.path().join("file"))),
            Some("agent::cache_not_writable")
        );
        assert_eq!(
            code(caches_are_writable(Path::new("/proc/lem"))),
            Some("agent::cache_not_writable")
        );
    }

    #[test]
    fn shared_memory_is_measured() {
        assert_eq!(
            code(shared_memory_suffices(Path::new("/absent"))),
            Some("agent::shm_absent")
        );
        // A file system of the kernel's, without a single block.
        assert_eq!(
            code(shared_memory_suffices(Path::new("/proc"))),
            Some("agent::shm_too_small")
        );
    }

    #[test]
    fn gpus_that_were_asked_for_or_are_there_must_be_usable() {
        let dev = tempfile::tempdir().unwrap();
        let of = |asked| code(gpus_are_there(asked, dev.path()));
        let make = |name: &str| fs::write(dev.path().join(name), "").unwrap();
        assert_eq!(of(None), None, "an engine on a CPU");
        assert_eq!(of(Some("all")), None, "what an image says by itself");
        assert_eq!(of(Some("GPU-1,GPU-2")), Some("agent::gpu_absent"));
        make("nvidia-caps");
        make("nvidia0");
        assert_eq!(of(None), Some("agent::gpu_node_absent"));
        make("nvidiactl");
        assert_eq!(of(Some("GPU-1")), Some("agent::gpu_node_absent"));
        make("nvidia-uvm");
        assert_eq!(of(Some("GPU-1")), None);
    }

    #[test]
    fn only_engines_are_asked() {
        let all = |backend: &str| Environment {
            backend: Some(backend.to_owned()),
            caches: Some("/proc/lem".to_owned()),
            gpus: None,
        };
        assert_eq!(code(check(&all(""), "")), None);
        assert_eq!(
            code(check(&all("vllm"), "")),
            Some("agent::cache_not_writable")
        );
    }
}
