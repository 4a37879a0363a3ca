//! How the container looks from inside: what lemctl compares with what it asked for.

use std::fs;
use std::path::Path;

use lem_protocol::{LEASE, OUTBOX, ProbeReport};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getegid, geteuid, getgroups};

use crate::clock::monotonic_ns;
use crate::failure::Failure;
use crate::lease;

/// The subcommand.
pub fn run() -> Result<ProbeReport, Failure> {
    let status = read("/proc/self/status")?;
    let root = statvfs("/").map_err(|error| Failure::system("reading the mount of", "/", error))?;
    let groups = getgroups().map_err(|error| Failure::system("reading", "groups", error))?;
    Ok(ProbeReport {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
        groups: groups.iter().map(|group| group.as_raw()).collect(),
        monotonic_ns: monotonic_ns(),
        boot_id: read("/proc/sys/kernel/random/boot_id")?
            .trim_end()
            .to_owned(),
        lease_ns: lease::read(Path::new(LEASE)).ok(),
        outbox_writable: can_write(Path::new(OUTBOX)),
        root_writable: !root.flags().contains(FsFlags::ST_RDONLY),
        cap_eff: field(&status, "CapEff")?.to_owned(),
        no_new_privs: field(&status, "NoNewPrivs")? == "1",
    })
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::system("reading", path, error))
}

fn can_write(folder: &Path) -> bool {
    let probe = folder.join(format!(".lem-agent-probe-{}", std::process::id()));
    fs::write(&probe, "")
        .and_then(|()| fs::remove_file(&probe))
        .is_ok()
}

fn field<'text>(status: &'text str, name: &str) -> Result<&'text str, Failure> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .ok_or_else(|| Failure::system("looking for", "/proc/self/status", format!("no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "CapEffX:\t1\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t1\n";
        assert_eq!(field(status, "CapEff").unwrap(), "00000000a80425fb");
        assert!(field(status, "Cap").is_err());
    }
}
