//! Windows over a tiny model: who is queued, runs and is finished when, and where a window ends.

use candle_core::DType;

use super::*;
use crate::model::Shape;
use crate::parameters::Sampling;

const TINY: Shape = Shape {
    hidden_size: 16,
    num_layers: 1,
    num_heads: 2,
    num_kv_heads: 1,
    intermediate_size: 16,
    vocab_size: 50,
    context_length: 64,
};

fn run(arrival: Arrival, batch_size: usize, until: Until) -> Ran {
    run_scheduled(arrival, &[], batch_size, until)
}

fn run_scheduled(arrival: Arrival, arrivals_ns: &[u64], batch_size: usize, until: Until) -> Ran {
    let llama = Llama::random(TINY, DType::F32, 1, &mut || true)
        .unwrap()
        .unwrap();
    let prompts: Vec<_> = (1..4u32)
        .map(|size| Prompt {
            input_ids: vec![size; size as usize],
            output_tokens: size * 3,
            ..Prompt::default()
        })
        .collect();
    let request = Request {
        batch_size,
        sampling: Sampling::Greedy,
    };
    Window {
        llama: &llama,
        prompts: &prompts,
        arrival,
        arrivals_ns,
        request,
        until,
    }
    .run(monotonic_ns(), &mut |_| Ok(()))
    .unwrap()
}

fn minima(min_seconds: f64, min_requests: u32) -> Until {
    Until::Minima(MeasureFor {
        min_seconds,
        min_requests,
    })
}

fn assert_consistent(ran: &Ran) {
    let mut earlier = ran.start_ns;
    for (place, request) in ran.requests.iter().enumerate() {
        assert!(
            earlier <= request.queued_ns,
            "request {place} stands in the order of the queue"
        );
        earlier = request.queued_ns;
        assert!(
            request.queued_ns <= request.prefill_ns && request.prefill_ns < request.first_token_ns
        );
        assert!(request.last_token_ns() <= ran.end_ns);
        assert_eq!(
            request.token_gaps_ns.len() + 1,
            request.output_tokens as usize
        );
        assert!(request.token_gaps_ns.iter().all(|gap| *gap > 0));
        let size = request.prompt + 1;
        assert_eq!(
            (request.input_tokens, request.output_tokens),
            (size, size * 3)
        );
    }
    assert_eq!(
        ran.requests.iter().map(RequestRecord::last_token_ns).max(),
        Some(ran.end_ns)
    );
}

#[test]
fn whole_batches_until_there_are_enough_requests() {
    let ran = run(Arrival::Batch {}, 2, minima(0.0, 5));
    assert_consistent(&ran);
    assert_eq!(
        ran.requests
            .iter()
            .map(|request| request.prompt)
            .collect::<Vec<_>>(),
        [0, 1, 2, 0, 1, 2]
    );
    // Both of a batch are queued at once, and only when the last of the batch before has finished.
    for pair in ran.requests.chunks(2) {
        assert_eq!(pair[0].queued_ns, pair[1].queued_ns);
    }
    let ended = ran.requests[..2]
        .iter()
        .map(RequestRecord::last_token_ns)
        .max()
        .unwrap();
    assert_eq!(ran.requests[2].queued_ns, ended);
}

#[test]
fn both_minima_must_hold() {
    let ran = run(Arrival::Batch {}, 3, minima(0.3, 1));
    assert_consistent(&ran);
    assert!(ran.end_ns - ran.start_ns >= 300_000_000);
    assert!(ran.requests.len().is_multiple_of(3) && ran.requests.len() > 3);
    assert_eq!(ran.unfinished, []);
}

