//! What a user sees while a campaign runs: bars on a terminal, plain lines elsewhere, JSON lines on
//! request. All three are sinks of the same notices and write to stderr, so that stdout stays for
//! results; JSON lines go to stdout.
//!
//! Shows; never decides, never reads files.

mod bars;
mod building;
mod json;
mod plain;
#[cfg(test)]
mod sample;
mod transfer;
mod words;

use std::io::IsTerminal;

use crate::execution::EventSink;

pub use bars::Bars;
pub use building::Building;
pub use json::JsonLines;
pub use plain::PlainLines;
pub use transfer::Transfer;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Plain lines.
    Plain,
    /// JSON lines on stdout.
    Json,
    /// Nothing but warnings.
    Quiet,
}

/// The sink for a style.
#[must_use]
pub fn sink(style: Style) -> Box<dyn EventSink> {
    match style {
        Style::Auto if std::io::stderr().is_terminal() => Box::new(Bars::new()),
        Style::Auto | Style::Plain => Box::new(PlainLines::new(false)),
        Style::Quiet => Box::new(PlainLines::new(true)),
        Style::Json => Box::new(JsonLines),
    }
}
