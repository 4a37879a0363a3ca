//! The counter thread of one GPU: finds every step of its energy counter.

use super::phase::{Answer, EdgeFinder};
use super::shared::{EVENTS, GpuShared, Shared, Source, lock};
use crate::telemetry::timing::now_ns;
use crate::telemetry::{CounterBreak, ReadError};

/// Polls until the sampler stops, or the counter refuses for good.
pub(super) fn follow(shared: &Shared, gpu: &GpuShared) {
    let mut finder = EdgeFinder::new(shared.settings.update_period_ns, now_ns());
    let mut source = Source::default();
    let mut next = now_ns();
    while shared.sleep(next) {
        let start = now_ns();
        let answer = shared.telemetry.energy_millijoules(&gpu.uuid);
        let end = now_ns();
        source.answered(&answer);
        let edge = match answer {
            Ok(millijoules) => note(gpu, finder.answered(start, end, millijoules), (start, end)),
            Err(error) => {
                finder.failed();
                refused(gpu, error, (start, end));
                false
            }
        };
        if !source.is_asked() {
            lock(&gpu.counter).readable = false;
        }
        if edge || !source.is_asked() {
            shared.tell_step();
        }
        if !source.is_asked() {
            return;
        }
        next = finder.next_poll_ns(now_ns());
    }
}

/// True for an edge.
fn note(gpu: &GpuShared, answer: Answer, (start, end): (u64, u64)) -> bool {
    let mut log = lock(&gpu.counter);
    log.meter.update(1, end - start);
    if let Some(CounterBreak::Failed { until_ns, .. }) = log.breaks.last_mut() {
        until_ns.get_or_insert(end);
    }
    match answer {
        Answer::First | Answer::Same => false,
        Answer::Edge(edge) => {
            log.edges.push(edge);
            true
        }
        Answer::WentBack(from_millijoules, to_millijoules) => {
            if log.breaks.len() < EVENTS {
                log.breaks.push(CounterBreak::WentBack {
                    at_ns: end,
                    from_millijoules,
                    to_millijoules,
                });
            }
            false
        }
    }
}

fn refused(gpu: &GpuShared, error: ReadError, (start, end): (u64, u64)) {
    let mut log = lock(&gpu.counter);
    log.meter.update(1, end - start);
    log.errors.add(error, start);
    let goes_on = matches!(
        log.breaks.last(),
        Some(CounterBreak::Failed { until_ns: None, .. })
    );
    if !goes_on && log.breaks.len() < EVENTS {
        log.breaks.push(CounterBreak::Failed {
            from_ns: start,
            until_ns: None,
        });
    }
}
