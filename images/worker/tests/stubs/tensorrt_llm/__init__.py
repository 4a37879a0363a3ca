"""A stand-in for TensorRT-LLM 1.2.1 with its transcribed shapes: unknown keywords are refused, tokens are counted."""

import asyncio
import dataclasses
import datetime
import sys
import threading
import time
from typing import Any

from shapes import Shapes
from tensorrt_llm.llmapi.llm_args import TorchLlmArgs

SHAPES = Shapes("tensorrt-1.2.1")
STEP_SECONDS = 0.002

SamplingParams: Any = dataclasses.make_dataclass(
    "SamplingParams", [(name, Any, None) for name in SHAPES.fields("SamplingParams")], kw_only=True
)


class RequestOutput:
    """Fed by a thread of the engine, as the real one is: whoever lets the loop stand still loses tokens."""

    def __init__(self, args: Any, ids: list[int], params: Any, streaming: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self._params, self._made, self._new = params, [], 0
        self._streaming = streaming
        self._scheduled = time.monotonic() + STEP_SECONDS / 4
        self._is_aborted = False
        self.finished = False
        self.cached_tokens = len(ids) - 1 if args.kv_cache_config.get("enable_block_reuse") else 0
        self.context_logits = None
        threading.Thread(target=self._feed, daemon=True).start()

    def _feed(self) -> None:
        for _ in range(self._params.max_tokens):
            time.sleep(STEP_SECONDS)
            assert self._loop.is_running()
            self._loop.call_soon_threadsafe(self._queue.put_nowait, 5)
            if self._is_aborted:
                return

    @property
    def outputs(self) -> list[Any]:
        timing = SHAPES.build("TimingMetrics", first_scheduled_time=datetime.timedelta(seconds=self._scheduled))
        stops = not self._params.ignore_eos and len(self._made) >= 3
        reason = "cancelled" if self._is_aborted else "stop" if stops else "length"
        return [
            SHAPES.build(
                "CompletionOutput",
                token_ids=self._made,
                token_ids_diff=self._made[-self._new :],
                finish_reason=reason if self.finished else None,
                # The real one sends them with the last token.
                request_perf_metrics=(
                    SHAPES.build("RequestPerfMetrics", timing_metrics=timing) if self.finished else None
                ),
            )
        ]

    async def _step(self) -> None:
        token = await self._queue.get()
        self._made.append(token)
        self._new = 1
        stops = not self._params.ignore_eos and len(self._made) >= 3
        self.finished = self._is_aborted or stops or len(self._made) >= self._params.max_tokens

    def __aiter__(self) -> "RequestOutput":
        return self

    async def __anext__(self) -> "RequestOutput":
        if self.finished:
            raise StopAsyncIteration
        await self._step()
        return self

    def abort(self) -> None:
        SHAPES.check_call("RequestOutput", "abort")
        self._is_aborted = True

    async def aresult(self) -> "RequestOutput":
        while not self.finished:
            await self._step()
        return self


class LLM:
    """Calls are checked against the transcribed signatures."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        SHAPES.check_call("LLM", "__init__", *arguments, **keywords)
        self.args = TorchLlmArgs(**keywords)

    def generate_async(self, *arguments: Any, **keywords: Any) -> RequestOutput:
        bound = SHAPES.check_call("LLM", "generate_async", *arguments, **keywords)
        params = bound["sampling_params"]
        assert isinstance(params, SamplingParams)
        if params.end_id is None and self.args.skip_tokenizer_init:
            raise ValueError("tokenizer is required to reset end_id if it is None")
        return RequestOutput(self.args, bound["inputs"], params, bound["streaming"])

    def shutdown(self) -> None:
        print("tensorrt stub: shut down", file=sys.stderr)
