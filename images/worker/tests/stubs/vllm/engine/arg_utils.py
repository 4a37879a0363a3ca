"""AsyncEngineArgs."""

import dataclasses
from typing import Any

from shapes import Shapes

SHAPES = Shapes("vllm-0.26.0")

AsyncEngineArgs: Any = dataclasses.make_dataclass(
    "AsyncEngineArgs", [(name, Any, None) for name in SHAPES.fields("AsyncEngineArgs")]
)
