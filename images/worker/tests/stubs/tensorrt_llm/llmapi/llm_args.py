"""TorchLlmArgs: unknown names are refused, as its pydantic model forbids them."""

from typing import Any

from shapes import Shapes

SHAPES = Shapes("tensorrt-1.2.1")
DEFAULTS = {"max_batch_size": 16, "max_seq_len": 64, "dtype": "auto", "kv_cache_config": {}}


class Members:
    """A config object."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def get(self, name: str) -> Any:
        return self.__dict__.get(name)


class TorchLlmArgs:
    """Values, and config objects made from what came as a dictionary."""

    model_fields = dict.fromkeys(SHAPES.fields("TorchLlmArgs"))

    def __init__(self, **keywords: Any) -> None:
        unknown = set(keywords) - set(self.model_fields)
        if unknown:
            raise ValueError(f"1 validation error for TorchLlmArgs\n{unknown.pop()}\n  Extra inputs are not permitted")
        held = {**dict.fromkeys(self.model_fields), **DEFAULTS, **keywords}
        for name, value in held.items():
            setattr(self, name, Members(value) if isinstance(value, dict) else value)
