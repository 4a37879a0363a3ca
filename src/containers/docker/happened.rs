//! The Engine's memory of what befell a container. It keeps its last 256 events of all containers, so that a question
//! about the last minutes is answered whole on all but the busiest hosts.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;

use super::errors::{Asked, translate};
use crate::containers::happening::MAX_HAPPENINGS;
use crate::containers::{ContainerId, EngineError, Happening};

/// Asks for what lies between the two moments; the Engine ends its answer at the second, which has passed.
pub(super) async fn between(
    docker: &Docker,
    asked: &Asked,
    id: &ContainerId,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Happening>, EngineError> {
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
