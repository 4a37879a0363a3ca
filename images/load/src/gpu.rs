//! What can be asked of a GPU, real or simulated, and what goes wrong there.

use lem_protocol::Burst;

/// Something went wrong: the reply's code and sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One of the codes of `LoadReply::Failed`.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
}

impl Fault {
    /// A fault with that code and sentence.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What needs a context came before one.
    pub fn no_context() -> Self {
        Self::new("no_context", "there is no context: ask for one first")
    }
}

/// A GPU that can be loaded.
pub trait Gpu {
    /// Whether it is only a log.
    fn simulated(&self) -> bool;

    /// Creates the context and readies the load; gives the GPU's UUID. A second time it changes nothing.
    fn context(&mut self) -> Result<String, Fault>;

    /// Holds `bytes` of memory instead of what was held.
    fn hold(&mut self, bytes: u64) -> Result<(), Fault>;

    /// Keeps the GPU busy from now to `deadline_ns`, within some tens of µs.
    fn burst(&mut self, deadline_ns: u64) -> Result<Burst, Fault>;

    /// Frees everything.
    fn release(&mut self) -> Result<(), Fault>;
}
