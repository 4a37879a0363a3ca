//! A model hub, over the interface of huggingface.co, which others offer too: `/api/models/…` says what a revision
//! holds, `/…/resolve/…` gives a file. The token goes to the hub's own host and nowhere else.

mod client;
mod download;
mod file;
mod listing;

pub use client::Hub;
pub use download::download;
