"""What vLLM's workers chose by themselves. They import it, in their own processes, as a base of their class: it knows
nothing of this package, and its name is one that they have not.
"""

from typing import Any


class Chosen:
    """Mixed into vLLM's worker: called by `collective_rpc`, by name."""

    # Of the worker's.
    vllm_config: Any

    def lem_attention_backends(self) -> list[str]:
        """Names of the kernels that the model's attention layers use, each once."""
        layers = self.vllm_config.compilation_config.static_forward_context.values()
        asked = (layer.get_attn_backend() for layer in layers if hasattr(layer, "get_attn_backend"))
        return sorted({backend.get_name() for backend in asked})
