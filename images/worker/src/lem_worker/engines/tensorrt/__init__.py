"""TensorRT-LLM behind the worker's interface."""

from lem_worker.engines.tensorrt.engine import TensorrtEngine

__all__ = ["TensorrtEngine"]
