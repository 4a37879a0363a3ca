//! Where a campaign's files lie, and how a file is put there so that a crash leaves either all of it
//! or nothing.
//!
//! Knows paths and bytes; not what they mean.

mod durable;
mod folders;
mod inputs;
mod models;
mod removal;
mod sensors;
mod within;

use durable::opened;
pub use durable::{
    StoreError, is_full, read_bounded, read_regular, remove_abandoned, remove_temporary,
    sync_folder, write_durable, write_new,
};
pub use folders::Folders;
pub use inputs::Inputs;
pub use models::{
    FoundModel, LocalError, MODEL_NOTE_FILE, ModelIdentity, ModelLock, ModelStore, Place,
    StoredModel, local_files, sums_anew, sums_of,
};
pub use removal::{MOST_REMOVED, remove_tree};
pub use sensors::{known_sensor, sensor_path, write_sensor};
pub use within::{is_folder, make_within};
