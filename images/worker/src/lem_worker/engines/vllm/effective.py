"""Where vLLM's configuration holds each engine argument once the engine runs."""

from typing import Any

from lem_worker.engines.plain import plain
from lem_worker.requests import Parameters

# Arguments that the configuration holds under another name.
PLACES = {
    "kv_cache_dtype": "cache_config.cache_dtype",
    "scheduling_policy": "scheduler_config.policy",
    "attention_backend": "attention_config.backend",
    "mamba_backend": "mamba_config.backend",
    "enable_mamba_cache_stochastic_rounding": "mamba_config.enable_stochastic_rounding",
    "mamba_cache_philox_rounds": "mamba_config.stochastic_rounding_philox_rounds",
    "cpu_offload_gb": "offload_config.uva.cpu_offload_gb",
    "cpu_offload_params": "offload_config.uva.cpu_offload_params",
    "offload_group_size": "offload_config.prefetch.offload_group_size",
    "offload_num_in_group": "offload_config.prefetch.offload_num_in_group",
    "offload_prefetch_step": "offload_config.prefetch.offload_prefetch_step",
    "offload_params": "offload_config.prefetch.offload_params",
}
# Where an argument is looked for under its own name, in this order.
HOLDERS = (
    "model_config",
    "cache_config",
    "parallel_config",
    "scheduler_config",
    "load_config",
    "compilation_config",
    "offload_config",
    "kernel_config",
    "attention_config",
    "observability_config",
    "lora_config",
)


def effective(parameters: Parameters, config: Any, arguments: Any) -> Parameters:
    """Every asked parameter as `config` (a VllmConfig) holds it; what it does not hold, as `arguments` do."""
    return {name: plain(_find(name, config, arguments), asked) for name, asked in parameters.items()}


def _find(name: str, config: Any, arguments: Any) -> Any:
    if name in PLACES:
        return _at(config, PLACES[name])[1]
    head = name.partition(".")[0]
    if head != name:
        return _at(config if hasattr(config, head) else arguments, name)[1]
    for holder in HOLDERS:
        is_there, value = _at(config, f"{holder}.{name}")
        if is_there:
            return value
    is_there, value = _at(config, name)
    return value if is_there else getattr(arguments, name, None)


def _at(value: Any, path: str) -> tuple[bool, Any]:
    for name in path.split("."):
        if isinstance(value, dict):
            if name not in value:
                return False, None
            value = value[name]
        elif hasattr(value, name):
            value = getattr(value, name)
        else:
            return False, None
    return True, value
