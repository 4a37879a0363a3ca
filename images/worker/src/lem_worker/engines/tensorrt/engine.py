"""TensorRT-LLM's `LLM` with its PyTorch backend; its ranks are processes of their own.

Times: tokens when they reach this process; the start of prefill from the metrics of a request, which the runtime
takes from C++'s steady clock: on Linux that is CLOCK_MONOTONIC too. A value outside the request's life is of another
clock and is not used.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lem_worker.answers import QualityOutput
from lem_worker.engines import keywords, shape
from lem_worker.engines.base import Facts, Settings, Submission
from lem_worker.engines.plain import plain
from lem_worker.engines.streaming import News, StreamingEngine
from lem_worker.engines.tensorrt import arguments
from lem_worker.fault import Code, Fault
from lem_worker.requests import Load, Parameters

# How long an aborted request may take to leave the engine.
ABORT_SECONDS = 10.0
# What the engine takes itself where neither the campaign nor its arguments say it.
DEFAULT_BATCH_SIZE = 2048


class TensorrtEngine(StreamingEngine):
    """One LLM."""

    NAME: ClassVar[str] = "tensorrt"
    DISTRIBUTION: ClassVar[str] = "tensorrt_llm"

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self._llm: Any = None
        self._end_id: int | None = None
        self._has_tokenizer = False
        self._batch_size = DEFAULT_BATCH_SIZE
        # Requests that were aborted and have not said yet that they left.
        self._leaving: list[Any] = []

    def load(self, load: Load, stop: Callable[[], None]) -> Facts:
        from tensorrt_llm import LLM
        from tensorrt_llm.llmapi.llm_args import TorchLlmArgs

        said = arguments.engine(load.parameters, load.model, self.model, TorchLlmArgs.model_fields)
        stop()
        self._llm = LLM(**said)
        self._has_tokenizer = not said.get("skip_tokenizer_init", False)
        self._end_id = arguments.end_id(self.model)
        held = self._llm.args
        self._batch_size = held.max_batch_size or DEFAULT_BATCH_SIZE
        config = shape.config(self.model)
        total, active = shape.count(self.model)
        return Facts(
            effective={name: plain(_at(held, name), asked) for name, asked in load.parameters.items()},
            model_parameters=total,
            active_parameters=active,
            vocab_size=int(config["vocab_size"]),
            context_length=held.max_seq_len or config.get("max_position_embeddings"),
            device="cuda",
        )

    def settings(self, parameters: Parameters) -> Settings:
        from tensorrt_llm import SamplingParams

        known = _fields(SamplingParams)
        shared = arguments.sampling(parameters, known)
        if not self._has_tokenizer:
            shared["detokenize"] = False
        try:
            as_held = SamplingParams(**arguments.of_request(shared, 1, False, self._end_id))
        except (TypeError, ValueError) as error:
            hint = "see `lemctl params show` for what this parameter takes in this version"
            raise Fault(Code.BAD_PARAMETER, f"TensorRT-LLM refuses the sampling parameters: {error}", hint) from error
        size = keywords.batch_size(parameters, self._batch_size)
        held: Parameters = {}
        for name, asked in parameters.items():
            if name == keywords.BATCH_SIZE:
                held[name] = size
            elif (field := keywords.field_of(arguments.LABEL, name, known)) in arguments.BY_WORKLOAD:
                held[name] = asked
            else:
                held[name] = plain(getattr(as_held, field), asked)
        return Settings(held, size, shared)

    async def stream(self, submission: Submission, settings: Settings) -> AsyncIterator[News]:
        asked_ns = time.monotonic_ns()
        result = self._ask(submission, settings.own, streaming=True)
        try:
            async for part in result:
                (output,) = part.outputs
                finish = output.finish_reason if part.finished else None
                yield News(
                    tokens=len(output.token_ids_diff),
                    finish=(finish or "unknown") if part.finished else None,
                    prefill_ns=_scheduled_ns(output.request_perf_metrics, asked_ns),
                    cached_tokens=part.cached_tokens or 0,
                )
        finally:
            if not result.finished:
                self._leaving.append(result)
                result.abort()

    async def settle(self) -> None:
        if not self._leaving:
            return
        # Each says so itself when it has left the engine, well or not.
        leaving, self._leaving = [asyncio.ensure_future(one.aresult()) for one in self._leaving], []
        _, staying = await asyncio.wait(leaving, timeout=ABORT_SECONDS)
        for one in staying:
            one.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        if staying:
            message = f"{len(staying)} of {len(leaving)} aborted requests did not leave the engine"
            raise Fault(Code.ENGINE_FAILED, message, "a new worker is started for the next run")

    def assess(self, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
        outputs = []
        for request in requests:
            stop()
            outputs.append(self.within(self._assess_one(request)))
        return outputs

    def close(self) -> None:
        if self._llm is not None:
            llm, self._llm = self._llm, None
            llm.shutdown()
        super().close()

    def _ask(self, request: Submission, shared: Any, streaming: bool) -> Any:
        """Within the loop: the result is bound to the one that runs."""
        from tensorrt_llm import SamplingParams

        said = arguments.of_request(shared, request.output_tokens, request.natural, self._end_id)
        return self._llm.generate_async(list(request.input_ids), SamplingParams(**said), streaming=streaming)

    async def _assess_one(self, request: Submission) -> QualityOutput:
        result = self._ask(request, arguments.for_assessment(), streaming=False)
        await result.aresult()
        (output,) = result.outputs
        if result.context_logits is None:
            raise Fault(Code.ENGINE_FAILED, f"the engine gave no logits for prompt {request.ordinal}")
        ids, made = list(request.input_ids), list(output.token_ids)
        outputs = [_logprob(at, token) for at, token in zip(output.logprobs or [], made, strict=True)]
        return QualityOutput(ids, _input_logprobs(result.context_logits, ids), made, outputs)


def _input_logprobs(logits: Any, ids: list[int]) -> list[float | None]:
    """Of each input token after those before it."""
    import torch

    # A place's logits are about the token after it.
    places = logits.reshape(-1, logits.shape[-1])[: len(ids) - 1].float()
    chosen = torch.log_softmax(places, dim=-1).gather(1, torch.tensor(ids[1:]).to(places.device).unsqueeze(1))
    return [value if math.isfinite(value) else None for value in chosen.squeeze(1).tolist()]


def _logprob(at: Any, token: int) -> float | None:
    """Of `token` at a place, which is a number or the likeliest tokens'; null where it is not finite."""
    value = at.get(token) if isinstance(at, dict) else at
    value = getattr(value, "logprob", value)
    return float(value) if value is not None and math.isfinite(value) else None


def _scheduled_ns(metrics: Any, asked_ns: int) -> int | None:
    """When the runtime first scheduled the request."""
    timing = getattr(metrics, "timing_metrics", None)
    scheduled = getattr(timing, "first_scheduled_time", None)
    if scheduled is None:
        return None
    found = round(scheduled.total_seconds() * 1e9)
    return found if asked_ns <= found <= time.monotonic_ns() else None


def _fields(kind: Any) -> set[str]:
    """Names that the sampling parameters are made with."""
    return {field.name for field in kind.__dataclass_fields__.values() if field.init}


def _at(held: Any, path: str) -> Any:
    for name in path.split("."):
        held = getattr(held, name, None)
    return held
