"""SamplingParams and RequestOutputKind."""

import enum
from typing import Any

from shapes import Shapes

SHAPES = Shapes("vllm-0.26.0")

RequestOutputKind = enum.Enum("RequestOutputKind", SHAPES.fields("RequestOutputKind"), start=0)  # type: ignore[misc]


class SamplingParams:
    """Greedy decoding resets what it makes meaningless, as the real one does."""

    __struct_fields__ = tuple(SHAPES.fields("SamplingParams"))

    def __init__(self, **keywords: Any) -> None:
        for name in keywords:
            if name not in self.__struct_fields__:
                raise TypeError(f"Unexpected keyword argument '{name}'")
        defaults = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "max_tokens": 16, "ignore_eos": False}
        self.__dict__.update({**dict.fromkeys(self.__struct_fields__), **defaults, **keywords})
        if not 0.0 <= self.temperature <= 2.0:
            raise ValueError(f"temperature must be in [0, 2], got {self.temperature}.")
        if self.temperature == 0.0:
            self.top_p, self.top_k, self.min_p = 1.0, 0, 0.0
