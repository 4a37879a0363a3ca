//! One life of the `fetch` container: made, asked, removed. Its lines are untrusted.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use lem_protocol::{AGENT, FETCH, FetchReply, FetchRequest};
use tokio::io::AsyncWriteExt;

use super::{Models, Token, Wanted};
use crate::containers::{
    ContainerEngine, ContainerId, ContainerSpec, EngineError, ExecOutput, Overlay, labels,
};
use crate::execution::{Blame, Cause};
use crate::runner::StopSignal;
use crate::runner::containers::engine_cause;
use crate::runner::lease::Lease;
use crate::runner::live::{self, Live};
use crate::runner::space::disk_cause;
use crate::store::Folders;
use crate::units::Digest;
use crate::worker::{Lines, Piece, printable};

/// Longest line that is read: 4096 files with names of 255 bytes.
const MAX_LINE: usize = 4 * 1024 * 1024;
/// Bytes of stderr that are kept for a message.
const MAX_COMPLAINT: usize = 2048;
/// Longest silence: a disk may take that long to write what is in memory.
const SILENCE: Duration = Duration::from_secs(900);

/// Codes with which a fetch says that the campaign asked for what cannot be had.
const CONFIG_CODES: [&str; 4] = [
    "model_not_found",
    "model_gated",
    "unsupported",
    "bad_config",
];
/// Codes that are nobody's but the fetch's own.
const OTHER_CODES: [&str; 7] = [
    "disk",
    "disk_full",
    "no_network",
    "hub_unavailable",
    "download_broken",
    "bad_request",
    "fetch_failed",
];

/// A fetch container that runs.
pub(super) struct Fetching<'a, E> {
    engine: &'a E,
    id: ContainerId,
    live: Live,
    base: camino::Utf8PathBuf,
    lease: &'a Lease,
    token: Option<Token>,
}

/// Whose container it is.
#[derive(Debug, Clone)]
pub struct Owner {
    /// What its name says after `lem-`.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Folder below the project's `.lem` for what it mounts.
    pub live: String,
}

impl Owner {
    /// Nobody's campaign: `lemctl models pull`.
    #[must_use]
    pub fn of_pull(models: &Models, wanted: &Wanted) -> Self {
        let root = Folders::new(&models.root, "", "").root_key();
        let key = wanted.key();
        let marks = [
            (labels::BACKEND, "fetch".to_owned()),
            (labels::UID, models.identity.uid.to_string()),
            (labels::ROOT, root.clone()),
        ];
        Self {
            name: format!("fetch-{root}-{key}"),
            labels: marks.map(|(name, value)| (name.to_owned(), value)).into(),
            live: format!("fetch-{key}"),
        }
    }

    /// Name of the lock that one fetch of this owner holds.
    pub(super) fn lock(&self) -> String {
        Digest::of(format!("owner {}", self.name).as_bytes()).short(16)
    }
}

impl<'a, E: ContainerEngine> Fetching<'a, E> {
    /// Makes and starts the container.
    ///
    /// # Errors
    /// If there is no such service or image, or the Engine says no.
    pub(super) async fn start(
        engine: &'a E,
        models: &Models,
        owner: &Owner,
        lease: &'a Lease,
    ) -> Result<Self, Cause> {
        let Some(service) = &models.fetch else {
            let what = "no Compose file of the campaign's backends has a service `fetch`";
            return Err(environment("no_fetch_service", what).hint("git checkout -- compose"));
        };
        let disk = |error: crate::store::StoreError| disk_cause(&error);
        models.store.make().map_err(disk)?;
        let base = models.root.join(".lem").join(&owner.live);
        let identity = models.identity;
        let live = Live::at(&base, identity.uid, identity.gid).map_err(disk)?;
        lease.hold(&live.control).map_err(disk)?;
        let overlay = Overlay {
            name: format!("lem-{}", owner.name),
            labels: owner.labels.clone(),
            gpus: Vec::new(),
            without_devices: Vec::new(),
            control: live.control.clone(),
            outbox: live.outbox.clone(),
            model: None,
        };
        let spec = ContainerSpec::new(service, &overlay)
            .map_err(|error| environment("container_spec", error.to_string()));
        let made = match spec {
            Ok(spec) => Self::made(engine, &spec, owner).await,
            Err(cause) => Err(cause),
        };
        match made {
            Ok(id) => Ok(Self {
                engine,
                id,
                live,
                base,
                lease,
                token: models.token.clone(),
            }),
            Err(cause) => {
                lease.release(&live.control);
                let _ = live::remove(&base);
                Err(cause)
            }
        }
    }

    async fn made(engine: &E, spec: &ContainerSpec, owner: &Owner) -> Result<ContainerId, Cause> {
        clear(engine, owner).await?;
        let failed = |error: EngineError| match &error {
            EngineError::ImageMissing { .. } => {
                engine_cause(&error).hint("lemctl images build fetch")
            }
            _ => engine_cause(&error),
        };
        let id = engine.create(spec).await.map_err(failed)?;
        match engine.start(&id).await {
            Ok(()) => Ok(id),
            Err(error) => {
                let _ = engine.remove(&id).await;
                Err(engine_cause(&error))
            }
        }
    }

