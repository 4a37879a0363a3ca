//! Can results be written, and is there room for them?

use std::io::Write;

use camino::Utf8Path;

use super::CheckLine;

/// Below this much free space a campaign cannot run, in bytes.
const LEAST: u64 = 500 << 20;
/// Below this much free space a long campaign may run out, in bytes.
const COMFORTABLE: u64 = 5 << 30;

/// `results/` and `manifests/`: a real file is made in each, since mode bits do not tell of full disks,
/// read-only mounts or access lists. A folder that is not there yet will be made, so its parent counts.
pub(super) fn writable(root: &Utf8Path) -> Vec<CheckLine> {
    let line = |name: &str| {
        let folder = root.join(name);
        let exists = folder.exists();
        match try_file(if exists { &folder } else { root }) {
            Ok(()) if exists => CheckLine::pass(name, format!("{name}/ can be written")),
            Ok(()) => CheckLine::pass(name, format!("{name}/ is not there yet and can be made")),
            Err(error) => {
                let place = if exists { name } else { "." };
                let fix = format!("sudo chown -R $(id -u):$(id -g) {place}");
                CheckLine::fail(
                    name,
                    format!("no file can be made in {name}/: {error}"),
                    fix,
                )
            }
        }
    };
    ["results", "manifests"].map(line).into()
}

fn try_file(folder: &Utf8Path) -> std::io::Result<()> {
    let path = folder.join(format!(".lemctl-check-{}", std::process::id()));
    let tried = std::fs::File::create_new(&path).and_then(|mut file| {
        file.write_all(b"lemctl check\n")
            .and_then(|()| file.sync_all())
    });
    let removed = std::fs::remove_file(&path);
    tried.and(removed)
}

/// Free space where results go and, where it can be seen, where the Engine keeps its data.
pub(super) fn space(root: &Utf8Path, data_root: Option<&str>) -> Vec<CheckLine> {
    let mut lines = vec![space_line("disk space", "here", free(root.as_str()))];
    // A remote or rootless Engine's data root may not be visible from here: then there is nothing to say.
    if let Some(free) = data_root.and_then(|path| free(path).ok()) {
        lines.push(space_line(
            "engine disk space",
            "for the Engine's data",
            Ok(free),
        ));
    }
    lines
}

fn space_line(name: &str, place: &str, free: std::io::Result<u64>) -> CheckLine {
    let free = match free {
        Ok(free) => free,
        Err(error) => return CheckLine::warn(name, format!("cannot be told: {error}"), "df -h ."),
    };
    let detail = format!("{:.1} GiB free {place}", free as f64 / f64::from(1 << 30));
    match free {
        0..LEAST => CheckLine::fail(name, detail, "free some, or move the project"),
        LEAST..COMFORTABLE => CheckLine::warn(
            name,
            detail,
            "free some: journals and readings grow with the campaign",
        ),
        _ => CheckLine::pass(name, detail),
    }
}

fn free(path: &str) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_real_file_is_tried_and_nothing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        std::fs::create_dir(root.join("results")).unwrap();
        let lines = writable(root);
        assert!(
            lines.iter().all(|line| line.status == Status::Pass),
            "{lines:?}"
        );
        assert!(lines[1].detail.contains("not there yet"), "{lines:?}");
        assert_eq!(std::fs::read_dir(root).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(root.join("results")).unwrap().count(), 0);

        // A file in the folder's place fails for every user, root too.
        std::fs::write(root.join("manifests"), "").unwrap();
        let lines = writable(root);
        assert_eq!(lines[1].status, Status::Fail);
        assert!(
            lines[1].fix.as_deref().unwrap().contains("chown"),
            "{lines:?}"
        );
    }

    #[test]
    fn space_has_two_limits() {
        let status = |free| space_line("disk space", "here", Ok(free)).status;
        assert_eq!(status(LEAST - 1), Status::Fail);
        assert_eq!(status(LEAST), Status::Warn);
        assert_eq!(status(COMFORTABLE - 1), Status::Warn);
        assert_eq!(status(COMFORTABLE), Status::Pass);
        assert!(free("/").unwrap() > 0);
        assert!(free("/nowhere").is_err());
    }
}
