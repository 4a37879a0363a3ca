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
    let all = Folders::all(root.path())?;
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
