"""Arrivals, boundaries and what is unfinished, with an engine that follows a script."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lem_worker import window
from lem_worker.answers import QualityOutput
from lem_worker.engines.base import Chunk, Engine, Facts, Settings, Submission
from lem_worker.fault import Code, Fault
from lem_worker.requests import Arrival, BatchArrival, ClosedLoopArrival, Load, MeasureFor, OpenLoopArrival, Parameters
from lem_worker.strict import encode
from lem_worker.window import Ran, Ready, Window

MS = 1_000_000


class Stepping(Engine):
    """Gives every running request a token a step, `step_ns` apart on a clock of its own that starts now."""

    NAME = "stepping"
    DISTRIBUTION = "none"

    def __init__(self, slots: int = 100, step_ns: int = MS) -> None:
        super().__init__(Path())
        self.slots = slots
        self.step_ns = step_ns
        self.now_ns = 0
        self.waiting: list[Submission] = []
        self.running: dict[int, list[int]] = {}
        self.lots: list[list[int]] = []
        self.extra: list[Chunk] = []

    def submit(self, requests: Sequence[Submission], settings: Settings) -> None:
        self.now_ns = max(self.now_ns, time.monotonic_ns())
        self.waiting += requests
        self.lots.append([one.ordinal for one in requests])

    def advance(self, timeout_seconds: float) -> Sequence[Chunk]:
        while self.waiting and len(self.running) < self.slots:
            one = self.waiting.pop(0)
            self.running[one.ordinal] = [one.output_tokens]
        self.now_ns += self.step_ns
        chunks = []
        for ordinal, left in list(self.running.items()):
            left[0] -= 1
            chunks.append(Chunk(ordinal, 1, self.now_ns, finished=left[0] == 0))
            if left[0] == 0:
                del self.running[ordinal]
        return [*chunks, *self.extra]

    def load(self, load: Load, stop: Callable[[], None]) -> Facts:
        raise NotImplementedError

    def settings(self, parameters: Parameters) -> Settings:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError

    def assess(self, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def run(
    engine: Stepping,
    lengths: Sequence[int],
    arrival: Arrival,
    until: MeasureFor | None = None,
    *,
    batch_size: int = 2,
    arrivals_ns: Sequence[int] = (),
    goes_on: Callable[[int], None] = lambda _: None,
) -> Ran:
    prompts = [Ready([1] * (place + 1), length) for place, length in enumerate(lengths)]
    asked = Window(engine, prompts, Settings({}, batch_size), arrival, arrivals_ns, until)
    return asked.run(time.monotonic_ns(), goes_on)


def test_batches_are_whole_and_come_when_the_one_before_has_ended() -> None:
    engine = Stepping()
    ran = run(engine, [3, 5, 2], BatchArrival(), MeasureFor(0.0, 3))
    assert engine.lots == [[0, 1], [2, 3]]
    assert [request.prompt for request in ran.requests] == [0, 1, 2, 0]
    assert [request.input_tokens for request in ran.requests] == [1, 2, 3, 1]
    assert [request.output_tokens for request in ran.requests] == [3, 5, 2, 3]
    assert ran.unfinished == []
    first = {request.queued_ns for request in ran.requests[:2]}
    second = {request.queued_ns for request in ran.requests[2:]}
    assert len(first) == len(second) == 1
    assert ran.end_ns == max(request.first_token_ns + sum(request.token_gaps_ns) for request in ran.requests)


def test_a_closed_loop_replaces_what_ends_and_stops_at_the_first_boundary() -> None:
    engine = Stepping()
    ran = run(engine, [4, 6], ClosedLoopArrival(2), MeasureFor(0.0, 3))
    # Steps: 0 ends at 4, then 2 (of 4 tokens) at 8; 1 ends at 6, then 3 (of 6) goes on.
    assert engine.lots == [[0, 1], [2], [3]]
    assert [request.prompt for request in ran.requests] == [0, 1, 0]
    (left,) = ran.unfinished
    assert (left.prompt, len(left.token_gaps_ns) + 1) == (1, 2)
    assert left.first_token_ns is not None
    assert left.first_token_ns + sum(left.token_gaps_ns) == ran.end_ns


def test_what_ends_together_at_the_boundary_is_finished_together() -> None:
    ran = run(Stepping(), [3, 3, 9], ClosedLoopArrival(3), MeasureFor(0.0, 1))
    assert [request.prompt for request in ran.requests] == [0, 1]
    assert [request.prompt for request in ran.unfinished] == [2]


def test_what_waits_at_the_end_has_no_times() -> None:
    ran = run(Stepping(slots=1), [2, 2, 2], ClosedLoopArrival(3), MeasureFor(0.0, 1))
    assert [request.prompt for request in ran.requests] == [0]
    for left in ran.unfinished:
        assert (left.prefill_ns, left.first_token_ns, left.token_gaps_ns) == (None, None, [])


def test_records_stand_in_the_order_of_the_queue() -> None:
    ran = run(Stepping(), [9, 2, 5], ClosedLoopArrival(3), MeasureFor(0.0, 4))
    queued = [request.queued_ns for request in ran.requests]
    assert queued == sorted(queued)
    assert ran.requests[0].output_tokens == 9


def test_both_minima_must_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Stepping(step_ns=10 * MS)
    # One clock for both: on the machine's, time passes between two steps.
    monkeypatch.setattr(time, "monotonic_ns", lambda: engine.now_ns)
    ran = run(engine, [1], ClosedLoopArrival(1), MeasureFor(0.1, 2))
    assert ran.end_ns - ran.start_ns == 100 * MS
    assert len(ran.requests) == 10


@pytest.mark.parametrize(
    ("arrival", "count"), [(BatchArrival(), 2), (ClosedLoopArrival(5), 5), (OpenLoopArrival(9), 2)]
)
def test_one_iteration_is_one_batch_or_what_is_in_flight(arrival: Arrival, count: int) -> None:
    ran = run(Stepping(), [3, 4], arrival, arrivals_ns=[0])
    assert len(ran.requests) == count
    assert ran.unfinished == []


def test_one_iteration_of_an_open_loop_is_no_more_than_the_workload() -> None:
    assert len(run(Stepping(), [3, 4], OpenLoopArrival(9), batch_size=1000).requests) == 2


def test_an_open_loop_sends_what_is_due_and_counts_from_there() -> None:
    engine = Stepping(step_ns=1)
    ran = run(engine, [2, 3], OpenLoopArrival(9), MeasureFor(9.0, 99), arrivals_ns=[0, 0, 100 * MS], batch_size=100)
    assert engine.lots == [[0, 1], [2]]
    assert [request.due_ns for request in ran.requests] == [ran.start_ns, ran.start_ns, ran.start_ns + 100 * MS]
    assert all(request.due_ns is not None and request.queued_ns >= request.due_ns for request in ran.requests)
    # It ends with the last token, whatever the minima are.
    assert ran.end_ns == ran.requests[-1].first_token_ns + sum(ran.requests[-1].token_gaps_ns)


def test_a_stop_comes_between_two_steps() -> None:
    seen: list[int] = []

    def goes_on(finished: int) -> None:
        seen.append(finished)
        if len(seen) == 5:
            raise Fault(Code.CANCELLED, "enough")

    with pytest.raises(Fault, match="enough"):
        run(Stepping(), [2], ClosedLoopArrival(1), MeasureFor(0.0, 100), goes_on=goes_on)
    assert seen == [0, 0, 1, 1, 2]


def test_an_engine_that_speaks_of_strangers_is_not_believed() -> None:
    engine = Stepping()
    engine.extra = [Chunk(77, 1, time.monotonic_ns())]
    with pytest.raises(Fault, match="request 77"):
        run(engine, [2], BatchArrival(), MeasureFor(0.0, 1))


@pytest.mark.parametrize("limit", [10 * window.TOKEN_BYTES + 99, 3 * window.REQUEST_BYTES])
def test_a_window_that_no_record_can_hold_is_stopped(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(window, "MAX_RECORD_BYTES", limit)
    with pytest.raises(Fault) as stopped:
        run(Stepping(), [4], ClosedLoopArrival(2), MeasureFor(0.0, 100))
    assert stopped.value.code is Code.RECORD_FAILED
    assert "min_seconds" in (stopped.value.hint or "")


def test_what_is_stopped_in_time_would_have_fitted() -> None:
    ran = run(Stepping(step_ns=1_999_999_999), [1, 50], ClosedLoopArrival(20), MeasureFor(0.0, 200))
    written = len(json.dumps(encode(ran.requests), separators=(",", ":")))
    tokens = sum(request.output_tokens for request in ran.requests)
    assert written <= tokens * window.TOKEN_BYTES + len(ran.requests) * window.REQUEST_BYTES
