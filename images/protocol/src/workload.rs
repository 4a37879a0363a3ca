//! Prompts, how they arrive and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The prompts of a workload, in the order in which they are sent. Requests beyond the last prompt
/// start again at the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadFile {
    /// Size of the vocabulary the ids were drawn for; every id is below it.
    pub vocab_size: u32,
    /// The prompts; at least one.
    pub prompts: Vec<Prompt>,
    /// Open loop: when each request is due, in ns from the window's start, ascending. The request at place
    /// `n` has the prompt at `n` modulo the number of prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrivals_ns: Vec<u64>,
    /// Text of the chat template (Jinja) that turns messages into a text; without it the model's own is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}

/// One request's input and the length of its output. The input is one of ids, text and messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Input token ids; empty where the input is a text or messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_ids: Vec<u32>,
    /// A text that the worker turns into ids with the model's tokenizer, before the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A conversation that the worker turns into ids with the chat template, before the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// Tokens to generate, exactly; at least one. End-of-sequence is ignored unless `natural`.
    pub output_tokens: u32,
    /// The output may end before `output_tokens`, at the model's end-of-sequence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub natural: bool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// How requests arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrival {
    /// Whole batches of the backend's `batch_size`: all requests of one are sent together, the next
    /// batch when the last of them has finished.
    Batch {},
    /// `concurrency` requests in flight: each that finishes is followed by the next prompt.
    ClosedLoop {
        /// Requests in flight; at least 1.
        concurrency: u32,
    },
    /// Each request is sent when it is due, whatever became of those before it: the workload file's
    /// `arrivals_ns` says when. The window ends when all have finished, or `drain_seconds` after the last
    /// was due; what is in flight then is unfinished.
    OpenLoop {
        /// Longest wait after the last arrival, in seconds.
        drain_seconds: u32,
    },
}

/// A window ends at the first boundary (a whole batch, or a finished request) at which both hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureFor {
    /// Seconds of work at least.
    pub min_seconds: f64,
    /// Finished requests at least.
    pub min_requests: u32,
}
