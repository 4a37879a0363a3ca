//! Printing. Results go to stdout, errors to stderr. Whatever is printed is made harmless here: much of it comes from
//! containers, hubs and files.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;

use crate::diagnostics::{Failure, harmless, harmless_json};

/// Why stdout did not take everything; told once, at the end.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints text to stdout. A closed pipe (`| head`) ends the output, not the program; what is lost otherwise
/// (a full disk) is kept for [`lost`].
pub(super) fn text(text: &str) {
    print(&harmless(text));
}

fn print(text: &str) {
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Whether stdout lost something that nobody closed it against: the output must not pass for whole.
pub(super) fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// Prints a value as indented JSON.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(json) => print(&harmless_json(&json)),
        Err(error) => note(&format!("cannot be shown as JSON: {error}")),
    }
}

/// Prints a remark to stderr.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// Prints an error to stderr.
pub(super) fn error(failure: &Failure) {
    note(&failure.to_string());
}

/// Asks a yes-or-no question on the terminal; none if there is nobody to ask.
pub(super) fn ask(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let _ = write!(io::stderr(), "{}", asked(question));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn asked(question: &str) -> String {
    format!("{} [y/N] ", harmless(question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_question_drives_a_terminal() {
        let asked = asked("really \u{1b}[2J\u{202e}x?");
        assert_eq!(asked, "really \u{fffd}[2J\u{fffd}x? [y/N] ");
    }
}
