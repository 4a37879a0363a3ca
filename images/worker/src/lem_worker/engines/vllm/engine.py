"""vLLM's AsyncLLM, in this process, as its own server runs it; the engine core is a process of its own.

Times: tokens when they reach this process; the start of prefill from the core's `scheduled_ts`, which is the same
CLOCK_MONOTONIC. Its `arrival_time` is wall clock and never used.
"""

import asyncio
import dataclasses
import math
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lem_worker.answers import QualityOutput
from lem_worker.engines import keywords, shape
from lem_worker.engines.base import Facts, Settings, Submission
from lem_worker.engines.plain import plain
from lem_worker.engines.streaming import News, StreamingEngine
from lem_worker.engines.vllm import arguments, effective
from lem_worker.engines.vllm.chosen import Chosen
from lem_worker.fault import Code, Fault
from lem_worker.requests import Load, Parameters

# The parameter whose choice is the engine's where the campaign leaves it open, and is not in its configuration.
ATTENTION = "attention_backend"
# How long the engine's workers may take to answer a question.
ANSWER_SECONDS = 30.0
# How long the engine core may take to end by itself.
SHUTDOWN_SECONDS = 10.0


class VllmEngine(StreamingEngine):
    """One AsyncLLM."""

    NAME: ClassVar[str] = "vllm"
    DISTRIBUTION: ClassVar[str] = "vllm"

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self._llm: Any = None
        self._life = 0
        self._has_tokenizer = False
        self._batch_size = 1

    def load(self, load: Load, stop: Callable[[], None]) -> Facts:
        # As vLLM's own server does: a fork would take this process's threads and pipes along.
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        os.environ["VLLM_NO_USAGE_STATS"] = "1"
        os.environ["DO_NOT_TRACK"] = "1"
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
        engine_args = AsyncEngineArgs(**arguments.engine(load.parameters, load.model, self.model, known))
        stop()
        # Defaults depend on who asks: the server's are what is deployed.
        context = UsageContext.OPENAI_API_SERVER
        self._llm = self.within(_start(AsyncLLM, engine_args, context), stop)
        config = self._llm.vllm_config
        self._has_tokenizer = not config.model_config.skip_tokenizer_init
        self._batch_size = config.scheduler_config.max_num_seqs
        total, active = shape.count(self.model)
        attention = self.within(_attention(self._llm), stop) if ATTENTION in load.parameters else None
        held = effective.effective(load.parameters, config, engine_args)
        return Facts(
            effective=held if attention is None else {**held, ATTENTION: attention},
            model_parameters=total,
            active_parameters=active,
            vocab_size=config.model_config.get_vocab_size(),
            context_length=config.model_config.max_model_len,
            device=str(config.device_config.device_type),
        )

    def settings(self, parameters: Parameters) -> Settings:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        known = SamplingParams.__struct_fields__
        shared = arguments.sampling(parameters, known)
        shared["output_kind"] = RequestOutputKind.DELTA
        if not self._has_tokenizer:
            shared["detokenize"] = False
        try:
            as_held = SamplingParams(**shared)
        except (TypeError, ValueError) as error:
            hint = "see `lemctl params show` for what this parameter takes in this version"
            raise Fault(Code.BAD_PARAMETER, f"vLLM refuses the sampling parameters: {error}", hint) from error
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

    def prepare(self, prompts: Sequence[Submission], settings: Settings, together: int) -> None:  # noqa: ARG002
        # What the engine refuses of a length, it refuses here.
        for output_tokens, natural in {(one.output_tokens, one.natural) for one in prompts}:
            self._params(settings.own, output_tokens, natural)

    async def stream(self, submission: Submission, settings: Settings) -> AsyncIterator[News]:
        from vllm.inputs import TokensPrompt

        params = self._params(settings.own, submission.output_tokens, submission.natural)
        prompt = TokensPrompt(prompt_token_ids=list(submission.input_ids))
        outputs = self._llm.generate(prompt, params, self._request_id(submission))
        try:
            async for output in outputs:
                (completion,) = output.outputs
                yield News(
                    tokens=len(completion.token_ids),
                    finish=completion.finish_reason,
                    prefill_ns=_scheduled_ns(output.metrics),
                    cached_tokens=output.num_cached_tokens or 0,
                )
        finally:
            await outputs.aclose()

    async def settle(self) -> None:
        # Answered between two steps, and so after the core has taken the aborts in.
        await self._llm.is_paused()

    def assess(self, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
        return self.within(self._assess(requests), stop)

    def close(self) -> None:
        if self._llm is not None:
            llm, self._llm = self._llm, None
            llm.shutdown(timeout=SHUTDOWN_SECONDS)
        super().close()

    async def _assess(self, requests: Sequence[Submission]) -> list[QualityOutput]:
        tasks = [asyncio.ensure_future(self._assess_one(request)) for request in requests]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _assess_one(self, request: Submission) -> QualityOutput:
        from vllm.inputs import TokensPrompt
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        params = SamplingParams(
            **arguments.for_assessment(request.output_tokens, request.natural),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompt = TokensPrompt(prompt_token_ids=list(request.input_ids))
        last = None
        async for output in self._llm.generate(prompt, params, self._request_id(request)):
            last = output
        if last is None or last.prompt_logprobs is None:
            raise Fault(Code.ENGINE_FAILED, f"the engine gave no log-probabilities for prompt {request.ordinal}")
        (completion,) = last.outputs
        ids = list(request.input_ids)
        # Nothing comes before the first input token, so it has none.
        inputs = [_logprob(at, token) for at, token in zip(last.prompt_logprobs[1:], ids[1:], strict=True)]
        made = list(completion.token_ids)
        outputs = [_logprob(at, token) for at, token in zip(completion.logprobs or [], made, strict=True)]
        return QualityOutput(ids, inputs, made, outputs)

    def _params(self, shared: Any, output_tokens: int, natural: bool) -> Any:
        from vllm.sampling_params import SamplingParams

        return SamplingParams(**arguments.of_request(shared, output_tokens, natural))

    def _request_id(self, request: Submission) -> str:
        self._life += 1
        return f"{self._life}-{request.ordinal}"


async def _start(kind: Any, engine_args: Any, context: Any) -> Any:
    """Within the loop, so that a core that dies before its first request is heard."""
    llm = kind.from_engine_args(engine_args, usage_context=context)
    # Asked once in an engine's life, and not by the first request of a window.
    await llm.get_supported_tasks()
    return llm


async def _attention(llm: Any) -> str | None:
    """The kernels that the workers' attention layers use; several where layers differ, None where they do not say:
    a fact that is missing must not cost a load."""
    try:
        answers = await llm.collective_rpc(Chosen.lem_attention_backends.__name__, timeout=ANSWER_SECONDS)
        return "+".join(sorted({name for answer in answers for name in answer})) or None
    except Exception as error:
        print(f"lem_worker: the engine does not say which attention it uses: {error!r}", file=sys.stderr)  # noqa: T201
        return None


def _scheduled_ns(metrics: Any) -> int | None:
    """When the core first scheduled the request: CLOCK_MONOTONIC, which all processes of a host share."""
    seconds = getattr(metrics, "scheduled_ts", 0.0)
    return round(seconds * 1e9) if seconds > 0 else None


def _logprob(at: Any, token: int) -> float | None:
    """Of `token` at a place; null where it is not finite."""
    value = None if at is None else at.get(token)
    return float(value.logprob) if value is not None and math.isfinite(value.logprob) else None
