//! Why nothing more is heard of a worker: what became of its container, and how its process ended.

use std::time::Duration;

use lem_protocol::{AGENT_LEASE_PASSED, AGENT_STOPPED, ExitRecord};

use super::containers::engine_cause;
use super::session::Runner;
use super::worker_codes::worker_cause;
use crate::containers::{ContainerEngine, ContainerState};
use crate::execution::{Blame, Cause};
use crate::worker::{WorkerError, exit_record, printable};

/// What the Engine gives as exit code of a process that was killed.
const KILLED: i64 = 137;
/// How far back a `kill` may lie that ended a container whose end is found now.
const LOOK_BACK: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
/// What to do about a container that somebody else took away or changed.
const HINT: &str = "the next run gets a new container; leave those with the label org.lemctl.campaign alone while a campaign runs";

impl<E: ContainerEngine> Runner<E> {
    /// A worker's error with what its container and the agent's exit record add to it.
    pub(super) async fn explain(
        &self,
        backend: &str,
        worker_id: &str,
        error: &WorkerError,
    ) -> Cause {
        let cause = worker_cause(error);
        let gone = matches!(
            error,
            WorkerError::Gone { .. } | WorkerError::Connection { .. }
        );
        // Who is silent for too long may be paused.
        if !gone && !matches!(error, WorkerError::TimedOut { .. }) {
            return cause;
        }
        if let Some(lost) = self.lost(backend).await {
            return lost;
        }
        let Some(running) = self.containers.get(backend) else {
            return cause;
        };
        let record = || {
            let bytes = exit_record(&running.live.outbox, worker_id).ok()??;
            serde_json::from_slice::<ExitRecord>(&bytes).ok()
        };
        // Something that it left behind may hold its streams open after its end.
        if let WorkerError::TimedOut { request, .. } = error {
            let gone = WorkerError::Gone {
                request,
                log: String::new(),
            };
            return record().map_or(cause, |record| with_end(worker_cause(&gone), &record));
        }
        // The wrapper writes its record right after the worker's end, the stream may end a little before;
        // and before the Engine itself knows that a container has ended.
        for _ in 0..20 {
            if let Some(record) = record() {
                return with_end(cause, &record);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Some(lost) = self.lost(backend).await {
                return lost;
            }
        }
        cause
    }

    /// Whether the backend's container still runs, and is the one that was started.
    pub(super) async fn container_runs(&self, backend: &str) -> bool {
        self.lost(backend).await.is_none()
    }

    /// What became of the backend's container; none while it runs as it was started.
    async fn lost(&self, backend: &str) -> Option<Cause> {
        let lost = |code: &str, what: String| {
            let message = format!("the container of {backend} {what}");
            Some(Cause::new(Blame::Environment, code, message).hint(HINT))
        };
        let Some(running) = self.containers.get(backend) else {
            return lost("container_lost", "is gone".to_owned());
        };
        let state = match self.setting.engine.inspect(&running.id).await {
            Ok(Some(state)) => state,
            Ok(None) => return lost("container_lost", "was removed from outside".to_owned()),
            // The container may be as good as before.
            Err(error) => return Some(engine_cause(&error)),
        };
        if state.paused {
            return lost("container_lost", "was paused from outside".to_owned());
        }
        if self.out_of_memory(&state).await {
            let what = "was ended by the kernel for lack of memory, its PID 1 first".to_owned();
            let cause = lost("container_out_of_memory", what)?;
            return Some(cause.hint(
                "raise `mem_limit` in the backend's Compose file, or free memory on this machine",
            ));
        }
        if !state.running {
            return lost("container_lost", ended(state.exit_code));
        }
        if state.started_at != running.started_at {
            return lost("container_lost", "was restarted from outside".to_owned());
        }
        None
    }

    /// Whether PID 1 was killed for lack of memory. The Engine also marks a container in which only another process was,
    /// and that somebody killed afterwards: then it noted a `kill`.
    async fn out_of_memory(&self, state: &ContainerState) -> bool {
        if state.running || !state.oom_killed || state.exit_code != Some(KILLED) {
            return false;
        }
        let now = self.setting.clock.wall();
        let before = now.checked_sub_signed(LOOK_BACK).unwrap_or(now);
        let happened = self.setting.engine.happened(&state.id, before, now).await;
        // An Engine that does not tell leaves its own mark.
        happened.map_or(true, |seen| seen.iter().all(|seen| seen.action != "kill"))
    }
}

/// How PID 1 ended, in words.
fn ended(exit_code: Option<i64>) -> String {
    match exit_code {
        Some(code) if code == i64::from(AGENT_LEASE_PASSED) => {
            "was ended by its lease: lemctl was held up for longer than that lasts".to_owned()
        }
        Some(code) if code == i64::from(AGENT_STOPPED) => "was stopped from outside".to_owned(),
        Some(KILLED) => "was killed from outside".to_owned(),
        Some(code) => format!("ended with exit code {code}"),
        None => "does not run".to_owned(),
    }
}

/// The cause with what the wrapper's record says of the worker's end. A worker that the kernel killed for lack of memory
/// asked for too much: that is its config's fault, as with any other memory.
fn with_end(mut cause: Cause, record: &ExitRecord) -> Cause {
    let how = match (record.exit_code, record.signal, &record.error) {
        (_, _, Some(error)) => format!("it could not be started: {}", printable(error.as_bytes())),
        (_, Some(9), _) => match record.memory_kills {
            Some(0) => {
                "it was killed (SIGKILL), and not by the kernel for lack of memory".to_owned()
            }
            Some(_) => {
                let message = format!("{}; the kernel killed it for lack of memory", cause.message);
                return Cause::new(Blame::Config, "out_of_memory", message).hint(
                    "make the model, its context or the number of sequences smaller, or raise `mem_limit` in the backend's Compose file",
                );
            }
            None => "it was killed (SIGKILL): out of memory?".to_owned(),
        },
        (_, Some(signal), _) => format!("signal {signal} ended it"),
        (Some(code), None, None) => format!("its exit code was {code}"),
        (None, None, None) => "it ended".to_owned(),
    };
    cause.message = format!("{}; {how}", cause.message);
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(signal: i32, memory_kills: Option<u64>) -> ExitRecord {
        ExitRecord {
            id: "w".to_owned(),
            pid: 7,
            started_ns: 1,
            ended_ns: 2,
            exit_code: None,
            signal: Some(signal),
            leftovers: 0,
            memory_kills,
            error: None,
        }
    }

    #[test]
    fn only_a_kill_that_the_kernel_counted_is_a_lack_of_memory() {
        let gone = Cause::new(Blame::Worker, "worker_gone", "it ended").hint("look at the log");
        let end = |signal, kills| with_end(gone.clone(), &record(signal, kills));
        let memory = end(9, Some(1));
        assert_eq!(
            (memory.blame, &*memory.code),
            (Blame::Config, "out_of_memory")
        );
        assert!(memory.hint.is_some_and(|hint| hint.contains("mem_limit")));
        for (signal, kills) in [(9, Some(0)), (9, None), (11, Some(1))] {
            let cause = end(signal, kills);
            assert_eq!((cause.blame, &*cause.code), (Blame::Worker, "worker_gone"));
            assert_eq!(cause.hint, gone.hint);
        }
        assert!(end(9, Some(0)).message.contains("not by the kernel"));
        assert!(end(9, None).message.ends_with("out of memory?"));
    }

    #[test]
    fn exit_codes_of_the_agent_are_told_apart() {
        for (code, word) in [
            (Some(75), "lease"),
            (Some(0), "stopped"),
            (Some(137), "killed"),
            (Some(3), "code 3"),
            (None, "not run"),
        ] {
            assert!(ended(code).contains(word), "{code:?}: {}", ended(code));
        }
    }
}
