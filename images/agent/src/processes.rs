//! The processes of this PID namespace, as `/proc` lists them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::Pid;

/// What `/proc/<pid>/stat` says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Session id.
    pub session: i32,
    /// Ended, and waiting for its parent to notice: nothing that could be killed.
    pub zombie: bool,
}

/// Every process that could be read; one that ends meanwhile is left out.
pub fn list() -> std::io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|text| text.parse().ok()) else {
            continue;
        };
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        found.extend(parse_stat(pid, &String::from_utf8_lossy(&stat)));
    }
    Ok(found)
}

/// `pid (name) state parent group session …`; the name may hold anything, brackets and spaces too.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let session = fields.nth(2)?.parse().ok()?;
    Some(Process {
        pid,
        session,
        zombie: matches!(state, "Z" | "X" | "x"),
    })
}

/// Whether PID 1 runs this very program. If not, this is no container of lemctl, and killing
/// everything would hit the user's processes.
pub fn pid_1_is_agent() -> bool {
    let identity = |path: &str| {
        let metadata = fs::metadata(Path::new(path)).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    Pid::this() == Pid::from_raw(1)
        || identity("/proc/1/exe").is_some_and(|agent| Some(agent) == identity("/proc/self/exe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_process_name_does_not_shift_the_fields() {
        let stat = "7 (a) R 1 9 9 (b)) Z 1 40 41 0 -1";
        assert_eq!(
            parse_stat(7, stat),
            Some(Process {
                pid: 7,
                session: 41,
                zombie: true
            })
        );
        assert_eq!(parse_stat(7, ""), None);
        assert_eq!(parse_stat(7, "7 (a) S 1"), None);
    }

    #[test]
    fn the_list_holds_this_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(
            list()
                .unwrap()
                .iter()
                .any(|process| process.pid == own && !process.zombie)
        );
    }

    #[test]
    fn outside_a_container_pid_1_is_not_the_agent() {
        assert!(!pid_1_is_agent());
    }
}
