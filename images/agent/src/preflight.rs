//! What must hold before PID 1 starts: each refusal names what it found and the command that mends it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lem_protocol::{CONTROL, EXITS, OUTBOX};
use nix::unistd::{Pid, getegid, geteuid};

use crate::engine::{self, Environment};
use crate::failure::{Failure, Refusal};
use crate::mounts::{self, Mount};

/// The variable that allows to run as root, by name.
const ALLOW_ROOT: &str = "LEM_ALLOW_ROOT";

/// Checks the container and makes the folder for exit records.
pub fn check() -> Result<(), Failure> {
    is_pid_1(Pid::this().as_raw())?;
    #[expect(
        clippy::disallowed_methods,
        reason = "PID 1's settings come through its environment"
    )]
    let variable = |name: &str| std::env::var(name).ok();
    let allowed = variable(ALLOW_ROOT).is_some_and(|value| value == "1");
    user_is_allowed(geteuid().as_raw(), allowed)?;
    let mountinfo = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| Failure::system("reading", "/proc/self/mountinfo", error))?;
    control_is_mounted(mounts::find(&mountinfo, CONTROL))?;
    outbox_is_mounted(mounts::find(&mountinfo, OUTBOX))?;
    outbox_is_writable(Path::new(OUTBOX), Path::new(EXITS))?;
    let environment = Environment {
        backend: variable(engine::BACKEND),
        caches: variable(engine::CACHES),
        gpus: variable(engine::GPUS),
    };
    engine::check(&environment, &mountinfo)
}

fn is_pid_1(pid: i32) -> Result<(), Failure> {
    if pid == 1 {
        return Ok(());
    }
    Err(Failure::Refused(Refusal {
        code: "agent::not_pid_1",
        at: "init".into(),
        found: format!("process id {pid}"),
        expected: "process id 1 of a container: init kills every process that it can see".into(),
        mend: "remove `init: true` and `pid:` from the Compose file".into(),
    }))
}

fn user_is_allowed(uid: u32, root_is_allowed: bool) -> Result<(), Failure> {
    if uid != 0 || root_is_allowed {
        return Ok(());
    }
    Err(Failure::Refused(Refusal {
        code: "agent::root",
        at: "PUID".into(),
        found: "uid 0".into(),
        expected: format!("the uid of the user who measures (or {ALLOW_ROOT}=1 to mean it)"),
        mend: "lemctl init, which writes PUID and PGID to .env".into(),
    }))
}

fn control_is_mounted(mount: Mount) -> Result<(), Failure> {
    let found = match mount {
        Mount::ReadOnly => return Ok(()),
        Mount::Writable => "a writable mount",
        Mount::Absent => "no mount",
    };
    Err(Failure::Refused(Refusal {
        code: "agent::control_not_mounted",
        at: CONTROL.into(),
        found: found.into(),
        expected: "the control folder of lemctl, mounted read-only".into(),
        mend: format!(
            "docker run --mount type=bind,src=DIR,dst={CONTROL},readonly (lemctl campaign up does it)"
        ),
    }))
}

fn outbox_is_mounted(mount: Mount) -> Result<(), Failure> {
    let found = match mount {
        Mount::Writable => return Ok(()),
        Mount::ReadOnly => "a read-only mount",
        Mount::Absent => "no mount",
    };
    Err(Failure::Refused(Refusal {
        code: "agent::outbox_not_mounted",
        at: OUTBOX.into(),
        found: found.into(),
        expected: "the outbox of lemctl, mounted for writing".into(),
        mend: format!(
            "docker run --mount type=bind,src=DIR,dst={OUTBOX} (lemctl campaign up does it)"
        ),
    }))
}

/// Making the folder is the test: access rights alone would not show a full or broken disk.
fn outbox_is_writable(outbox: &Path, exits: &Path) -> Result<(), Failure> {
    let probe = outbox.join(".lem-agent-writes");
    let tried = fs::create_dir_all(exits)
        .and_then(|()| fs::write(&probe, ""))
        .and_then(|()| fs::remove_file(&probe));
    let Err(error) = tried else {
        return Ok(());
    };
    let (uid, gid) = (geteuid(), getegid());
    let found = match fs::metadata(outbox) {
        Ok(metadata) => format!(
            "owner {}:{} mode {:04o} ({error})",
            metadata.uid(),
            metadata.gid(),
            metadata.mode() & 0o7777
        ),
        Err(unreadable) => unreadable.to_string(),
    };
    Err(Failure::Refused(Refusal {
        code: "agent::outbox_not_writable",
        at: outbox.display().to_string(),
        found,
        expected: format!("a folder in which {uid}:{gid} can make files"),
        mend: format!(
            "sudo chown -R {uid}:{gid} DIR (the folder of the host that is mounted there)"
        ),
    }))
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
    fn each_condition_has_its_own_code() {
        assert_eq!(code(is_pid_1(1)), None);
        assert_eq!(code(is_pid_1(2)), Some("agent::not_pid_1"));
        assert_eq!(code(user_is_allowed(1000, false)), None);
        assert_eq!(code(user_is_allowed(0, true)), None);
        assert_eq!(code(user_is_allowed(0, false)), Some("agent::root"));
        assert_eq!(code(control_is_mounted(Mount::ReadOnly)), None);
        assert_eq!(
            code(control_is_mounted(Mount::Writable)),
            Some("agent::control_not_mounted")
        );
        assert_eq!(
            code(control_is_mounted(Mount::Absent)),
            Some("agent::control_not_mounted")
        );
        assert_eq!(code(outbox_is_mounted(Mount::Writable)), None);
        assert_eq!(
            code(outbox_is_mounted(Mount::ReadOnly)),
            Some("agent::outbox_not_mounted")
        );
        assert_eq!(
            code(outbox_is_mounted(Mount::Absent)),
            Some("agent::outbox_not_mounted")
        );
    }

    #[test]
    fn an_outbox_is_tried_and_left_as_it_was_but_for_the_exits() {
        let folder = tempfile::tempdir().unwrap();
        let exits = folder.path().join("exits");
        assert_eq!(code(outbox_is_writable(folder.path(), &exits)), None);
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["exits"]);
        let missing = folder.path().join("missing");
        fs::write(&missing, "a file, not a folder").unwrap();
        assert_eq!(
            code(outbox_is_writable(&missing, &missing.join("exits"))),
            Some("agent::outbox_not_writable")
        );
    }
}
