"""What is looked for in each engine: which classes and functions hold its parameters.

Must not know how they are read.
"""

from __future__ import annotations

from dataclasses import dataclass

ENGINE = "engine"
REQUEST = "request"


@dataclass(frozen=True)
class Target:
    """A class, or a method of one, whose fields or arguments are parameters."""

    module: str
    owner: str
    level: str
    prefix: str = ""
    method: str | None = None
    inherited: bool = True


@dataclass(frozen=True)
class Backend:
    """One engine."""

    distribution: str
    package: str
    targets: list[Target]


_LLM_ARGS = "tensorrt_llm.llmapi.llm_args"

BACKENDS: dict[str, Backend] = {
    "vllm": Backend(
        "vllm",
        "vllm",
        [
            Target("vllm.engine.arg_utils", "EngineArgs", ENGINE),
            Target("vllm.engine.arg_utils", "AsyncEngineArgs", ENGINE, inherited=False),
            Target("vllm.sampling_params", "SamplingParams", REQUEST),
            Target("vllm.config.compilation", "CompilationConfig", ENGINE, "compilation_config."),
            Target("vllm.config.compilation", "PassConfig", ENGINE, "compilation_config.pass_config."),
            Target("vllm.config.attention", "AttentionConfig", ENGINE, "attention_config."),
            Target("vllm.config.kernel", "KernelConfig", ENGINE, "kernel_config."),
            Target("vllm.config.speculative", "SpeculativeConfig", ENGINE, "speculative_config."),
        ],
    ),
    "pytorch": Backend(
        "transformers",
        "transformers",
        [
            Target("transformers.modeling_utils", "PreTrainedModel", ENGINE, method="from_pretrained"),
            Target(
                "transformers.generation.configuration_utils",
                "GenerationConfig",
                REQUEST,
                method="__init__",
            ),
        ],
    ),
    "tensorrt": Backend(
        "tensorrt_llm",
        "tensorrt_llm",
        [
            Target(_LLM_ARGS, "TorchLlmArgs", ENGINE),
            Target(_LLM_ARGS, "KvCacheConfig", ENGINE, "kv_cache_config."),
            Target(_LLM_ARGS, "SchedulerConfig", ENGINE, "scheduler_config."),
            Target(_LLM_ARGS, "CudaGraphConfig", ENGINE, "cuda_graph_config."),
            Target(_LLM_ARGS, "MoeConfig", ENGINE, "moe_config."),
            Target(_LLM_ARGS, "TorchCompileConfig", ENGINE, "torch_compile_config."),
            Target(_LLM_ARGS, "AttentionDpConfig", ENGINE, "attention_dp_config."),
            Target(_LLM_ARGS, "NGramDecodingConfig", ENGINE, "speculative_config."),
            Target("tensorrt_llm.sampling_params", "SamplingParams", REQUEST),
        ],
    ),
}
