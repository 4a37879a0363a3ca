//! What a worker leaves in its outbox, and how it lies about that: the same for every kind of record.

use lemctl::units::Digest;

use super::Act;
use crate::fake_engine::Process;

/// Writes `bytes` as `name` of the attempt, as `act` has it; size and SHA-256 as the worker tells them.
pub(super) fn leave(
    process: &Process,
    attempt: &str,
    name: &str,
    bytes: &[u8],
    act: Option<&Act>,
) -> (u64, String) {
    let folder = process.spec.overlay().outbox.join(attempt);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    match act {
        Some(Act::NoRecord) => {}
        Some(Act::Symlink) => {
            std::fs::write(folder.join("elsewhere"), bytes).unwrap();
            std::os::unix::fs::symlink(folder.join("elsewhere"), path).unwrap();
        }
        _ => std::fs::write(path, bytes).unwrap(),
    }
    let digest = match act {
        Some(Act::WrongHash) => Digest::ZERO,
        _ => Digest::of(bytes),
    };
    (bytes.len() as u64, digest.to_string())
}
