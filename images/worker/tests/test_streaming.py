"""An engine that streams: what is one step of it, whose thread steers it, and when it is idle after an abort."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lem_worker.answers import QualityOutput
from lem_worker.engines.base import Chunk, Facts, Settings, Submission
from lem_worker.engines.streaming import News, StreamingEngine
from lem_worker.requests import Load, Parameters

SETTINGS = Settings({}, 1)


class Streams(StreamingEngine):
    """Requests stay for ever, after `rounds` tokens, one in each round of the loop. Closing them fails as `closing`
    says, running them as `running` says."""

    NAME = "streams"
    DISTRIBUTION = "none"

    def __init__(self) -> None:
        super().__init__(Path())
        self.rounds = 1
        self.threads: set[int] = set()
        self.closing: Exception | None = None
        self.running: Exception | None = None

    async def stream(self, submission: Submission, settings: Settings) -> AsyncIterator[News]:
        if self.running is not None:
            raise self.running
        try:
            for _ in range(self.rounds):
                self.threads.add(threading.get_ident())
                yield News(1)
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            if self.closing is not None:
                raise self.closing

    async def settle(self) -> None:
        pass

    def load(self, load: Load, stop: Callable[[], None]) -> Facts:
        raise NotImplementedError

    def settings(self, parameters: Parameters) -> Settings:
        raise NotImplementedError

    def assess(self, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
        raise NotImplementedError


@pytest.fixture
def engine() -> Iterator[Streams]:
    one = Streams()
    yield one
    one.close()


def begin(engine: Streams) -> None:
    engine.submit([Submission(0, [1], 9)], SETTINGS)
    assert [chunk.ordinal for chunk in engine.advance(30.0)] == [0]


def test_a_request_that_does_not_leave_is_told(engine: Streams) -> None:
    begin(engine)
    engine.closing = TimeoutError("still there")
    with pytest.raises(TimeoutError, match="still there"):
        engine.abort()
    # Told once: the next abort has nothing to end.
    engine.abort()


def test_what_failed_before_an_abort_is_not_told_again(engine: Streams) -> None:
    engine.running = RuntimeError("broken")
    engine.submit([Submission(0, [1], 9), Submission(1, [1], 9)], SETTINGS)
    with pytest.raises(RuntimeError, match="broken"):
        engine.advance(30.0)
    engine.submit([Submission(2, [1], 9)], SETTINGS)
    engine.abort()
    engine.running = None
    begin(engine)
    engine.abort()


def test_a_step_ends_though_the_loop_is_never_quiet(engine: Streams) -> None:
    engine.rounds = 1000
    engine.submit([Submission(place, [1], 9) for place in range(3)], SETTINGS)
    places = [chunk.ordinal for chunk in engine.advance(30.0)]
    # A token of each, and the beginning of what they say next.
    assert set(places) == {0, 1, 2}
    assert len(places) <= 6
    engine.abort()


def test_what_comes_is_answered_by_the_thread_that_it_comes_to(engine: Streams) -> None:
    engine.rounds = 3
    threads: set[int] = set()
    seen: list[int] = []

    def step(chunks: Sequence[Chunk]) -> float | None:
        if not threads:
            assert not chunks
            engine.submit([Submission(0, [1], 9)], SETTINGS)
        threads.add(threading.get_ident())
        seen.extend(chunk.ordinal for chunk in chunks)
        return 30.0 if len(seen) < engine.rounds else None

    engine.drive(step)
    assert seen == [0] * engine.rounds
    assert threads == engine.threads
    engine.abort()


def test_what_a_step_raises_ends_the_drive(engine: Streams) -> None:
    def step(chunks: Sequence[Chunk]) -> float | None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        engine.drive(step)
