//! The host as it is found: what a number measured here depends on beside its config.
//!
//! Reads /proc, /sys and /etc, once a session; and asks disks for their room. What names a person or a machine (host name, user,
//! home) is never read; the machine id leaves only as a salted hash.

mod disk;
mod gpu_lock;
mod gpu_nodes;
mod host;

pub use disk::Disk;
pub use gpu_lock::{GpuLockError, GpuLocks, Holder, LockFolder};
pub use gpu_nodes::gpu_nodes;
pub use host::Host;
