"""AsyncLLM: a scheduler that gives each running request a token a step."""

import asyncio
import importlib
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from shapes import Shapes
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.usage.usage_lib import UsageContext

SHAPES = Shapes("vllm-0.26.0")
STEP_SECONDS = 0.002


class EngineDeadError(Exception):
    """As vllm.v1.engine.exceptions has it."""


class _Worker:
    """As the engine's own, with a layer of attention and one that is none."""

    def __init__(self, config: Any) -> None:
        self.vllm_config = config


class _Layer:
    """An AttentionLayerBase."""

    def get_attn_backend(self) -> Any:
        assert "get_attn_backend" in SHAPES.methods("AttentionLayerBase")
        return _Backend


class _Backend:
    """An AttentionBackend."""

    @staticmethod
    def get_name() -> str:
        assert SHAPES.methods("AttentionBackend")["get_name"]["kind"] == "staticmethod"
        return "FLASH_ATTN"


class AsyncLLM:
    """Calls are checked against the recorded signatures."""

    def __init__(self, args: Any) -> None:
        self.args = args
        self.vllm_config = _config(args)
        self.is_dead = False

    @classmethod
    def from_engine_args(cls, *arguments: Any, **keywords: Any) -> "AsyncLLM":
        bound = SHAPES.check_call("AsyncLLM", "from_engine_args", *arguments, **keywords)
        args = bound["engine_args"]
        assert isinstance(args, AsyncEngineArgs)
        assert bound["usage_context"] is UsageContext.OPENAI_API_SERVER
        asyncio.get_running_loop()
        # A core that is forked out of a process with threads has their locks and pipes; the real one forks unless told.
        assert os.environ.get("VLLM_WORKER_MULTIPROC_METHOD") == "spawn"
        unheard = {name for name in os.environ if name.startswith("VLLM_")} - set(SHAPES.variables())
        assert not unheard, f"the engine does not read {unheard}"
        if args.seed == 14:
            # An engine that starts hears nothing.
            time.sleep(60)
        if args.gpu_memory_utilization is not None and args.gpu_memory_utilization > 1:
            raise ValueError("1 validation error for CacheConfig\ngpu_memory_utilization\n  Input should be less than")
        return cls(args)

    async def get_supported_tasks(self) -> tuple[str, ...]:
        return ("generate",)

    async def collective_rpc(self, *arguments: Any, **keywords: Any) -> list[Any]:
        bound = SHAPES.check_call("AsyncLLM", "collective_rpc", *arguments, **keywords)
        if self.args.seed == 15:
            raise RuntimeError("Call to collective_rpc method failed: no such method")
        module, _, name = self.args.worker_extension_cls.rpartition(".")
        extension = getattr(importlib.import_module(module), name)
        worker = type("Worker", (_Worker, extension), {})(self.vllm_config)
        return [getattr(worker, bound["method"])()]

    async def is_paused(self) -> bool:
        if self.is_dead:
            raise EngineDeadError("EngineCore encountered an issue.")
        return False

    def shutdown(self, *arguments: Any, **keywords: Any) -> None:
        SHAPES.check_call("AsyncLLM", "shutdown", *arguments, **keywords)
        print("vllm stub: shut down", file=sys.stderr)

    async def generate(self, *arguments: Any, **keywords: Any) -> AsyncIterator[Any]:
        bound = SHAPES.check_call("AsyncLLM", "generate", *arguments, **keywords)
        params, ids = bound["sampling_params"], bound["prompt"]["prompt_token_ids"]
        assert isinstance(params, SamplingParams)
        queued = scheduled = time.monotonic()
        # Wall clock, as the real one: whoever mixes it in is found out.
        metrics = SHAPES.build(
            "RequestStateStats", arrival_time=time.time(), queued_ts=queued, scheduled_ts=scheduled + 0.0005
        )
        made: list[int] = []
        while len(made) < params.max_tokens:
            await asyncio.sleep(STEP_SECONDS)
            if self.args.seed == 13 and len(made) == 3:
                self.is_dead = True
                raise EngineDeadError("EngineCore encountered an issue. See stack trace (above) for the root cause.")
            count = min(2 if self.args.stream_interval == 2 and made else 1, params.max_tokens - len(made))
            made += [5] * count
            stops = not params.ignore_eos and len(made) >= 3
            reason = "length" if len(made) >= params.max_tokens else "stop" if stops else None
            if params.output_kind is RequestOutputKind.DELTA:
                yield self._output(ids, made[-count:], reason, metrics, params)
            elif reason is not None:
                assert params.output_kind is RequestOutputKind.FINAL_ONLY
                yield self._output(ids, made, reason, metrics, params)
            if reason is not None:
                return

    def _output(self, ids: list[int], made: list[int], reason: str | None, metrics: Any, params: Any) -> Any:
        def at(token: int) -> dict[int, Any]:
            return {token: SHAPES.build("Logprob", logprob=-0.25), 99: SHAPES.build("Logprob", logprob=-9.0)}

        completion = SHAPES.build(
            "CompletionOutput",
            index=0,
            token_ids=tuple(made),
            finish_reason=reason,
            logprobs=[at(token) for token in made] if params.logprobs is not None else None,
        )
        wanted = params.prompt_logprobs is not None
        return SHAPES.build(
            "RequestOutput",
            outputs=[completion],
            finished=reason is not None,
            metrics=metrics,
            num_cached_tokens=1,
            prompt_logprobs=[None, *(at(token) for token in ids[1:])] if wanted else None,
        )


def _config(args: Any) -> Any:
    """What the worker reads of a VllmConfig; values that were not asked for are the engine's own."""

    def held(name: str, **values: Any) -> Any:
        known = SHAPES.fields(name)
        same = {field: getattr(args, field) for field in known if getattr(args, field, None) is not None}
        return SHAPES.build(name, **{**same, **values})

    class Model:
        """ModelConfig, with its method."""

        def __init__(self) -> None:
            fields = held(
                "ModelConfig",
                dtype=args.dtype if args.dtype not in (None, "auto") else "bfloat16",
                max_model_len=args.max_model_len or 64,
                skip_tokenizer_init=bool(args.skip_tokenizer_init),
            )
            self.__dict__.update(fields.__dict__)

        def get_vocab_size(self) -> int:
            assert "get_vocab_size" in SHAPES.methods("ModelConfig")
            return 100

    nested = {
        "offload_config": SHAPES.build(
            "OffloadConfig",
            uva=held("UVAOffloadConfig", cpu_offload_gb=args.cpu_offload_gb or 0),
            prefetch=held("PrefetchOffloadConfig", offload_group_size=0),
        ),
        "compilation_config": held(
            "CompilationConfig",
            **(args.compilation_config or {}),
            cudagraph_capture_sizes=[1, 2, 4],
            static_forward_context={"layers.0.attn": _Layer(), "layers.1.attn": _Layer(), "layers.0.mlp": object()},
        ),
    }
    return SHAPES.build(
        "VllmConfig",
        model_config=Model(),
        cache_config=held("CacheConfig", cache_dtype=args.kv_cache_dtype or "auto", block_size=16),
        scheduler_config=held("SchedulerConfig", max_num_seqs=args.max_num_seqs or 256, policy="fcfs"),
        parallel_config=held("ParallelConfig", tensor_parallel_size=args.tensor_parallel_size or 1),
        load_config=held("LoadConfig", load_format=args.load_format or "auto"),
        device_config=SHAPES.build("DeviceConfig", device_type="cuda"),
        attention_config=held("AttentionConfig", backend=args.attention_backend),
        speculative_config=None,
        **nested,
    )
