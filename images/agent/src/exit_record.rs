//! Writing an exit record so that a reader sees all of it or nothing.

use std::fs;
use std::io::Write;
use std::path::Path;

use lem_protocol::ExitRecord;

use crate::failure::Failure;

/// Writes `<folder>/<id>.json` through a temporary name; makes the folder when it is missing.
pub fn write(folder: &Path, record: &ExitRecord) -> Result<(), Failure> {
    let path = folder.join(format!("{}.json", record.id));
    let temporary = folder.join(format!(".{}.json.new", record.id));
    let bytes = serde_json::to_vec(record)
        .map_err(|error| Failure::system("writing", path.display(), error))?;
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::File::create(&temporary))
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|error| Failure::system("writing", path.display(), error))
}
