"""Engines that schedule by themselves and stream each request's tokens through asyncio.

Turns their streams into the steps that the worker asks for. It knows asyncio and the clock, and none of them.
"""

import asyncio
import concurrent.futures
import threading
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lem_worker.engines.base import Chunk, Engine, Settings, Submission
from lem_worker.fault import Code, Fault

T = TypeVar("T")

# How often a cancel is looked for while there are no steps.
LOOK_SECONDS = 0.1
# How long the loop may take to stop.
CLOSE_SECONDS = 2.0
# Rounds of the loop without anything new after which a step's tokens are all there: an engine hands a large step
# over in parts, with other work of the loop in between. A loop that lags behind its engine is never quiet: there the
# next step's first news ends the wait.
QUIET_ROUNDS = 2


class News(NamedTuple):
    """What an engine's stream says of one request."""

    tokens: int
    # `length`, `stop`, or why it ended otherwise.
    finish: str | None = None
    prefill_ns: int | None = None
    cached_tokens: int = 0


class StreamingEngine(Engine):
    """An engine behind an event loop in a thread of its own, which runs as long as the engine does: an engine's own
    threads hand tokens to it at any time, and its death is heard at any time."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run_loop, name="engine", daemon=True)
        self._thread.start()
        # From here on of the loop's thread alone.
        self._wake = asyncio.Event()
        self._news: list[Chunk] = []
        # Whose news they are: a request speaks once in a step, so one that speaks again is of the next.
        self._spoke: set[int] = set()
        self._is_next_step = False
        self._failure: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    def stream(self, submission: Submission, settings: Settings) -> AsyncIterator[News]:
        """The request's news, up to the one that says why it ended. Closing it ends the request in the engine."""

    @abstractmethod
    async def settle(self) -> None:
        """Returns when what was closed is out of the engine; raises if it does not leave or the engine is dead."""

    def within(self, work: Coroutine[Any, Any, T], look: Callable[[], None] | None = None) -> T:
        """What `work` returns, done by the loop. `look` is called again and again meanwhile: if it raises, the work
        is cancelled, and not waited for, since an engine that starts does not hear of it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        if look is None:
            return future.result()
        try:
            while not future.done():
                concurrent.futures.wait([future], LOOK_SECONDS)
                look()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def submit(self, requests: Sequence[Submission], settings: Settings) -> None:
        self._loop.call_soon_threadsafe(self._start, requests, settings)

    def advance(self, timeout_seconds: float) -> Sequence[Chunk]:
        return self.within(self._wait(timeout_seconds))

    def drive(self, step: Callable[[Sequence[Chunk]], float | None]) -> None:
        """Within the loop: an engine at full load leaves another thread no time to answer within a step."""
        self.within(self._drive(step))

    def abort(self) -> None:
        self.within(self._abort())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _start(self, requests: Sequence[Submission], settings: Settings) -> None:
        for request in requests:
            task = self._loop.create_task(self._follow(request, settings))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drive(self, step: Callable[[Sequence[Chunk]], float | None]) -> None:
        timeout_seconds = step(())
        while timeout_seconds is not None:
            timeout_seconds = step(await self._wait(timeout_seconds))

    async def _wait(self, timeout_seconds: float) -> list[Chunk]:
        if not self._news and self._failure is None:
            timer = self._loop.call_later(timeout_seconds, self._wake.set)
            await self._wake.wait()
            timer.cancel()
        quiet = 0
        while quiet < QUIET_ROUNDS and not self._is_next_step:
            before = len(self._news)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._news) == before else 0
        self._wake.clear()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return self._take_news()

    def _take_news(self) -> list[Chunk]:
        news, self._news = self._news, []
        self._spoke.clear()
        self._is_next_step = False
        return news

    async def _follow(self, request: Submission, settings: Settings) -> None:
        made, is_finished = 0, False
        try:
            async for news in self.stream(request, settings):
                at_ns = time.monotonic_ns()
                made += news.tokens
                is_finished = news.finish is not None
                if news.finish not in (None, "length", "stop"):
                    raise Fault(Code.ENGINE_FAILED, f"the engine ended request {request.ordinal}: {news.finish}")
                self._is_next_step = self._is_next_step or request.ordinal in self._spoke
                self._spoke.add(request.ordinal)
                self._news.append(
                    Chunk(
                        ordinal=request.ordinal,
                        tokens=news.tokens,
                        at_ns=at_ns,
                        prefill_ns=news.prefill_ns,
                        cached_tokens=news.cached_tokens,
                        finished=is_finished,
                        ended_early=news.finish == "stop" and made < request.output_tokens,
                    )
                )
                self._wake.set()
            if not is_finished:
                raise Fault(Code.ENGINE_FAILED, f"the stream of request {request.ordinal} ended without saying why")
        except Exception as error:
            self._failure = self._failure or error
            self._wake.set()

    async def _abort(self) -> None:
        # What failed before belongs to the work that ends here. What fails from here on failed to leave, and the next
        # window would be measured beside it.
        self._failure = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._take_news()
        self._wake.clear()
        await self.settle()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure


def _new_loop() -> asyncio.AbstractEventLoop:
    """The loop that the engines' own servers use, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
