//! Prompts from a file of JSON lines.

use serde::Deserialize;

/// Where prompt files come from: the campaign names them, the command line reads them.
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
/// Most problems of a prompt file that are told.
const MAX_PROBLEMS: usize = 20;

/// One line of a prompt file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PromptLine {
    /// Its input.
    pub input: PromptInput,
    /// Tokens to generate, if the line says so.
    pub output_tokens: Option<u32>,
}

/// The input of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PromptInput {
    /// Token ids, passed on as they are.
    Tokens(Vec<u32>),
    /// A text, to be tokenised.
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    token_ids: Option<Vec<u32>>,
    text: Option<String>,
    output_tokens: Option<u32>,
}

/// Reads a prompt file: one prompt a line, empty lines skipped.
///
/// # Errors
/// What is wrong with it, a sentence for each line.
pub(super) fn parse(
    path: &str,
    text: &str,
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
        match parse_line(line, max_tokens) {
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
    if problems.is_empty() {
        Ok(lines)
    } else {
        Err(problems)
    }
}

fn parse_line(line: &str, max_tokens: u32) -> Result<PromptLine, String> {
    let raw: RawLine = serde_json::from_str(line).map_err(|error| {
        let message = error.to_string();
        let cause = message.split(" at line ").next().unwrap_or_default();
        format!("column {}: {cause}", error.column())
    })?;
    let input = match (raw.token_ids, raw.text) {
        (Some(ids), None) => PromptInput::Tokens(ids),
        (None, Some(text)) => PromptInput::Text(text),
        _ => return Err("a prompt has either `token_ids` or `text`".to_owned()),
    };
    let length = input.len();
    if length == 0 || length > max_tokens as usize {
        return Err(format!(
            "the prompt has {length} tokens; it must have from 1 to {max_tokens}"
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
    })
}

impl PromptInput {
    /// Number of tokens; a text has one per byte.
    pub fn len(&self) -> usize {
        match self {
            Self::Tokens(ids) => ids.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// The token ids; a text's are its bytes.
    pub fn ids(&self) -> Vec<u32> {
        match self {
            Self::Tokens(ids) => ids.clone(),
            Self::Text(text) => text.bytes().map(u32::from).collect(),
        }
    }
}