    /// Asks for one thing and waits for its end; `told` gets bytes done and bytes in all.
    ///
    /// # Errors
    /// What it said, or how it ended without a word.
    pub(super) async fn ask(
        &self,
        request: &FetchRequest,
        stop: &StopSignal,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<FetchReply, Cause> {
        let argv = [AGENT, "exec", "--id", "fetch", "--", FETCH].map(str::to_owned);
        let mut session = self
            .engine
            .exec(&self.id, &argv)
            .await
            .map_err(|error| engine_cause(&error))?;
        let mut line = serde_json::to_vec(request)
            .map_err(|error| environment("fetch_failed", error.to_string()))?;
        line.push(b'\n');
        // Never a file: what ends lemctl here leaves no copy behind.
        let needs_it = matches!(
            request,
            FetchRequest::Hub { .. } | FetchRequest::Resolve { .. }
        );
        if let Some(token) = self.token.as_ref().filter(|_| needs_it) {
            line.extend(token.line());
        }
        let sent = async {
            session.stdin.write_all(&line).await?;
            session.stdin.shutdown().await
        };
        // One that ended early says on stdout why; a broken pipe adds nothing to that.
        let _ = sent.await;
        let mut stop = stop.clone();
        let mut lines = Lines::new(MAX_LINE);
        let mut last = None;
        let mut complaint = Vec::new();
        loop {
            let piece = tokio::select! {
                () = stop.wait() => {
                    let what = "a stop was asked for while the model was fetched";
                    return Err(Cause::new(Blame::Worker, "interrupted", what));
                }
                piece = tokio::time::timeout(SILENCE, session.output.next()) => piece,
            };
            let Ok(piece) = piece else {
                let what = format!("the fetch said nothing for {} s", SILENCE.as_secs());
                return Err(environment("fetch_failed", what));
            };
            match piece {
                None => break,
                Some(Err(error)) => return Err(engine_cause(&error)),
                Some(Ok(ExecOutput::Stderr(bytes))) => {
                    let room = MAX_COMPLAINT.saturating_sub(complaint.len());
                    complaint.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Some(Ok(ExecOutput::Stdout(bytes))) => lines.push(&bytes, |piece| {
                    let Piece::Line(line) = piece else { return };
                    match serde_json::from_slice(line) {
                        Ok(FetchReply::Progress {
                            done_bytes,
                            total_bytes,
                        }) => told(done_bytes, total_bytes),
                        Ok(reply) => last = Some(reply),
                        // The Engine's own words, where there is no such program.
                        Err(_) => {
                            let room = MAX_COMPLAINT.saturating_sub(complaint.len());
                            complaint.extend_from_slice(&line[..line.len().min(room)]);
                        }
                    }
                }),
            }
        }
        match last {
            Some(FetchReply::Error {
                code,
                message,
                hint,
            }) => Err(said(&code, &message, hint.as_deref())),
            Some(reply) => Ok(reply),
            None => Err(self.silent(&complaint).await),
        }
    }

    /// It ended without an answer.
    async fn silent(&self, complaint: &[u8]) -> Cause {
        let state = self.engine.inspect(&self.id).await;
        if let Ok(Some(state)) = state
            && !state.running
        {
            let log = self.engine.logs(&self.id, 20).await.unwrap_or_default();
            let exit = state.exit_code.unwrap_or(-1);
            let log = printable(log.trim().as_bytes());
            let what = format!("the fetch container ended with exit code {exit}: {log}");
            return environment("fetch_failed", what);
        }
        let said = printable(complaint);
        environment(
            "fetch_failed",
            format!("the fetch ended without an answer: {}", said.trim()),
        )
        .hint("lemctl images build fetch")
    }

    /// Removes it and what it mounted.
    pub(super) async fn end(self) {
        let removed = self.engine.remove(&self.id).await;
        self.lease.release(&self.live.control);
        // One that cannot be removed ends when its lease does.
        let _ = removed;
        let _ = live::remove(&self.base);
    }
}

/// Removes what an earlier fetch of the same owner left. Whoever asks holds the owner's lock, so it is nobody's.
async fn clear<E: ContainerEngine>(engine: &E, owner: &Owner) -> Result<(), Cause> {
    let ours: Vec<(&str, &str)> = [labels::ROOT, labels::BACKEND]
        .iter()
        .filter_map(|key| Some((*key, owner.labels.get(*key)?.as_str())))
        .collect();
    let failed = |error: EngineError| engine_cause(&error);
    let name = format!("lem-{}", owner.name);
    for left in engine.list(&ours).await.map_err(failed)? {
        if left.name == name {
            engine.remove(&left.id).await.map_err(failed)?;
        }
    }
    Ok(())
}

fn environment(code: &str, message: impl Into<String>) -> Cause {
    Cause::new(Blame::Environment, code, message)
}

/// An error of the fetch's, in lemctl's words.
fn said(code: &str, message: &str, hint: Option<&str>) -> Cause {
    let blame = match CONFIG_CODES.contains(&code) {
        true => Blame::Config,
        false => Blame::Environment,
    };
    let known = CONFIG_CODES.contains(&code) || OTHER_CODES.contains(&code);
    let code = if known { code } else { "fetch_failed" };
    let cause = Cause::new(blame, code, printable(message.as_bytes()));
    match hint {
        Some(hint) => cause.hint(printable(hint.as_bytes())),
        None => cause,
    }
}
