//! What can go wrong with a worker.

/// Errors of a conversation with a worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// It answered with an error of its own; it lives on.
    #[error("{code}: {message}")]
    Refused {
        /// The worker's code.
        code: String,
        /// Its message.
        message: String,
        /// Its hint.
        hint: Option<String>,
    },
    /// It did not answer in time.
    #[error("the worker did not answer `{request}` within {seconds} s")]
    TimedOut {
        /// What was asked.
        request: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// Its streams ended.
    #[error("the worker ended while `{request}` was open{log}")]
    Gone {
        /// What was asked.
        request: &'static str,
        /// Last lines of its log, with a lead-in; empty if it said nothing.
        log: String,
    },
    /// It broke the protocol.
    #[error("the worker broke the protocol: {what}")]
    Protocol {
        /// How.
        what: String,
    },
    /// The Engine's connection broke.
    #[error("the connection to the worker broke: {what}")]
    Connection {
        /// What the Engine said.
        what: String,
    },
}
