"""Static batches: what waits is taken up to `batch_size` once no batch runs, and the batch ends with its last row.

A row that has all its tokens counts no more but keeps its place in the batch: that is what a static batch costs. It
knows requests and the clock; nothing of windows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lem_worker.engines.base import Chunk, Settings, Submission
from lem_worker.engines.pytorch.decoding import Decoder, Rows
from lem_worker.engines.pytorch.generation import Chooser, Generation
from lem_worker.engines.pytorch.profiling import Profiler, unwatched


@dataclass
class _Row:
    request: Submission
    made: int = 0
    finished: bool = False


@dataclass
class _Running:
    rows: list[_Row]
    ids: Rows
    chooser: Chooser
    is_fresh: bool = True


class Batcher:
    """Requests that wait and the batch that runs."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._waiting: deque[Submission] = deque()
        self._generation: Generation | None = None
        self._running: _Running | None = None
        # The batch of the latest step, also if it has ended with it.
        self.last: _Running | None = None
        # Tokens that a cache of fixed size holds: the most that a batch of this window may need.
        self._room = 0
        self._ends = ends_of(decoder.model)

    def prepare(self, prompts: Sequence[Submission], settings: Settings) -> None:
        """Fixes what all batches of a window share."""
        self._generation = _own(settings)
        self._room = _room(prompts)

    def submit(self, requests: Sequence[Submission], settings: Settings) -> None:
        """Takes requests in, behind those that wait."""
        self._generation = _own(settings)
        self._waiting.extend(requests)

    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._running is None and not self._waiting

    def forget(self) -> None:
        """Drops what waits and what runs."""
        self._waiting.clear()
        self._running = self.last = None
        self._room = 0
        self._decoder.synchronise()

    def step(self, profiler: Profiler | None) -> list[Chunk]:
        """One token for every row that runs; a batch's first is its prefill."""
        began_ns = time.monotonic_ns()
        running = self._running or self._start()
        fresh = running.is_fresh
        watched = profiler.watch(prefill=fresh) if profiler is not None else unwatched()
        with torch.no_grad(), watched:
            logits = running.ids.prefill(self._chunk()) if fresh else running.ids.decode()
            tokens = running.chooser.choose(running.ids.so_far(), logits)
            running.ids.extend(tokens)
            # Waits until the tokens are in host memory: only then could anybody be sent them.
            values = tokens.tolist()
        at_ns = time.monotonic_ns()
        running.is_fresh = False
        chunks = [
            self._news(row, token, at_ns, began_ns if fresh else None)
            for row, token in zip(running.rows, values, strict=True)
            if not row.finished
        ]
        self.last = running
        self._running = None if all(row.finished for row in running.rows) else running
        return chunks

    def _news(self, row: _Row, token: int, at_ns: int, prefill_ns: int | None) -> Chunk:
        row.made += 1
        complete = row.made >= row.request.output_tokens
        early = row.request.natural and token in self._ends and not complete
        row.finished = complete or early
        return Chunk(row.request.ordinal, 1, at_ns, prefill_ns, finished=row.finished, ended_early=early)

    def _start(self) -> _Running:
        generation = self._generation
        assert generation is not None
        assert self._waiting
        requests = [self._waiting.popleft() for _ in range(min(generation.batch_size, len(self._waiting)))]
        needed = _room(requests)
        cache = None
        if generation.config.use_cache:
            cache = self._decoder.caches.take(generation.cache, len(requests), max(self._room, needed))
        prompts = [request.input_ids for request in requests]
        room = max(request.output_tokens for request in requests)
        ids = Rows(self._decoder, prompts, room, cache)
        chooser = Chooser(self._decoder, generation, ids.width, requests[0].ordinal)
        return _Running([_Row(request) for request in requests], ids, chooser)

    def _chunk(self) -> int | None:
        generation = self._generation
        assert generation is not None
        chunk = generation.config.prefill_chunk_size
        return None if chunk is None else int(chunk)


def _own(settings: Settings) -> Generation:
    assert isinstance(settings.own, Generation), "settings are those that this engine read"
    return settings.own


def _room(requests: Sequence[Submission]) -> int:
    longest_input = max((len(request.input_ids) for request in requests), default=0)
    # The last token is never taken in, but rows are as long as the longest output.
    return longest_input + max((request.output_tokens for request in requests), default=0)


def ends_of(model: object) -> frozenset[int]:
    """Ids that end a sequence, by the model's own word."""
    config = getattr(model, "generation_config", None)
    own = getattr(config, "eos_token_id", None)
    if own is None:
        own = getattr(getattr(model, "config", None), "eos_token_id", None)
    return frozenset([own] if isinstance(own, int) else own or ())
