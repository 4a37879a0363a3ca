"""transformers models with a decode loop of the worker's own: prefill and decode are apart, and every token is seen.

`engine.py` is what the worker meets. Nothing here knows of windows, files of work or the protocol's lines.
"""

from lem_worker.engines.pytorch.engine import PytorchEngine

__all__ = ["PytorchEngine"]
