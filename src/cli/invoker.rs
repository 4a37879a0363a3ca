//! Who invokes lemctl, and with what environment: the edge where the process looks at itself.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::runner::project::Project;

/// The project at `root`, for the invoking user.
#[must_use]
pub(super) fn project(root: &Utf8Path) -> Project {
    Project {
        root: root.to_owned(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        environment: environment(),
    }
}

/// The invoking user's supplementary groups.
#[must_use]
pub(super) fn groups() -> Vec<u32> {
    let groups = rustix::process::getgroups().unwrap_or_default();
    groups
        .into_iter()
        .map(rustix::process::Gid::as_raw)
        .collect()
}

/// The environment, less what is not UTF-8: no Compose file can name that.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
