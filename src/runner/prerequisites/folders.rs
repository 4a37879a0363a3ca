//! Can results be written, and is there room for them?

use std::io::Write;

use camino::Utf8Path;

use super::CheckLine;
use crate::environment::Disk;

/// Below this much free space a campaign cannot run, in bytes.
const LEAST: u64 = 500 << 20;
/// Below this much free space a long campaign may run out, in bytes.
const COMFORTABLE: u64 = 5 << 30;
/// With room for fewer files than this a campaign cannot run.
const FILES: u64 = 1000;

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

/// Free space where lemctl writes and, where it can be seen, where the Engine keeps its data: a line for each disk.
pub(super) fn space(root: &Utf8Path, data_root: Option<&str>) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    let mut seen = Vec::new();
    for name in ["results", "manifests", ".lem", "models"] {
        let disk = Disk::of(&root.join(name));
        if let Ok(disk) = &disk {
            if seen.contains(&disk.device) {
                continue;
            }
            seen.push(disk.device);
        }
        let line = match lines.len() {
            0 => "disk space".to_owned(),
            _ => format!("disk space {name}"),
        };
        lines.push(space_line(&line, &format!("for {name}/"), disk));
    }
    // A remote or rootless Engine's data root may not be visible from here: then there is nothing to say.
    if let Some(disk) = data_root.and_then(|path| Disk::of(Utf8Path::new(path)).ok()) {
        lines.push(space_line(
            "engine disk space",
            "for the Engine's data",
            Ok(disk),
        ));
    }
    lines
}

fn space_line(name: &str, place: &str, disk: std::io::Result<Disk>) -> CheckLine {
    let disk = match disk {
        Ok(disk) => disk,
        Err(error) => return CheckLine::warn(name, format!("cannot be told: {error}"), "df -h ."),
    };
    let free = disk.free_bytes as f64 / f64::from(1 << 30);
    let mut detail = format!("{free:.1} GiB free {place}");
    if let Some(files) = disk.free_files.filter(|files| *files < FILES) {
        detail = format!("{detail}, and room for {files} files");
        let fix = format!("remove small files there: df -i {}", disk.folder);
        return CheckLine::fail(name, detail, fix);
    }
    match disk.free_bytes {
        0..LEAST => {
            let fix = format!(
                "make room there (df -h {}), or move the folder",
                disk.folder
            );
            CheckLine::fail(name, detail, fix)
        }
        LEAST..COMFORTABLE => CheckLine::warn(
            name,
            detail,
            "free some: journals and readings grow with the campaign; `up` asks for what it needs",
        ),
        _ => CheckLine::pass(name, detail),
    }
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
    fn space_has_two_limits_and_files_one() {
        let line = |free_bytes, free_files| {
            let disk = Disk {
                folder: "/x".into(),
                device: 1,
                free_bytes,
                free_files,
            };
            space_line("disk space", "for results/", Ok(disk))
        };
        let status = |free| line(free, None).status;
        assert_eq!(status(LEAST - 1), Status::Fail);
        assert_eq!(status(LEAST), Status::Warn);
        assert_eq!(status(COMFORTABLE - 1), Status::Warn);
        assert_eq!(status(COMFORTABLE), Status::Pass);
        assert!(line(1, None).fix.unwrap().contains("/x"));
        assert_eq!(line(COMFORTABLE, Some(FILES)).status, Status::Pass);
        let files = line(COMFORTABLE, Some(FILES - 1));
        assert!(files.status == Status::Fail && files.detail.contains("999 files"));
    }

    #[test]
    fn one_line_for_each_disk() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let lines = space(root, Some("/proc"));
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["disk space", "engine disk space"]);
    }
}
