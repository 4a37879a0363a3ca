//! How a session is asked to stop.

use tokio::sync::watch;

/// Asks. Held by the edge that hears signals.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<Option<String>>);

/// Hears. Held by the runner.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Option<String>>);

impl StopSignal {
    /// A connected pair.
    #[must_use]
    pub fn new() -> (Stopper, Self) {
        let (tell, hear) = watch::channel(None);
        (Stopper(tell), Self(hear))
    }

    /// Why a stop was asked for, if it was.
    #[must_use]
    pub fn asked(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Waits until a stop is asked for; for ever if nobody can ask any more.
    pub async fn wait(&mut self) {
        loop {
            if self.0.borrow_and_update().is_some() {
                return;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Stopper {
    /// Asks for a stop; the first reason stands.
    pub fn stop(&self, reason: &str) {
        self.0.send_if_modified(|asked| {
            let first = asked.is_none();
            if first {
                *asked = Some(reason.to_owned());
            }
            first
        });
    }
}
