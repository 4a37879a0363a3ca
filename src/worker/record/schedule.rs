//! An open loop's record held against its schedule: every request was sent, none before it was due, and none
//! given up before the drain was over. A record that left late requests out would look fast.

use lem_protocol::Record;

use super::{Expected, printable};

/// Largest distance of the schedule's origin from `measure_start`: a worker may read its clock twice.
const ORIGIN_NS: u64 = 1_000_000;

/// Holds the record against the schedule.
pub(super) fn check(
    record: &Record,
    expected: &Expected<'_>,
    drain_seconds: u32,
    (start, end): (u64, u64),
) -> Result<(), String> {
    let arrivals = expected.arrivals_ns;
    let sent = record.requests.len() + record.unfinished.len();
    if sent != arrivals.len() {
        return Err(format!(
            "{sent} requests are in the record, {} are in the schedule",
            arrivals.len()
        ));
    }
    let mut found = sent_requests(record)?;
    found.sort_unstable();
    let prompts = expected.lengths.len().max(1);
    let mut planned: Vec<(u64, u32)> = arrivals
        .iter()
        .enumerate()
        .map(|(place, at)| (*at, u32::try_from(place % prompts).unwrap_or(u32::MAX)))
        .collect();
    planned.sort_unstable();
    let (Some(first), Some((last, _))) = (planned.first(), planned.last()) else {
        return Err("an open loop without a schedule".to_owned());
    };
    let origin = found
        .first()
        .map_or(0, |(due, _)| *due)
        .checked_sub(first.0);
    let origin = origin
        .filter(|origin| (start..=start.saturating_add(ORIGIN_NS)).contains(origin))
        .ok_or("the first request is not due where the schedule has it")?;
    for ((at, prompt), (due, sent)) in planned.iter().zip(&found) {
        if origin.checked_add(*at) != Some(*due) || prompt != sent {
            let due = due.saturating_sub(origin);
            return Err(printable(
                format!("prompt {sent} is due {due} ns after the start, the schedule has prompt {prompt} at {at} ns")
                    .as_bytes(),
            ));
        }
    }
    let last_due = origin.saturating_add(*last);
    let given_up = last_due.saturating_add(u64::from(drain_seconds) * 1_000_000_000);
    if !record.unfinished.is_empty() && end < given_up {
        return Err(format!(
            "requests are unfinished, and the window ended {} ns after the last was due, before the {drain_seconds} s of drain were over",
            end.saturating_sub(last_due)
        ));
    }
    Ok(())
}

/// When each request was due, and its prompt.
fn sent_requests(record: &Record) -> Result<Vec<(u64, u32)>, String> {
    let finished = record
        .requests
        .iter()
        .map(|one| ("requests", one.due_ns, one.queued_ns, one.prompt));
    let unfinished = record
        .unfinished
        .iter()
        .map(|one| ("unfinished", one.due_ns, one.queued_ns, one.prompt));
    let mut found = Vec::with_capacity(record.requests.len() + record.unfinished.len());
    for (list, due, queued, prompt) in finished.chain(unfinished) {
        let Some(due) = due else {
            return Err(format!("{list}: a request of an open loop has no due_ns"));
        };
        if queued < due {
            return Err(format!(
                "{list}: a request was queued ({queued} ns) before it was due ({due} ns)"
            ));
        }
        found.push((due, prompt));
    }
    Ok(found)
}

/// No request of a batch or a closed loop is due at a time.
pub(super) fn has_none(record: &Record) -> Result<(), String> {
    let mut due = record.requests.iter().map(|one| one.due_ns);
    let mut waiting = record.unfinished.iter().map(|one| one.due_ns);
    if due.any(|due| due.is_some()) || waiting.any(|due| due.is_some()) {
        return Err("a request has due_ns, and the arrival has no schedule".to_owned());
    }
    Ok(())
}
