"""Records the shapes of an engine's API that an adapter uses, from the engine's own source, without importing it.

    python tests/record_shapes.py vllm UNPACKED_WHEEL > tests/recorded/vllm-0.26.0.json

Fields of classes with their order, parameters of functions, members of enums, environment variables: names only, so
that a stand-in under `tests/stubs` can refuse what the real thing would refuse, or would not hear. TensorRT-LLM's are
transcribed: its wheel is not published.
"""

import ast
import json
import sys
from pathlib import Path
from typing import Any

VLLM = {
    "vllm/engine/arg_utils.py": ["EngineArgs", "AsyncEngineArgs"],
    "vllm/sampling_params.py": ["SamplingParams", "RequestOutputKind"],
    "vllm/usage/usage_lib.py": ["UsageContext"],
    "vllm/outputs.py": ["RequestOutput", "CompletionOutput"],
    "vllm/logprobs.py": ["Logprob"],
    "vllm/inputs/llm.py": ["TokensPrompt"],
    "vllm/v1/metrics/stats.py": ["RequestStateStats"],
    "vllm/v1/engine/async_llm.py": ["AsyncLLM"],
    "vllm/v1/engine/exceptions.py": ["EngineDeadError"],
    "vllm/model_executor/layers/attention_layer_base.py": ["AttentionLayerBase"],
    "vllm/v1/attention/backend.py": ["AttentionBackend"],
    "vllm/config/vllm.py": ["VllmConfig"],
    "vllm/config/model.py": ["ModelConfig"],
    "vllm/config/cache.py": ["CacheConfig"],
    "vllm/config/parallel.py": ["ParallelConfig"],
    "vllm/config/scheduler.py": ["SchedulerConfig"],
    "vllm/config/device.py": ["DeviceConfig"],
    "vllm/config/load.py": ["LoadConfig"],
    "vllm/config/compilation.py": ["CompilationConfig", "CUDAGraphMode", "CompilationMode"],
    "vllm/config/offload.py": ["OffloadConfig", "UVAOffloadConfig", "PrefetchOffloadConfig"],
    "vllm/config/kernel.py": ["KernelConfig"],
    "vllm/config/attention.py": ["AttentionConfig"],
    "vllm/config/mamba.py": ["MambaConfig"],
    "vllm/config/observability.py": ["ObservabilityConfig"],
    "vllm/config/lora.py": ["LoRAConfig"],
    "vllm/config/speculative.py": ["SpeculativeConfig"],
}
# What they are recorded under, which is no class.
VARIABLES = "environment variables"
# Where the names of all environment variables are the keys of a dictionary of that name.
VLLM_VARIABLES = ("vllm/envs.py", "environment_variables")


def shape(node: ast.ClassDef) -> dict[str, Any]:
    """Names of a class: bases, fields in order, methods with their parameters."""
    fields: list[str] = []
    methods: dict[str, Any] = {}
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            if "ClassVar" not in ast.unparse(one.annotation):
                fields.append(one.target.id)
        elif isinstance(one, ast.Assign):
            fields += [target.id for target in one.targets if isinstance(target, ast.Name)]
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            known = one.args
            decorators = [ast.unparse(decorator) for decorator in one.decorator_list]
            methods[one.name] = {
                "positional": [argument.arg for argument in [*known.posonlyargs, *known.args]],
                "needed": len(known.posonlyargs) + len(known.args) - len(known.defaults),
                "keyword_only": [argument.arg for argument in known.kwonlyargs],
                "takes_more": known.kwarg is not None,
                "kind": next((name for name in ("classmethod", "staticmethod", "property") if name in decorators), ""),
                "is_async": isinstance(one, ast.AsyncFunctionDef),
            }
    return {"bases": [ast.unparse(base) for base in node.bases], "fields": fields, "methods": methods}


def record(root: Path, wanted: dict[str, list[str]]) -> dict[str, Any]:
    """Shapes of all wanted classes by name."""
    found: dict[str, Any] = {}
    for path, names in wanted.items():
        tree = ast.parse((root / path).read_text())
        classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        for name in names:
            found[name] = {"source": path, **shape(classes[name])}
    return found


def variables(root: Path, path: str, dictionary: str) -> list[str]:
    """Names of the environment variables that the engine reads."""
    for node in ast.walk(ast.parse((root / path).read_text())):
        if (
            isinstance(node, ast.AnnAssign)
            and ast.unparse(node.target) == dictionary
            and isinstance(node.value, ast.Dict)
        ):
            return sorted(ast.literal_eval(key) for key in node.value.keys if key is not None)
    raise LookupError(f"{path} has no dictionary {dictionary}")


if __name__ == "__main__":
    which, known = {"vllm": (VLLM, VLLM_VARIABLES)}[sys.argv[1]]
    root = Path(sys.argv[2])
    json.dump({**record(root, which), VARIABLES: variables(root, *known)}, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
