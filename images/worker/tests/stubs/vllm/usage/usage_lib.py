"""UsageContext."""

import enum

from shapes import Shapes

UsageContext = enum.Enum("UsageContext", Shapes("vllm-0.26.0").fields("UsageContext"))  # type: ignore[misc]
