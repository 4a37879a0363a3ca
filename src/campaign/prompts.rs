//! Prompts from a file of JSON lines, each with its time where the file is a trace.

use lem_protocol::ChatMessage;
use serde::Deserialize;

/// Where the files that a campaign names come from: the command line reads them.
pub trait PromptSource {
    /// The text of a file that a campaign names, relative to the campaign's own file.
    ///
    /// # Errors
    /// Why it cannot be had, in one sentence.
    fn read(&self, path: &str) -> Result<String, String>;

    /// Where a folder that a campaign names lies on the host.
    ///
    /// # Errors
    /// Why that cannot be told, in one sentence.
    fn folder(&self, path: &str) -> Result<String, String> {
        Ok(path.to_owned())
    }
}

/// Largest prompt file, in bytes.
pub const MAX_PROMPT_FILE_BYTES: usize = 64 * 1024 * 1024;
/// Longest trace, in seconds.
pub(super) const MAX_TRACE_SECONDS: f64 = 86_400.0;
/// Most requests of a trace.
pub(super) const MAX_TRACE_REQUESTS: usize = 100_000;
/// Most problems of a prompt file that are told.
const MAX_PROBLEMS: usize = 20;
/// Most messages of one conversation.
const MAX_MESSAGES: usize = 1000;

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Prompts.
    Prompts,
    /// Requests with their times.
    Trace,
}

/// One line of a prompt file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PromptLine {
    /// Its input.
    pub input: PromptInput,
    /// Tokens to generate, if the line says so.
    pub output_tokens: Option<u32>,
    /// A trace: when it is due, from the window's start.
    pub at_ns: Option<u64>,
}

/// The input of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PromptInput {
    /// Token ids, passed on as they are.
    Tokens(Vec<u32>),
    /// A text, to be tokenised.
    Text(String),
    /// A conversation, to be put through a chat template and tokenised.
    Messages(Vec<ChatMessage>),
    /// Random ids of this number.
    Random(u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    at: Option<f64>,
    token_ids: Option<Vec<u32>>,
    text: Option<String>,
    messages: Option<Vec<ChatMessage>>,
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
}

/// Reads a prompt file: one prompt a line, empty lines skipped. A trace comes in the order of its times.
///
/// # Errors
/// What is wrong with it, a sentence for each line.
pub(super) fn parse(
    path: &str,
    text: &str,
    kind: Kind,
    max_tokens: u32,
) -> Result<Vec<PromptLine>, Vec<String>> {
    if text.len() > MAX_PROMPT_FILE_BYTES {
        return Err(vec![format!(
            "{path} has {} bytes; at most {MAX_PROMPT_FILE_BYTES} are read",
            text.len()
        )]);
    }
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        match parse_line(line, kind, max_tokens) {
            Ok(line) => lines.push(line),
            Err(problem) => problems.push(format!("{path}, line {}: {problem}", index + 1)),
        }
        if problems.len() == MAX_PROBLEMS {
            break;
        }
    }
    if lines.is_empty() && problems.is_empty() {
        problems.push(format!("{path} has no prompt"));
    }
    if kind == Kind::Trace && lines.len() > MAX_TRACE_REQUESTS {
        problems.push(format!(
            "{path} has {} requests; a trace has at most {MAX_TRACE_REQUESTS}",
            lines.len()
        ));
    }
    if problems.is_empty() {
        lines.sort_by_key(|line| line.at_ns);
        Ok(lines)
    } else {
        Err(problems)
    }
}

fn parse_line(line: &str, kind: Kind, max_tokens: u32) -> Result<PromptLine, String> {
    let raw: RawLine = serde_json::from_str(line).map_err(|error| {
        let message = error.to_string();
        let cause = message.split(" at line ").next().unwrap_or_default();
        format!("column {}: {cause}", error.column())
    })?;
    let at_ns = at(kind, raw.at)?;
    let input = match (raw.token_ids, raw.text, raw.messages, raw.input_tokens) {
        (Some(ids), None, None, None) => PromptInput::Tokens(ids),
        (None, Some(text), None, None) => PromptInput::Text(text),
        (None, None, Some(messages), None) => PromptInput::Messages(conversation(messages)?),
        (None, None, None, Some(tokens)) if kind == Kind::Trace => PromptInput::Random(tokens),
        (.., Some(_)) if kind == Kind::Prompts => {
            return Err(
                "`input_tokens` belongs in a trace: `arrival: {trace: {file: …}}`".to_owned(),
            );
        }
        _ if kind == Kind::Trace => {
            return Err(
                "a request has one of `token_ids`, `text`, `messages` and `input_tokens`"
                    .to_owned(),
            );
        }
        _ => return Err("a prompt has one of `token_ids`, `text` and `messages`".to_owned()),
    };
    let length = input.size();
    if length == 0 || length > max_tokens as usize {
        let unit = match input {
            PromptInput::Messages(_) => "bytes",
            _ => "tokens",
        };
        return Err(format!(
            "the prompt has {length} {unit}; it must have from 1 to {max_tokens}"
        ));
    }
    if raw
        .output_tokens
        .is_some_and(|tokens| tokens == 0 || tokens > max_tokens)
    {
        return Err(format!("`output_tokens` must be from 1 to {max_tokens}"));
    }
    Ok(PromptLine {
        input,
        output_tokens: raw.output_tokens,
        at_ns,
    })
}

