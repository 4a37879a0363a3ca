//! Reading every byte of a model that was there: one of the store that is not what its description says is thrown out, so
//! that it is had anew; a folder of the user's is summed whatever is remembered of it.

use super::Models;
use super::ensure::{Ensured, Wanted, Watch, disk, locked};
use super::hashing::hashed;
use crate::execution::Cause;
use crate::store::{StoreError, local_files, sums_anew};

/// Reads the model that `ensured` names; gives its damaged files. A damaged model of the store is removed, while its lock
/// is held; a folder of the user's is left as it is, and what its files hold now is remembered.
///
/// # Errors
/// `interrupted` if a stop was asked for; or what the disk says.
pub async fn verify(
    models: &Models,
    wanted: &Wanted,
    ensured: &Ensured,
    watch: &mut Watch<'_>,
) -> Result<Vec<String>, Cause> {
    let bytes = ensured.bytes;
    if let Wanted::Local { path, .. } = wanted {
        let (folder, memory) = (path.clone(), models.memory());
        let summed = hashed(bytes, watch, move |piece| {
            let names = local_files(&folder).map_err(|error| {
                StoreError::at("read", &folder)(std::io::Error::other(error.to_string()))
            })?;
            sums_anew(&folder, &names, &memory, piece)
        });
        return summed.await?.map_err(disk);
    }
    let Some(place) = models.store.place_of(&ensured.folder) else {
        return Ok(Vec::new());
    };
    // Who has it may be another lemctl that found it damaged as well.
    let _lock = locked(models, &place, watch.stop).await?;
    let Some(found) = models.store.at(&ensured.folder) else {
        return Ok(Vec::new());
    };
    let read = found.clone();
    let damaged = hashed(bytes, watch, move |piece| read.damage(piece)).await?;
    if !damaged.is_empty() {
        models.store.remove(&found).map_err(disk)?;
    }
    Ok(damaged)
}