#[test]
fn a_closed_loop_keeps_its_requests_in_flight_and_at_most_a_batch_running() {
    let ran = run(Arrival::ClosedLoop { concurrency: 5 }, 2, minima(0.0, 12));
    assert_consistent(&ran);
    assert!(ran.requests.len() >= 12);
    // What was in flight when the last finished and no other took its place: all prompts are different, so
    // only one ends at a time.
    assert_eq!(ran.unfinished.len(), 4);
    for request in &ran.unfinished {
        let size = request.prompt + 1;
        assert_eq!(request.input_tokens, size);
        assert!(request.output_tokens() < u64::from(size) * 3);
        assert_eq!(
            request.prefill_ns.is_some(),
            request.first_token_ns.is_some()
        );
        assert!(request.last_token_ns().is_none_or(|at| at <= ran.end_ns));
    }
    let waits = |request: &&UnfinishedRequest| request.prefill_ns.is_none();
    assert_eq!(ran.unfinished.iter().filter(waits).count(), 3);
    for request in &ran.requests {
        let at = request.prefill_ns;
        let runs = |other: &&RequestRecord| other.prefill_ns <= at && at < other.last_token_ns();
        let flies = |other: &&RequestRecord| other.queued_ns <= at && at < other.last_token_ns();
        assert!(ran.requests.iter().filter(runs).count() <= 2);
        assert!(ran.requests.iter().filter(flies).count() <= 5);
    }
    // The first five arrive together; each later one when another has finished.
    assert!(
        ran.requests[..5]
            .iter()
            .all(|request| request.queued_ns == ran.requests[0].queued_ns)
    );
    for request in &ran.requests[5..] {
        assert!(
            ran.requests
                .iter()
                .any(|other| other.last_token_ns() == request.queued_ns)
        );
    }
}

#[test]
fn one_iteration_is_a_batch_or_the_requests_in_flight() {
    assert_eq!(
        run(Arrival::Batch {}, 3, Until::OneIteration)
            .requests
            .len(),
        3
    );
    let ran = run(
        Arrival::ClosedLoop { concurrency: 5 },
        2,
        Until::OneIteration,
    );
    assert_consistent(&ran);
    assert_eq!(ran.requests.len(), 5);
}

#[test]
fn it_stops_at_the_next_token_when_told() {
    let llama = Llama::random(TINY, DType::F32, 1, &mut || true)
        .unwrap()
        .unwrap();
    let prompts = [Prompt {
        input_ids: vec![1],
        output_tokens: 50,
        ..Prompt::default()
    }];
    let request = Request {
        batch_size: 1,
        sampling: Sampling::Greedy,
    };
    let window = Window {
        llama: &llama,
        prompts: &prompts,
        arrival: Arrival::Batch {},
        arrivals_ns: &[],
        request,
        until: minima(1e9, 1),
    };
    let mut steps = 0;
    let ended = window.run(monotonic_ns(), &mut |_| {
        steps += 1;
        if steps < 4 {
            Ok(())
        } else {
            Err(Fault::new(Code::Cancelled, "cancelled"))
        }
    });
    assert_eq!(ended.err().map(|fault| fault.code), Some(Code::Cancelled));
    assert_eq!(steps, 4);
}

const MS: u64 = 1_000_000;

#[test]
fn an_open_loop_queues_each_request_when_it_is_due() {
    let arrivals: Vec<u64> = [5, 5, 40, 60, 90].map(|at| at * MS).into();
    let ran = run_scheduled(
        Arrival::OpenLoop { drain_seconds: 60 },
        &arrivals,
        2,
        // The schedule decides, not the minima.
        minima(0.0, 1),
    );
    assert_consistent(&ran);
    assert_eq!(ran.unfinished, []);
    for (place, request) in ran.requests.iter().enumerate() {
        assert_eq!(request.due_ns, Some(ran.start_ns + arrivals[place]));
        assert!(request.queued_ns >= ran.start_ns + arrivals[place]);
        assert_eq!(request.prompt as usize, place % 3);
    }
    assert!(ran.end_ns - ran.start_ns >= 90 * MS);
}

#[test]
fn what_does_not_finish_within_the_drain_is_unfinished() {
    let arrivals: Vec<u64> = (0..20_000).map(|at| at * 10).collect();
    let ran = run_scheduled(
        Arrival::OpenLoop { drain_seconds: 0 },
        &arrivals,
        1,
        minima(0.0, 1),
    );
    // All of them were sent, though there was time for few.
    assert_eq!(ran.requests.len() + ran.unfinished.len(), arrivals.len());
    assert!(!ran.unfinished.is_empty());
    assert!(ran.end_ns >= ran.start_ns + arrivals[arrivals.len() - 1]);
    for (place, request) in ran.unfinished.iter().enumerate() {
        let ordinal = ran.requests.len() + place;
        assert_eq!(request.due_ns, Some(ran.start_ns + arrivals[ordinal]));
    }
}

#[test]
fn one_iteration_of_an_open_loop_is_a_batch_without_times() {
    let arrival = Arrival::OpenLoop { drain_seconds: 1 };
    let ran = run_scheduled(arrival, &[MS, 2 * MS], 3, Until::OneIteration);
    assert_consistent(&ran);
    assert_eq!(ran.requests.len(), 3);
    assert!(ran.requests.iter().all(|request| request.due_ns.is_none()));
}
