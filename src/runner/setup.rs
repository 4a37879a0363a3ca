//! `lemctl init`: `.env` and the folders. Never overwrites, and says what it did.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;

use crate::diagnostics::{Exit, Fault};
use crate::store::{StoreError, write_new};

/// Folders that a project has.
const FOLDERS: [&str; 4] = ["campaigns", "catalogues", "results", "manifests"];

/// One thing that was done, or was there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Done {
    /// The path, relative to the root.
    pub path: Utf8PathBuf,
    /// Made now; else it was there already and was left alone.
    pub made: bool,
    /// What it holds, or why it was left alone.
    pub detail: String,
}

/// Why nothing was set up.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SetupError {
    /// Root, without having said so.
    #[error("root runs `lemctl init`, so containers would run as root")]
    #[diagnostic(
        code(init::root),
        help("run it as the user who measures, or mean it: lemctl init --allow-root")
    )]
    Root,
    /// The file system said no.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl Fault for SetupError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}

/// Who measures: the user behind `sudo` where there is one, else the invoking one.
#[must_use]
pub fn measuring_user(uid: u32, gid: u32, environment: &BTreeMap<String, String>) -> (u32, u32) {
    let id = |key: &str| {
        environment
            .get(key)
            .and_then(|text| text.parse::<u32>().ok())
    };
    match (uid, id("SUDO_UID"), id("SUDO_GID")) {
        (0, Some(uid), Some(gid)) if uid != 0 => (uid, gid),
        _ => (uid, gid),
    }
}

/// Makes what is missing.
///
/// # Errors
/// [`SetupError::Root`] for uid 0 unless `allow_root`; nothing was made then. Or what the file system said.
pub fn set_up(
    root: &Utf8Path,
    (uid, gid): (u32, u32),
    allow_root: bool,
) -> Result<Vec<Done>, SetupError> {
    if uid == 0 && !allow_root {
        return Err(SetupError::Root);
    }
    let mut done = vec![env_file(root, uid, gid)?];
    for name in FOLDERS {
        let path = root.join(name);
        let made = !path.exists();
        std::fs::create_dir_all(&path).map_err(StoreError::at("make", &path))?;
        if made {
            own(&path, uid, gid)?;
        }
        let detail = if made { "made" } else { "was there" };
        done.push(Done {
            path: format!("{name}/").into(),
            made,
            detail: detail.to_owned(),
        });
    }
    Ok(done)
}

fn env_file(root: &Utf8Path, uid: u32, gid: u32) -> Result<Done, StoreError> {
    let path = root.join(".env");
    let mut text = format!(
        "# Who measures: containers run as this user, so that what they write is yours. Written by `lemctl init`;\n\
         # Compose reads it too. lemctl never changes it.\nPUID={uid}\nPGID={gid}\n"
    );
    if uid == 0 {
        text.push_str("# Containers may run as root: `lemctl init --allow-root` was given.\nLEM_ALLOW_ROOT=1\n");
    }
    // Two at once, or a file that appeared just now, are not overwritten either.
    let made = write_new(&path, text.as_bytes())?;
    if made {
        own(&path, uid, gid)?;
    }
    let detail = match (made, uid) {
        (true, 0) => "PUID=0 PGID=0 LEM_ALLOW_ROOT=1".to_owned(),
        (true, _) => format!("PUID={uid} PGID={gid}"),
        (false, _) => {
            "was there and was not changed; `lemctl check` says whether it fits".to_owned()
        }
    };
    Ok(Done {
        path: ".env".into(),
        made,
        detail,
    })
}

/// Under sudo, what was made belongs to the user behind it.
fn own(path: &Utf8Path, uid: u32, gid: u32) -> Result<(), StoreError> {
    if rustix::process::geteuid().as_raw() == uid {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(StoreError::at("hand over", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(done: &[Done]) -> Vec<&str> {
        done.iter()
            .filter(|done| done.made)
            .map(|done| done.path.as_str())
            .collect()
    }

    #[test]
    fn it_makes_what_is_missing_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        std::fs::create_dir(root.join("results")).unwrap();
        let done = set_up(root, (uid, gid), true).unwrap();
        assert_eq!(
            made(&done),
            [".env", "campaigns/", "catalogues/", "manifests/"]
        );
        let env = std::fs::read_to_string(root.join(".env")).unwrap();
        let variables = crate::compose::parse_env(".env", &env).unwrap();
        assert_eq!(
            (&variables["PUID"], &variables["PGID"]),
            (&uid.to_string(), &gid.to_string())
        );
        assert_eq!(
            variables.contains_key("LEM_ALLOW_ROOT"),
            uid == 0,
            "allowed only where it is needed"
        );

        std::fs::write(root.join(".env"), "PUID=5\n").unwrap();
        assert_eq!(
            made(&set_up(root, (uid, gid), true).unwrap()),
            Vec::<&str>::new()
        );
        assert_eq!(
            std::fs::read_to_string(root.join(".env")).unwrap(),
            "PUID=5\n"
        );
    }

    #[test]
    fn root_must_mean_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        assert!(matches!(set_up(root, (0, 0), false), Err(SetupError::Root)));
        assert_eq!(std::fs::read_dir(root).unwrap().count(), 0);
    }

    #[test]
    fn under_sudo_the_user_behind_it_measures() {
        let sudo = |pairs: &[(&str, &str)]| {
            measuring_user(
                0,
                0,
                &pairs
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
            )
        };
        assert_eq!(
            sudo(&[("SUDO_UID", "1000"), ("SUDO_GID", "1001")]),
            (1000, 1001)
        );
        assert_eq!(sudo(&[]), (0, 0));
        assert_eq!(sudo(&[("SUDO_UID", "0"), ("SUDO_GID", "0")]), (0, 0));
        assert_eq!(sudo(&[("SUDO_UID", "x"), ("SUDO_GID", "1")]), (0, 0));
        let stale = BTreeMap::from([
            ("SUDO_UID".to_owned(), "5".to_owned()),
            ("SUDO_GID".to_owned(), "5".to_owned()),
        ]);
        assert_eq!(
            measuring_user(7, 8, &stale),
            (7, 8),
            "only root is somebody else"
        );
    }
}
