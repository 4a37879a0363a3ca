//! How often the kernel killed a process of this container for lack of memory: the cgroup's own counter, of version 1
//! and 2. Exit code 137 alone does not tell that from any other kill.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the cgroups are mounted in a container.
const MOUNT: &str = "/sys/fs/cgroup";

/// Kills so far; `None` where the counter cannot be read.
pub fn count() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    files(Path::new(MOUNT), &membership)
        .iter()
        .find_map(|path| parse(&fs::read_to_string(path).ok()?))
}

/// Where the counter may be, the best place first. A container sees its own cgroup as the mount's root, or, with the
/// host's namespace, below the path that the kernel names.
fn files(mount: &Path, membership: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => (mount.to_owned(), "memory.events"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (mount.join("memory"), "memory.oom_control")
            }
            _ => continue,
        };
        let below = path.trim_start_matches('/');
        // Another process chose the name; it must not lead out of the mount.
        if !below.is_empty() && below.split('/').all(|part| part != "..") {
            found.push(root.join(below).join(file));
        }
        found.push(root.join(file));
    }
    found
}

/// `oom_kill N` among the lines.
fn parse(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_and_nothing_outside_of_the_mount() {
        let mount = Path::new("/m");
        let v1 = "9:memory:/docker/abc\n8:pids:/docker/abc\n0::/\n";
        let want = [
            "/m/memory/docker/abc/memory.oom_control",
            "/m/memory/memory.oom_control",
            "/m/memory.events",
        ];
        assert_eq!(files(mount, v1), want.map(PathBuf::from));
        assert_eq!(files(mount, "0::/\n"), [PathBuf::from("/m/memory.events")]);
        assert_eq!(
            files(mount, "0::/../../etc\nnonsense\n"),
            [PathBuf::from("/m/memory.events")]
        );
    }

    #[test]
    fn the_counter_is_read_in_both_forms() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let v2 = "low 0\nhigh 0\nmax 17\noom 2\noom_kill 2\noom_group_kill 0\n";
        assert_eq!((parse(v1), parse(v2)), (Some(3), Some(2)));
        assert_eq!(parse("under_oom 0\noom_kill x\n"), None);
    }
}
