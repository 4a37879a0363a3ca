//! Puts a model's files into lemctl's model store: downloads them from a hub, or writes weights drawn from a
//! seed. Speaks `lem_protocol::FetchRequest` (and after it, on a line of its own, a hub's token) on stdin and `FetchReply` on
//! stdout. The only program of lemctl with a
//! network, and it knows nothing of campaigns.

mod arguments;
mod failure;
mod folder;
mod hub;
mod progress;
mod random;
mod sums;
mod token;

use std::io::{BufRead, Read};
use std::process::ExitCode;

use lem_protocol::{FetchReply, FetchRequest, MAX_FETCH_REQUEST_BYTES};

use arguments::Arguments;
use failure::Failure;
use folder::Folder;
use token::Token;

/// As many threads as there are CPUs; the weights are the same for any number.
const ALL_THREADS: u32 = 0;
/// The command line is wrong.
const USAGE: u8 = 2;

#[expect(clippy::disallowed_macros, reason = "a program's own stderr")]
fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments = match Arguments::parse(&given) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let mut stdin = std::io::stdin().lock();
    let answer = asked(&mut stdin).and_then(|request| answer(request, &mut stdin, &arguments));
    let failed = answer.is_err();
    progress::say(&answer.unwrap_or_else(Failure::into_reply));
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The request: the first line of stdin.
fn asked(stdin: &mut impl BufRead) -> Result<FetchRequest, Failure> {
    let mut line = Vec::new();
    stdin
        .take(MAX_FETCH_REQUEST_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|error| Failure::new("bad_request", format!("stdin cannot be read: {error}")))?;
    serde_json::from_slice(&line)
        .map_err(|error| Failure::new("bad_request", format!("not a request: {error}")))
}

fn answer(
    request: FetchRequest,
    stdin: &mut impl BufRead,
    arguments: &Arguments,
) -> Result<FetchReply, Failure> {
    match request {
        FetchRequest::Random {
            config,
            seed,
            folder,
        } => {
            let folder = Folder::emptied(&arguments.root, &folder)?;
            let files = random::write(&folder, &config, seed, ALL_THREADS)?;
            Ok(FetchReply::Done { files })
        }
        FetchRequest::Resolve {
            endpoint,
            id,
            revision,
        } => {
            let token = Token::of(stdin, &arguments.token)?;
            let hub = hub::Hub::new(&endpoint, &id, arguments.patience, token)?;
            let commit = hub.listing(&revision)?.commit;
            Ok(FetchReply::Resolved { commit })
        }
        FetchRequest::Hub {
            endpoint,
            id,
            commit,
            folder,
        } => {
            let token = Token::of(stdin, &arguments.token)?;
            let hub = hub::Hub::new(&endpoint, &id, arguments.patience, token)?;
            let folder = Folder::kept(&arguments.root, &folder)?;
            let files = hub::download(&hub, &commit, &folder)?;
            Ok(FetchReply::Done { files })
        }
    }
}
