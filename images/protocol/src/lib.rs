//! The worker protocol: what lemctl and a worker say to each other, and what a worker leaves behind.
//!
//! JSON lines over the standard streams of one open exec: [`RequestLine`] on stdin, [`EventLine`] on
//! stdout; stderr is the log. The bulk of a measurement (one mark per token) never crosses stdout: it
//! is in the [`Record`] that the worker writes into its outbox. Prompts never cross stdin: they are a
//! [`WorkloadFile`] in a read-only mount, named by its digest.
//!
//! This crate knows types and limits only: no I/O, no clock, no engine. The JSON Schemas under
//! `schemas/` are generated from it, so a worker in another language can check itself.

mod event;
mod fetch;
mod known_load;
mod paths;
mod process;
mod quality;
mod record;
mod request;
mod workload;

pub use event::{Event, EventLine, Hello, Loaded, Outcome};
pub use fetch::{
    FetchReply, FetchRequest, MAX_FETCH_REQUEST_BYTES, MAX_MODEL_FILES, ModelFile, RANDOM_WEIGHTS,
};
pub use known_load::{Burst, LoadReply, LoadRequest, MAX_BURSTS, MAX_LOAD_SECONDS};
pub use paths::*;
pub use process::{
    AGENT_FAILED, AGENT_LEASE_PASSED, AGENT_REFUSED, AGENT_STOPPED, AGENT_USAGE, ExitRecord,
    MAX_EXIT_RECORD_BYTES, MAX_NAME_BYTES, ProbeReport, SweepReport, WORKER_NOT_STARTED, is_name,
};
pub use quality::{QualityOutput, QualityRecord};
pub use record::{
    Mark, MarkName, Profile, Record, RequestRecord, TimingKind, UnfinishedRequest, Weights,
};
pub use request::{Assess, Load, Measure, Model, Request, RequestLine, Work};
pub use workload::{Arrival, ChatMessage, MeasureFor, Prompt, WorkloadFile};

/// Version of the protocol. A worker whose `hello` names another one is refused.
pub const PROTOCOL_VERSION: u32 = 2;

/// Version of the record's layout, written into every [`Record`].
pub const RECORD_SCHEMA_VERSION: u32 = 2;

/// Version of the quality record's layout.
pub const QUALITY_SCHEMA_VERSION: u32 = 1;

/// Longest line, in bytes with its newline, that either side may send. A longer one is an error.
pub const MAX_LINE_BYTES: usize = 256 * 1024;

/// Largest record file, in bytes, that lemctl copies out of an outbox.
pub const MAX_RECORD_BYTES: u64 = 64 * 1024 * 1024;

/// Largest quality record, in bytes, that lemctl copies out of an outbox.
pub const MAX_QUALITY_BYTES: u64 = 16 * 1024 * 1024;

/// Largest workload file, in bytes, that a worker reads.
pub const MAX_WORKLOAD_BYTES: u64 = 256 * 1024 * 1024;

/// A set of parameters by catalogue name. Ordered, so that equal sets print equally.
pub type Parameters = std::collections::BTreeMap<String, serde_json::Value>;
