//! The build context: files and folders that a Dockerfile copies, read from where they lie, and one digest over
//! all of it.

use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::ImagesError;
use crate::containers::BuildFile;
use crate::store::{StoreError, read_bounded};
use crate::units::Digest;

/// Largest file that goes into an image, in bytes.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Most files of one folder: a package of ours has some dozens.
const MAX_FILES: usize = 2_000;

/// Where what an image's Dockerfile copies may lie, first one first.
pub(super) fn places(root: &Utf8Path, name: &str) -> Vec<Utf8PathBuf> {
    let images = root.join("images");
    vec![
        images.join("dist"),
        images.join(name),
        images.join("worker"),
        images.join("worker/src"),
    ]
}

/// What a COPY names: a file, or all files of a folder.
pub(super) fn read(
    places: &[Utf8PathBuf],
    name: &str,
    path: &str,
) -> Result<Vec<BuildFile>, ImagesError> {
    let mut candidates = places.iter().map(|place| place.join(path));
    let Some(found) = candidates.find(|candidate| candidate.exists()) else {
        return Err(ImagesError::MissingFile {
            image: name.to_owned(),
            file: path.to_owned(),
        });
    };
    if found.is_file() {
        return Ok(vec![file(&found, path.to_owned())?]);
    }
    let mut files = Vec::new();
    folder(&found, path, &mut files)?;
    if files.is_empty() || files.len() > MAX_FILES {
        return Err(ImagesError::Dockerfile {
            image: name.to_owned(),
            problem: format!("the folder {path} holds {} files", files.len()),
        });
    }
    Ok(files)
}

fn file(path: &Utf8Path, name: String) -> Result<BuildFile, ImagesError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES)?;
    let metadata = std::fs::metadata(path).map_err(StoreError::at("read", path))?;
    Ok(BuildFile {
        path: name,
        bytes,
        executable: metadata.permissions().mode() & 0o100 != 0,
    })
}

/// Regular files below a folder, in order. What tools leave behind (bytecode, caches) is no source.
fn folder(path: &Utf8Path, name: &str, files: &mut Vec<BuildFile>) -> Result<(), ImagesError> {
    let mut entries = path
        .read_dir_utf8()
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(StoreError::at("read", path))?;
    entries.sort_by(|a, b| a.file_name().cmp(b.file_name()));
    for entry in entries {
        let leaf = entry.file_name();
        if leaf.starts_with('.') || leaf == "__pycache__" || files.len() > MAX_FILES {
            continue;
        }
        let kind = entry
            .file_type()
            .map_err(StoreError::at("read", entry.path()))?;
        let name = format!("{name}/{leaf}");
        if kind.is_dir() {
            folder(entry.path(), &name, files)?;
        } else if kind.is_file() {
            files.push(file(entry.path(), name)?);
        } else {
            let source = std::io::Error::other("it is neither a file nor a folder");
            return Err(StoreError::at("copy", entry.path())(source).into());
        }
    }
    Ok(())
}

/// One digest over the Dockerfile and every file, names and modes included.
pub(super) fn digest(dockerfile: &str, files: &[BuildFile]) -> Digest {
    let mut lines = format!("Dockerfile {}\n", Digest::of(dockerfile.as_bytes()));
    for BuildFile {
        path,
        bytes,
        executable,
    } in files
    {
        lines.push_str(&format!("{path} {executable} {}\n", Digest::of(bytes)));
    }
    Digest::of(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_every_change() {
        let file = |path: &str, bytes: &[u8], executable| BuildFile {
            path: path.into(),
            bytes: bytes.into(),
            executable,
        };
        let base = digest("FROM scratch", &[file("a", b"1", true)]);
        assert_eq!(base, digest("FROM scratch", &[file("a", b"1", true)]));
        for other in [
            file("b", b"1", true),
            file("a", b"2", true),
            file("a", b"1", false),
        ] {
            assert_ne!(base, digest("FROM scratch", &[other]));
        }
        assert_ne!(base, digest("FROM x", &[file("a", b"1", true)]));
    }

    #[test]
    fn folders_are_read_in_order_without_what_tools_leave_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        let places = places(root, "x");
        let package = root.join("images/worker/src/p");
        for folder in ["__pycache__", ".cache", "sub"] {
            std::fs::create_dir_all(package.join(folder)).unwrap();
            std::fs::write(package.join(folder).join("f.py"), folder).unwrap();
        }
        std::fs::write(package.join("b.py"), "b").unwrap();
        std::fs::write(package.join("a.py"), "a").unwrap();
        let paths = |files: Vec<BuildFile>| files.into_iter().map(|f| f.path).collect::<Vec<_>>();
        let found = paths(read(&places, "x", "p").unwrap());
        assert_eq!(found, ["p/a.py", "p/b.py", "p/sub/f.py"]);
        assert_eq!(paths(read(&places, "x", "p/a.py").unwrap()), ["p/a.py"]);
        assert!(matches!(
            read(&places, "x", "q"),
            Err(ImagesError::MissingFile { .. })
        ));
        // The image's own file stands before the shared one.
        std::fs::create_dir_all(root.join("images/x/p")).unwrap();
        std::fs::write(root.join("images/x/p/own.py"), "o").unwrap();
        assert_eq!(paths(read(&places, "x", "p").unwrap()), ["p/own.py"]);
        std::os::unix::fs::symlink("/etc/passwd", root.join("images/x/p/link.py")).unwrap();
        assert!(read(&places, "x", "p").is_err(), "a link leads anywhere");
    }
}
