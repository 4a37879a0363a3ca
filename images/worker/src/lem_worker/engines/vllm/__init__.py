"""vLLM behind the worker's interface."""

from lem_worker.engines.vllm.engine import VllmEngine

__all__ = ["VllmEngine"]
