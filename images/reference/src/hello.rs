//! Who this worker is.

use lem_protocol::{Hello, PROTOCOL_VERSION};

use crate::clock::monotonic_ns;
use crate::simulated;

/// Name of the backend.
pub const BACKEND: &str = "reference";
/// Version of the engine: of this crate, which is the engine.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Kind of device.
pub const DEVICE: &str = "cpu";

/// Versions of candle's crates in the lock file; a test compares them.
const CANDLE: &str = "0.11.1";

/// The answer to `hello`.
pub fn hello() -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        backend: BACKEND.to_owned(),
        backend_version: VERSION.to_owned(),
        packages: ["candle-core", "candle-nn"]
            .map(|name| (name.to_owned(), CANDLE.to_owned()))
            .into(),
        gpus: simulated::gpus(),
        device: DEVICE.to_owned(),
        monotonic_ns: monotonic_ns(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        for (name, version) in hello().packages {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(
                lock.contains(&entry),
                "{entry} is not in Cargo.lock: change hello.rs"
            );
        }
    }

    #[test]
    fn the_image_is_labelled_with_this_version() {
        let dockerfile = include_str!("../Dockerfile");
        let label = format!("org.opencontainers.image.version=\"{VERSION}\"");
        assert!(dockerfile.contains(&label), "{label}");
    }
}
