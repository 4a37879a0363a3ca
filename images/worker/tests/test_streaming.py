"""Aborting an engine that streams: when it is idle, and when it must not be taken for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lem_worker.answers import QualityOutput
from lem_worker.engines.base import Facts, Settings, Submission
from lem_worker.engines.streaming import News, StreamingEngine
from lem_worker.requests import Load, Parameters

SETTINGS = Settings({}, 1)


class Streams(StreamingEngine):
    """Requests stay for ever. Closing them fails as `closing` says, running them as `running` says."""

    NAME = "streams"
    DISTRIBUTION = "none"

    def __init__(self) -> None:
        super().__init__(Path())
        self.closing: Exception | None = None
        self.running: Exception | None = None

    async def stream(self, submission: Submission, settings: Settings) -> AsyncIterator[News]:
        if self.running is not None:
            raise self.running
        try:
            yield News(1)
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
