//! Which campaign a command means: a name (its latest), an id, or `name/id`.

use super::error::near;
use super::{CliError, Root};
use crate::diagnostics::Failure;
use crate::store::Folders;

/// Finds a campaign; without a wish, the latest of all.
///
/// # Errors
/// [`CliError::NoCampaign`] with a near name.
pub(super) fn find(root: &Root, wanted: Option<&str>) -> Result<Folders, Failure> {
    among(Folders::all(root.path())?, wanted)
}

/// The same where a manifest is enough: a campaign whose results did not come along, as in a clone, is found too.
///
/// # Errors
/// As [`find`].
pub(super) fn find_sealed(root: &Root, wanted: Option<&str>) -> Result<Folders, Failure> {
    let mut all = Folders::sealed(root.path())?;
    let here = Folders::all(root.path())?;
    all.retain(|folders| !here.contains(folders));
    all.extend(here);
    // Ids begin with their time: the latest comes last.
    all.sort_by(|a, b| a.id.cmp(&b.id));
    among(all, wanted)
}

fn among(all: Vec<Folders>, wanted: Option<&str>) -> Result<Folders, Failure> {
    let fits = |folders: &&Folders| match wanted {
        None => true,
        Some(wanted) => {
            let wanted = wanted.trim_end_matches('/');
            folders.campaign == wanted
                || folders.id == wanted
                || format!("{}/{}", folders.campaign, folders.id) == wanted
                || folders.manifests().as_str().ends_with(wanted) && wanted.contains('/')
        }
    };
    if let Some(found) = all.iter().rev().find(fits) {
        return Ok(found.clone());
    }
    let names = all
        .iter()
        .flat_map(|folders| [folders.campaign.as_str(), folders.id.as_str()]);
    let near = wanted.map(|wanted| near(wanted, names)).unwrap_or_default();
    let wanted = wanted.map_or_else(|| "yet".to_owned(), str::to_owned);
    Err(CliError::NoCampaign { wanted, near }.into())
}
