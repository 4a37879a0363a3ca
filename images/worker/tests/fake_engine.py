"""A tiny engine for tests: its tokens are counted and come at once, a step for each token of what runs."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from lem_worker.answers import Profile, QualityOutput
from lem_worker.engines.base import Chunk, Engine, Facts, Settings, Submission
from lem_worker.fault import Code, Fault
from lem_worker.requests import Load, Parameters

ENGINE = {"mode": "well", "chunk": 1, "step_ms": 0}
REQUEST = {"batch_size": 2, "temperature": 0.0}


class FakeEngine(Engine):
    """`mode` says how it misbehaves."""

    NAME = "fake"
    DISTRIBUTION = "pytest"

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.mode = "well"
        self.chunk = 1
        self.step_s = 0.0
        self.size = 2
        self.waiting: deque[Submission] = deque()
        self.running: dict[int, tuple[Submission, int]] = {}
        self.steps = 0

    def load(self, load: Load, stop: Callable[[], None]) -> Facts:
        unknown = set(load.parameters) - set(ENGINE)
        if unknown:
            raise TypeError(f"FakeArgs.__init__() got an unexpected keyword argument '{unknown.pop()}'")
        held = {**ENGINE, **load.parameters}
        self.mode, self.chunk, self.step_s = str(held["mode"]), int(held["chunk"]), float(held["step_ms"]) / 1e3
        os.write(1, b"an engine that prints to stdout\n")
        print("and once more")
        if self.mode == "no_memory":
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        if self.mode == "core_failed":
            os.write(
                2, b"(EngineCore pid=7) ERROR 11-24 10:00:00 [core.py:1] torch.OutOfMemoryError: CUDA out of memory\n"
            )
            raise RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")
        if self.mode == "slow_load":
            for _ in range(500):
                stop()
                time.sleep(0.01)
        return Facts(held, 7, None, 100, 64, "cpu")

    def settings(self, parameters: Parameters) -> Settings:
        held = {**REQUEST, **parameters}
        if unknown := set(held) - set(REQUEST):
            raise Fault(Code.BAD_PARAMETER, f"unknown {unknown}")
        return Settings(held, int(held["batch_size"]))

    def submit(self, requests: Sequence[Submission], settings: Settings) -> None:
        self.size = settings.batch_size
        self.waiting.extend(requests)

    def advance(self, timeout_seconds: float) -> Sequence[Chunk]:
        if not self.running and not self.waiting:
            time.sleep(timeout_seconds)
            return []
        self.steps += 1
        if self.mode == "dies" and self.steps > 3:
            raise EngineDeadError("EngineCore encountered an issue. See stack trace (above) for the root cause.")
        if self.mode == "hangs" and self.steps > 3:
            time.sleep(timeout_seconds)
            return []
        time.sleep(self.step_s)
        began = time.monotonic_ns()
        while self.waiting and len(self.running) < self.size:
            one = self.waiting.popleft()
            self.running[one.ordinal] = (one, 0)
        chunks = []
        for ordinal, (one, made) in list(self.running.items()):
            tokens = min(self.chunk if made else 1, one.output_tokens - made)
            early = one.natural and made + tokens >= 2 and one.output_tokens > 2
            total = made + tokens - (1 if self.mode == "short" and made + tokens == one.output_tokens else 0)
            finished = early or made + tokens >= one.output_tokens
            if finished:
                del self.running[ordinal]
            else:
                self.running[ordinal] = (one, made + tokens)
            chunks.append(
                Chunk(ordinal, total - made, time.monotonic_ns(), began if made == 0 else None, 1, finished, early)
            )
        return chunks

    def abort(self) -> None:
        if self.mode == "dies" and self.steps > 3:
            raise EngineDeadError("dead")
        self.waiting.clear()
        self.running.clear()

    def assess(self, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
        stop()
        return [
            QualityOutput(
                list(one.input_ids),
                [-0.5] * (len(one.input_ids) - 1),
                [1] * one.output_tokens,
                [None] * one.output_tokens,
            )
            for one in requests
        ]

    def start_profile(self) -> None:
        self.profile_began = time.monotonic_ns()

    def stop_profile(self) -> Profile:
        passed = time.monotonic_ns() - self.profile_began
        return Profile("fake 1", None, passed, 0, passed)

    def close(self) -> None:
        print("closed", file=sys.stderr)


class EngineDeadError(Exception):
    """Named as vLLM's."""
