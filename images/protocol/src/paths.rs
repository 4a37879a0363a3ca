//! Where things are inside every container of lemctl, whatever the backend.

/// The agent's binary: PID 1, exec wrapper, sweep and probe.
pub const AGENT: &str = "/lem/agent";
/// The worker's executable, started by the agent.
pub const WORKER: &str = "/lem/worker";
/// Read-only mount that lemctl writes: lease, passwd, group, workloads.
pub const CONTROL: &str = "/run/lem";
/// The lease: one line, the CLOCK_MONOTONIC deadline in decimal nanoseconds.
pub const LEASE: &str = "/run/lem/lease";
/// Folder of [`WorkloadFile`](crate::WorkloadFile)s, each named `<sha256 of its bytes>.json`.
pub const WORKLOADS: &str = "/run/lem/workloads";
/// The only writable bind of a container.
pub const OUTBOX: &str = "/outbox";
/// Folder of the agent's exit records, each named `<worker id>.json`.
pub const EXITS: &str = "/outbox/exits";
/// Where the model's files are mounted, read-only: `config.json`, and weights and tokenizer where it has them.
pub const MODEL: &str = "/model";
/// Name of the record inside `/outbox/<attempt>/`.
pub const RECORD_FILE: &str = "record.json";
/// Name of the quality record beside it.
pub const QUALITY_FILE: &str = "quality.json";
/// The program of the `fetch` service that fills the model store.
pub const FETCH: &str = "/lem/fetch";
/// Where the `fetch` service has the model store, read-write.
pub const MODELS: &str = "/models";
/// Where `lem-fetch` looks for a hub's token when none follows its request: a file, for who runs it by hand.
pub const TOKEN: &str = "/run/lem/token";
