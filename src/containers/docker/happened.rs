//! The Engine's memory of what befell a container. It keeps its last 256 events of all containers, so that a question
//! about the last minutes is answered whole on all but the busiest hosts.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;

use super::errors::{Asked, translate};
use crate::clock::{Clock, HostClock};
use crate::containers::happening::MAX_HAPPENINGS;
use crate::containers::{ContainerId, EngineError, Happening};

/// Asks for what lies between the two moments of our wall clock; the Engine ends its answer at the second, which has
/// passed. It reads both by its own clock and waits for a moment that has not come there: on another host, or after
/// ours was set, so they are moved to what it shows.
pub(super) async fn between(
    docker: &Docker,
    asked: &Asked,
    id: &ContainerId,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Happening>, EngineError> {
    let ours = HostClock.wall();
    let told = docker
        .info()
        .await
        .map_err(|error| translate(asked, error))?;
    let theirs = told.system_time.and_then(|time| time.parse().ok());
    let (since, until) = moved(since, until, ours, theirs.unwrap_or(ours));
    let options = EventsOptions {
        since: Some(moment(since)),
        until: Some(moment(until)),
        filters: Some(HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("container".to_owned(), vec![id.0.clone()]),
        ])),
    };
    let mut events = std::pin::pin!(docker.events(Some(options)).take(MAX_HAPPENINGS));
    let mut found = Vec::new();
    while let Some(event) = events.next().await {
        found.extend(happening(event.map_err(|error| translate(asked, error))?));
    }
    Ok(found)
}

/// The two moments by a clock that shows `theirs` now, while ours shows `ours`; none that has not come there.
fn moved(
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    ours: DateTime<Utc>,
    theirs: DateTime<Utc>,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let ahead = theirs - ours;
    let there = |at: DateTime<Utc>| at.checked_add_signed(ahead).unwrap_or(theirs).min(theirs);
    (there(since), there(until))
}

/// As the Engine reads moments: seconds and nanoseconds.
fn moment(at: DateTime<Utc>) -> String {
    format!("{}.{:09}", at.timestamp(), at.timestamp_subsec_nanos())
}

fn happening(event: EventMessage) -> Option<Happening> {
    let at = DateTime::from_timestamp_nanos(event.time_nano?);
    let mut attributes = event.actor.and_then(|actor| actor.attributes);
    let exec = attributes.as_mut().and_then(|has| has.remove("execID"));
    Some(Happening::new(at, &event.action?, exec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_moved_to_the_engines_clock_and_never_beyond_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("a moment");
        let moved = |ours, theirs| {
            let (since, until) = moved(at(90), at(100), at(ours), at(theirs));
            (since.timestamp(), until.timestamp())
        };
        assert_eq!(moved(100, 100), (90, 100));
        assert_eq!(moved(100, 40), (30, 40), "ours is ahead");
        assert_eq!(moved(100, 400), (390, 400), "theirs is");
        assert_eq!(moved(150, 150), (90, 100), "what ended a while ago");
        assert_eq!(moved(99, 99), (90, 99), "what has not come");
    }
}