fn at(kind: Kind, at: Option<f64>) -> Result<Option<u64>, String> {
    match (kind, at) {
        (Kind::Prompts, None) => Ok(None),
        (Kind::Prompts, Some(_)) => {
            Err("`at` belongs in a trace: `arrival: {trace: {file: …}}`".to_owned())
        }
        (Kind::Trace, None) => Err("a request of a trace has `at`, its time in seconds".to_owned()),
        (Kind::Trace, Some(at)) if (0.0..=MAX_TRACE_SECONDS).contains(&at) => {
            // In range by the guard.
            Ok(Some((at * 1e9).round() as u64))
        }
        (Kind::Trace, Some(at)) => Err(format!(
            "`at` is {at}; it counts seconds from the window's start, 0 to {MAX_TRACE_SECONDS}"
        )),
    }
}

fn conversation(messages: Vec<ChatMessage>) -> Result<Vec<ChatMessage>, String> {
    if messages.is_empty() || messages.len() > MAX_MESSAGES {
        return Err(format!(
            "the conversation has {} messages; it must have from 1 to {MAX_MESSAGES}",
            messages.len()
        ));
    }
    let role = |role: &str| ["system", "user", "assistant"].contains(&role);
    match messages.iter().find(|message| !role(&message.role)) {
        Some(message) => Err(format!(
            "a message has the role `system`, `user` or `assistant`, not `{}`",
            message.role.escape_default()
        )),
        None => Ok(messages),
    }
}

impl PromptInput {
    /// Tokens as far as they are known here: a text counts its bytes, which is what it has at most.
    pub fn size(&self) -> usize {
        match self {
            Self::Tokens(ids) => ids.len(),
            Self::Text(text) => text.len(),
            Self::Messages(messages) => messages.iter().map(|message| message.content.len()).sum(),
            Self::Random(tokens) => *tokens as usize,
        }
    }

    /// Whether the model's tokenizer decides how many tokens it has.
    pub fn needs_tokenizer(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Messages(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Kind, line: &str) -> Result<PromptLine, String> {
        parse("f", line, kind, 100)
            .map(|mut lines| lines.remove(0))
            .map_err(|problems| problems.join("; "))
    }

    #[test]
    fn a_line_is_ids_a_text_or_a_conversation() {
        let input = |line: &str| one(Kind::Prompts, line).expect(line).input;
        assert_eq!(
            input(r#"{"token_ids": [1, 2]}"#),
            PromptInput::Tokens(vec![1, 2])
        );
        assert_eq!(
            input(r#"{"text": "hi"}"#),
            PromptInput::Text("hi".to_owned())
        );
        let chat = input(r#"{"messages": [{"role": "user", "content": "hi"}]}"#);
        assert!(matches!(chat, PromptInput::Messages(messages) if messages[0].content == "hi"));
        for (line, words) in [
            (r#"{"text": "a", "token_ids": [1]}"#, "one of"),
            (r#"{"text": ""}"#, "0 tokens"),
            (r#"{"messages": []}"#, "0 messages"),
            (
                r#"{"messages": [{"role": "root", "content": "hi"}]}"#,
                "not `root`",
            ),
            (
                r#"{"messages": [{"role": "user", "content": ""}]}"#,
                "0 bytes",
            ),
            (r#"{"text": "a", "at": 1}"#, "belongs in a trace"),
            (r#"{"input_tokens": 4}"#, "belongs in a trace"),
            (r#"{"text": "a", "output_tokens": 0}"#, "`output_tokens`"),
        ] {
            let error = one(Kind::Prompts, line).expect_err(line);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_trace_is_put_in_order_and_counts_from_the_windows_start() {
        let text = "{\"at\": 1.5, \"input_tokens\": 7}\n{\"at\": 0.25, \"text\": \"a\"}\n";
        let lines = parse("f", text, Kind::Trace, 100).expect("a trace");
        let times: Vec<_> = lines.iter().map(|line| line.at_ns).collect();
        assert_eq!(times, [Some(250_000_000), Some(1_500_000_000)]);
        assert_eq!(lines[1].input, PromptInput::Random(7));
        for (line, words) in [
            (r#"{"input_tokens": 7}"#, "has `at`"),
            (
                r#"{"at": -1, "input_tokens": 7}"#,
                "from the window's start",
            ),
            (
                r#"{"at": 1.7e9, "input_tokens": 7}"#,
                "from the window's start",
            ),
            (r#"{"at": 1}"#, "one of"),
            (r#"{"at": 1, "input_tokens": 0}"#, "0 tokens"),
        ] {
            let error = one(Kind::Trace, line).expect_err(line);
            assert!(error.contains(words), "{error}");
        }
    }
}
