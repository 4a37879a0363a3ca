//! How a command prints what it found.

use std::io::Write;

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document, for programs
    Json,
}

/// A value as indented JSON, with a newline.
///
/// # Errors
/// If it cannot be written.
pub fn write_json(out: &mut dyn Write, value: &serde_json::Value) -> std::io::Result<()> {
    writeln!(out, "{value:#}")
}
