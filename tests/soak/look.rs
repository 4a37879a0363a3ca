//! One look from outside at a running lemctl and at its container: what may not grow.

use std::collections::BTreeMap;
use std::process::Command;

/// What was seen at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Runs that had ended.
    pub runs: u64,
    /// CPU time of lemctl so far, in ticks of 10 ms.
    pub ticks: u64,
    /// lemctl's resident memory.
    pub resident_kib: u64,
    pub descriptors: u64,
    pub threads: u64,
    /// Shims of the campaign's containers.
    pub shims: u64,
    /// Processes under those shims, PID 1 of the containers among them.
    pub processes: u64,
    /// Those of them that ended and were not waited for.
    pub zombies: u64,
}

/// A process as `/proc` lists it.
struct Process {
    parent: u32,
    zombie: bool,
}

/// Looks at the lemctl `pid` and at the containers whose ids are given; none if lemctl has ended meanwhile.
pub fn look(pid: u32, containers: &[String], runs: u64) -> Option<Look> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    let all = processes();
    let shims: Vec<u32> = all
        .keys()
        .copied()
        .filter(|pid| is_shim_of(*pid, containers))
        .collect();
    let below = below(&all, &shims);
    let zombies = below.iter().filter(|pid| all[*pid].zombie).count() as u64;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let times: Vec<u64> = stat
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    Some(Look {
        runs,
        ticks: times.iter().sum(),
        resident_kib: field("VmRSS:")?,
        descriptors,
        threads: field("Threads:")?,
        shims: shims.len() as u64,
        processes: below.len() as u64,
        zombies,
    })
}

/// The shim itself is named after its container; what it starts lives in the container's cgroup.
fn is_shim_of(pid: u32, containers: &[String]) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    let mut words = line.split('\0');
    words
        .next()
        .is_some_and(|name| name.contains("containerd-shim"))
        && words.any(|word| containers.iter().any(|id| id == word))
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything; what follows its closing bracket is plain.
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        let zombie = rest.next()? == "Z";
        let parent = rest.next()?.parse().ok()?;
        Some((pid, Process { parent, zombie }))
    })
    .collect()
}

fn below(all: &BTreeMap<u32, Process>, roots: &[u32]) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    let mut open = roots.to_vec();
    while let Some(parent) = open.pop() {
        let children = all.iter().filter(|(_, process)| process.parent == parent);
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(&children);
        open.extend(children);
    }
    found
}

/// Ids of the containers that carry a campaign's label.
pub fn containers_of(campaign: &str) -> Vec<String> {
    let label = format!("label=org.lemctl.campaign={campaign}");
    let arguments = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &label];
    let output = Command::new("docker").args(arguments).output().unwrap();
    let ids = String::from_utf8(output.stdout).unwrap();
    ids.lines().map(str::to_owned).collect()
}
