"""Runs work on an engine: lets requests arrive, and ends at the boundary that was asked for.

The only place that decides about arrivals, minima, boundaries and what is unfinished. It knows the engine's
interface and the clock, and nothing of the pipe.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lem_worker.answers import RequestRecord, TimingKind, UnfinishedRequest
from lem_worker.engines.base import Chunk, Engine, Settings, Submission
from lem_worker.fault import Code, Fault
from lem_worker.requests import (
    MAX_RECORD_BYTES,
    Arrival,
    BatchArrival,
    ClosedLoopArrival,
    MeasureFor,
    OpenLoopArrival,
)
from lem_worker.sequence import Sequence as Request

# Longest wait for an engine's news: so late is a cancel noticed while nothing happens.
WAIT_SECONDS = 0.05
# What a token's time and a request's other members take in a record, about: a window whose record nobody could
# read is stopped while it runs, and with it what it takes of memory.
TOKEN_BYTES = 11
REQUEST_BYTES = 220
# Requests in flight at most: each that waits costs a little memory.
MAX_CONCURRENCY = 65_536


@dataclass(frozen=True, slots=True)
class Ready:
    """A prompt as the engine gets it."""

    input_ids: Sequence[int]
    output_tokens: int
    natural: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """What ran."""

    start_ns: int
    # When the last token existed, or when waiting for it was given up.
    end_ns: int
    requests: list[RequestRecord]
    unfinished: list[UnfinishedRequest]
    token_timing: TimingKind

    @property
    def output_tokens(self) -> int:
        """Of finished requests."""
        return sum(request.output_tokens for request in self.requests)


class Window:
    """One window. `until` None: one iteration, that is one batch, or as many requests as are in flight."""

    def __init__(
        self,
        engine: Engine,
        prompts: Sequence[Ready],
        settings: Settings,
        arrival: Arrival,
        arrivals_ns: Sequence[int] = (),
        until: MeasureFor | None = None,
    ) -> None:
        self._engine = engine
        self._prompts = prompts
        self._settings = settings
        self._arrival = arrival
        self._arrivals_ns = arrivals_ns
        self._until = until
        self._next = 0
        self._tokens = 0
        self._last_ns = 0
        self._in_flight: dict[int, Request] = {}
        self._finished: list[Request] = []

    def run(self, start_ns: int, goes_on: Callable[[int], None]) -> Ran:
        """Runs to the end, from `start_ns`, which is now. `goes_on` is called before every step with the number of
        finished requests: it raises when the work must stop."""
        self._last_ns = start_ns
        if isinstance(self._arrival, OpenLoopArrival) and self._until is not None:
            end_ns = self._run_open(start_ns, self._arrival.drain_seconds, goes_on)
        else:
            end_ns = self._run_closed(start_ns, goes_on)
        self._finished.sort(key=lambda request: request.submission.ordinal)
        both = [*self._finished, *self._in_flight.values()]
        return Ran(
            start_ns,
            end_ns,
            [request.to_record() for request in self._finished],
            [self._in_flight[ordinal].to_unfinished() for ordinal in sorted(self._in_flight)],
            "estimated" if any(request.is_chunked for request in both) else "measured",
        )

    def _run_closed(self, start_ns: int, goes_on: Callable[[int], None]) -> int:
        """Batches, a closed loop, or one iteration of anything."""
        first = in_flight(self._arrival, self._settings)
        if isinstance(self._arrival, OpenLoopArrival):
            # Nothing is due while it warms up; an engine's own batch may be far more than the workload has.
            first = min(first, len(self._prompts))
        whole = self._until is None or isinstance(self._arrival, BatchArrival)
        self._arrive(first)

        def step(chunks: Sequence[Chunk]) -> float | None:
            ended = self._take(chunks)
            is_boundary = not self._in_flight if whole else ended > 0
            if is_boundary:
                if self._is_enough(self._last_ns - start_ns):
                    return None
                self._arrive(first if whole else ended)
            goes_on(len(self._finished))
            return WAIT_SECONDS

        self._engine.drive(step)
        return self._last_ns

    def _run_open(self, start_ns: int, drain_seconds: int, goes_on: Callable[[int], None]) -> int:
        """Each request when it is due, whatever became of those before it."""
        last_due_ns = start_ns + (self._arrivals_ns[-1] if self._arrivals_ns else 0)
        give_up_ns = last_due_ns + drain_seconds * 1_000_000_000
        now_ns = start_ns

        def step(chunks: Sequence[Chunk]) -> float | None:
            nonlocal now_ns
            self._take(chunks)
            goes_on(len(self._finished))
            now_ns = time.monotonic_ns()
            self._arrive(self._due_by(now_ns - start_ns), start_ns)
            if self._next == len(self._arrivals_ns):
                if not self._in_flight or now_ns >= give_up_ns:
                    return None
                until_ns = give_up_ns
            else:
                until_ns = start_ns + self._arrivals_ns[self._next]
            return min(max(until_ns - time.monotonic_ns(), 0) / 1e9, WAIT_SECONDS)

        self._engine.drive(step)
        return max(now_ns, self._last_ns) if self._in_flight else self._last_ns

    def _due_by(self, elapsed_ns: int) -> int:
        """How many of the requests that have not arrived are due."""
        place = self._next
        while place < len(self._arrivals_ns) and self._arrivals_ns[place] <= elapsed_ns:
            place += 1
        return place - self._next

    def _is_enough(self, elapsed_ns: int) -> bool:
        until = self._until
        return until is None or (elapsed_ns >= until.min_seconds * 1e9 and len(self._finished) >= until.min_requests)

    def _arrive(self, count: int, open_since_ns: int | None = None) -> None:
        """Hands the next `count` requests over, all at one moment."""
        if count == 0:
            return
        lot: list[Request] = []
        queued_ns = time.monotonic_ns()
        for ordinal in range(self._next, self._next + count):
            place = ordinal % len(self._prompts)
            prompt = self._prompts[place]
            submission = Submission(ordinal, prompt.input_ids, prompt.output_tokens, prompt.natural)
            due_ns = None if open_since_ns is None else open_since_ns + self._arrivals_ns[ordinal]
            lot.append(Request(submission, place, queued_ns, due_ns))
        self._next += count
        self._in_flight.update((request.submission.ordinal, request) for request in lot)
        self._engine.submit([request.submission for request in lot], self._settings)

    def _take(self, chunks: Sequence[Chunk]) -> int:
        """Gives how many requests finished."""
        before = len(self._finished)
        for chunk in chunks:
            request = self._in_flight.get(chunk.ordinal)
            if request is None:
                raise Fault(Code.ENGINE_FAILED, f"the engine speaks of request {chunk.ordinal}, which is not in flight")
            request.take(chunk)
            self._tokens += chunk.tokens
            self._last_ns = max(self._last_ns, chunk.at_ns)
            if chunk.finished:
                self._finished.append(self._in_flight.pop(chunk.ordinal))
        if self._tokens * TOKEN_BYTES + self._next * REQUEST_BYTES > MAX_RECORD_BYTES:
            raise Fault(
                Code.RECORD_FAILED,
                f"the window has {self._next} requests and {self._tokens} tokens, more than a record can hold",
                "measure fewer tokens: lower min_seconds or min_requests",
            )
        return len(self._finished) - before


def in_flight(arrival: Arrival, settings: Settings) -> int:
    """Requests of the first lot; of an open loop's one iteration, as many as one batch has."""
    if isinstance(arrival, ClosedLoopArrival):
        return arrival.concurrency
    return settings.batch_size
