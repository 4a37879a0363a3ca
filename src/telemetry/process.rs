//! A process that holds a GPU.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a process uses the GPU.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    /// A CUDA context.
    Compute,
    /// A graphics context.
    Graphics,
    /// A CUDA context behind the multi-process service.
    Mps,
}

/// One process on one GPU.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuProcess {
    /// Its pid in the host's namespace.
    pub pid: u32,
    /// How it uses the GPU.
    pub kind: ProcessKind,
    /// Bytes of GPU memory that it holds; null when the driver does not say.
    pub used_bytes: Option<u64>,
}
