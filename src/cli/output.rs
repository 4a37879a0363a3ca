//! Printing. Results go to stdout, errors to stderr.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::diagnostics::Failure;

/// Prints text to stdout. A closed pipe (`| head`) ends the output, not the program.
pub(super) fn text(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value as indented JSON.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(json) => text(&json),
        Err(error) => note(&format!("cannot be shown as JSON: {error}")),
    }
}

/// Prints a remark to stderr.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints an error to stderr.
pub(super) fn error(failure: &Failure) {
    note(&failure.to_string());
}

/// Asks a yes-or-no question on the terminal; none if there is nobody to ask.
pub(super) fn ask(question: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim(), "y" | "Y" | "yes"))
}
