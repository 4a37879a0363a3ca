//! What somebody else did to a container while a run was measured in it: a pause, another limit, a command of their own.
//! The worker cannot know, its record looks whole, and its times are wrong. The Engine noted it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::session::Runner;
use crate::containers::{ContainerEngine, EngineError};

/// Most of what happened that a message lists.
const LISTED: usize = 5;

/// When a look back begins, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    wall: DateTime<Utc>,
    monotonic_ns: u64,
}

impl<E: ContainerEngine> Runner<E> {
    /// Now.
    pub(super) fn moment(&self) -> Moment {
        Moment {
            wall: self.setting.clock.wall(),
            monotonic_ns: self.setting.clock.monotonic_ns(),
        }
    }

    /// What was done to the backend's container since `since` that lemctl did not do; none if nothing was. An Engine
    /// that does not say is only warned about: that it cannot is no sign that something happened.
    pub(super) async fn disturbed(&mut self, backend: &str, since: Moment) -> Option<String> {
        match self.look_back(backend, since).await {
            Ok(found) => found,
            Err(error) => {
                self.warn(format!(
                    "whether somebody else touched the container of {backend} while it was measured is unknown: {error}"
                ));
                None
            }
        }
    }

    async fn look_back(&self, backend: &str, since: Moment) -> Result<Option<String>, EngineError> {
        let Some(running) = self.containers.get(backend) else {
            return Ok(None);
        };
        let own = self.engine.as_ref().map(|loaded| loaded.exec.as_str());
        let engine = &self.setting.engine;
        let now = self.moment();
        let happened = engine
            .happened(&running.id, begin(since, now), now.wall)
            .await?;
        let mut found: Vec<String> = happened
            .iter()
            .filter(|seen| seen.disturbs() && (seen.exec.is_none() || seen.exec.as_deref() != own))
            .map(ToString::to_string)
            .collect();
        // One that was begun before, and still runs. The list also has those that were made and never started: of a
        // request whose answer was lost.
        let execs = engine.inspect(&running.id).await?.map(|state| state.execs);
        let mut strangers = 0;
        for exec in execs.unwrap_or_default() {
            if Some(exec.as_str()) != own {
                let status = engine.exec_status(&exec).await;
                strangers += u32::from(status.is_ok_and(|status| status.running));
            }
        }
        if strangers > 0 && found.is_empty() {
            found.push(format!("{strangers} commands of others run in it"));
        }
        let more = found.len().saturating_sub(LISTED);
        found.truncate(LISTED);
        if more > 0 {
            found.push(format!("{more} more"));
        }
        Ok((!found.is_empty()).then(|| found.join(", ")))
    }
}

/// Where the look back begins by the wall clock as it is now. It may have been set in between: then the earlier of the
/// two answers, so that nothing is left out.
fn begin(since: Moment, now: Moment) -> DateTime<Utc> {
    let passed = Duration::from_nanos(now.monotonic_ns.saturating_sub(since.monotonic_ns));
    let passed = TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX);
    let by_monotonic = now.wall.checked_sub_signed(passed).unwrap_or(since.wall);
    by_monotonic.min(since.wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_leaves_nothing_out() {
        let at = |wall: i64, seconds: u64| Moment {
            wall: DateTime::from_timestamp(wall, 0).expect("a moment"),
            monotonic_ns: seconds * 1_000_000_000,
        };
        let begin = |since, now| begin(since, now).timestamp();
        assert_eq!(begin(at(1000, 0), at(1010, 10)), 1000);
        assert_eq!(begin(at(1000, 0), at(500, 10)), 490, "set back");
        assert_eq!(begin(at(1000, 0), at(5000, 10)), 1000, "set forward");
    }
}
