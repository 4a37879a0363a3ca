//! Not yet written: see ARCHITECTURE.md.
