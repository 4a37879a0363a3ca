//! Not yet written: see ARCHITECTURE.md.

pub mod check;
pub mod format;
pub mod images;
pub mod init;
pub mod invoker;
