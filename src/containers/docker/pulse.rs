//! Whether the daemon lives while it is waited for. One that was stopped keeps its socket open and says nothing; a
//! busy one still answers a ping. So a call may take its time as long as pings are answered, and once one was not,
//! no further call is made before one is: the daemon would do it when it wakes, with nobody there any more.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::Docker;
use tokio::time::{sleep, timeout};

use super::errors::Asked;
use crate::containers::EngineError;

/// How long a call is left alone between pings.
const EVERY: Duration = Duration::from_secs(5);
/// How long a ping may take: it needs no lock and no disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one may take of a daemon that did not answer the last one.
const IMPATIENCE: Duration = Duration::from_secs(3);

/// The daemon's pulse. Clones share what was found.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    docker: Docker,
    silent: Arc<AtomicBool>,
}

impl Pulse {
    /// Of the daemon behind this client.
    pub fn of(docker: Docker) -> Self {
        Self {
            docker,
            silent: Arc::default(),
        }
    }

    /// Waits for `call`, for at most `asked`'s time and only as long as the daemon lives.
    pub async fn during<T>(
        &self,
        asked: &Asked,
        call: impl Future<Output = T> + Send,
    ) -> Result<T, EngineError> {
        if self.silent.load(Ordering::Relaxed) && !self.answers(IMPATIENCE).await {
            return Err(asked.silent(IMPATIENCE));
        }
        let begun = tokio::time::Instant::now();
        tokio::select! {
            biased;
            answer = timeout(asked.timeout(), call) => answer.map_err(|_| asked.timed_out()),
            () = self.falls_silent() => Err(asked.silent(begun.elapsed())),
        }
    }

    /// Ends when a ping is not answered.
    async fn falls_silent(&self) {
        loop {
            sleep(EVERY).await;
            if !self.answers(PATIENCE).await {
                return;
            }
        }
    }

    /// Whether it answers anything at all: a refusal is an answer, and of a broken connection the call itself tells.
    async fn answers(&self, patience: Duration) -> bool {
        let answers = timeout(patience, self.docker.ping()).await.is_ok();
        self.silent.store(!answers, Ordering::Relaxed);
        answers
    }
}
