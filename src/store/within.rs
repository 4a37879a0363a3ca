//! Folders of a campaign that may have come from somebody else: none of them is a link to somewhere else.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::{StoreError, sync_folder};

/// Makes `relative` below `base`, and gives its path. `base` may be a link, as the user laid it; what is below it may
/// not: what is written there must not land elsewhere.
///
/// # Errors
/// If one of the folders is a link or a file, cannot be made, or `relative` leads out of `base`.
pub fn make_within(base: &Utf8Path, relative: &Utf8Path) -> Result<Utf8PathBuf, StoreError> {
    std::fs::create_dir_all(base).map_err(StoreError::at("make", base))?;
    let mut path = base.to_owned();
    for part in relative.components() {
        let Utf8Component::Normal(part) = part else {
            return Err(StoreError::at("make", &base.join(relative))(
                std::io::Error::other("it leads out of its folder"),
            ));
        };
        path.push(part);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => is_folder(&path)?,
            made => {
                made.map_err(StoreError::at("make", &path))?;
                // Its entry, too: what is synced in a folder that nothing leads to is lost with the power.
                path.parent().map_or(Ok(()), sync_folder)?;
            }
        }
    }
    Ok(path)
}

/// Refuses what is no folder itself; one that is not there is fine.
///
/// # Errors
/// If it is a link or a file.
pub fn is_folder(path: &Utf8Path) -> Result<(), StoreError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => {
            let what = match found.is_symlink() {
                true => "it is a link, where lemctl makes a folder of its own; remove the link",
                false => "it is no folder",
            };
            Err(StoreError::at("use", path)(std::io::Error::other(what)))
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::at("use", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_through_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("base")).unwrap();
        let base = root.join("base");
        let made = make_within(&base, "run/a1".into()).unwrap();
        assert!(made.is_dir() && root.join("real/run/a1").is_dir());
        make_within(&base, "run/a1".into()).unwrap();
        std::os::unix::fs::symlink(root, root.join("real/out")).unwrap();
        for bad in ["out", "out/a1", "../x", "/x"] {
            assert!(make_within(&base, bad.into()).is_err(), "{bad}");
        }
        assert!(!root.join("a1").exists() && !root.join("x").exists());
    }
}
