"""The engine as the worker meets it. torch is imported with the first load, not before: which GPUs CUDA shows is
decided until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lem_worker.answers import Profile, QualityOutput
from lem_worker.engines.base import Chunk, Engine, Facts, Settings, Submission
from lem_worker.fault import Code, Fault
from lem_worker.requests import Load, Parameters

if TYPE_CHECKING:
    from lem_worker.engines.pytorch.batching import Batcher
    from lem_worker.engines.pytorch.decoding import Decoder
    from lem_worker.engines.pytorch.profiling import Profiler


class PytorchEngine(Engine):
    """A transformers model on one device, or spread over several by `device_map`."""

    NAME: ClassVar[str] = "pytorch"
    DISTRIBUTION: ClassVar[str] = "transformers"

    def __init__(self, model: Path) -> None:
        self._model = model
        self._decoder: Decoder | None = None
        self._batcher: Batcher | None = None
        self._profiler: Profiler | None = None

    def load(self, load: Load, stop: Callable[[], None]) -> Facts:
        from lem_worker.engines.pytorch import loading
        from lem_worker.engines.pytorch.batching import Batcher
        from lem_worker.engines.pytorch.decoding import Decoder
        from lem_worker.engines.pytorch.parameters import EngineParameters

        loaded = loading.load(EngineParameters.read(load.parameters, load.gpus), load.model, self._model, stop)
        self._decoder = Decoder(loaded.model, loaded.device, loaded.parameters.compile)
        self._batcher = Batcher(self._decoder)
        return loaded.facts

    def settings(self, parameters: Parameters) -> Settings:
        from lem_worker.engines.pytorch.generation import Generation

        generation = Generation.read(self._loaded(), parameters)
        return Settings(generation.effective, generation.batch_size, generation)

    def prepare(self, prompts: Sequence[Submission], settings: Settings, together: int) -> None:  # noqa: ARG002
        self._batched().prepare(prompts, settings)

    def submit(self, requests: Sequence[Submission], settings: Settings) -> None:
        self._batched().submit(requests, settings)

    def advance(self, timeout_seconds: float) -> Sequence[Chunk]:
        batcher = self._batched()
        if batcher.is_idle():
            time.sleep(timeout_seconds)
            return []
        return batcher.step(self._profiler)

    def abort(self) -> None:
        self._profiler = None
        self._batched().forget()

    def assess(self, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
        from lem_worker.engines.pytorch import quality

        return quality.assess(self._loaded(), requests, stop)

    def start_profile(self) -> None:
        from lem_worker.engines.pytorch.profiling import Profiler

        self._profiler = Profiler(self._loaded())

    def stop_profile(self) -> Profile:
        profiler, self._profiler = self._profiler, None
        if profiler is None:
            raise Fault(Code.BAD_REQUEST, "no profiler runs")
        return profiler.counted()

    def close(self) -> None:
        self._profiler = self._batcher = self._decoder = None

    def _loaded(self) -> Decoder:
        if self._decoder is None:
            raise Fault(Code.NOT_LOADED, "no engine is loaded")
        return self._decoder

    def _batched(self) -> Batcher:
        if self._batcher is None:
            raise Fault(Code.NOT_LOADED, "no engine is loaded")
        return self._batcher
