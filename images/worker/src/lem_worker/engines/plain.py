"""What an engine's configuration holds, as plain JSON: types, enums and objects as a catalogue would write them."""

import dataclasses
import enum
import math
from typing import Any

# Longest text that stands for an object of an unknown kind.
MAX_TEXT = 200
MAX_DEPTH = 4


def plain(value: Any, asked: Any = None, depth: int = MAX_DEPTH) -> Any:
    """`value` as JSON. Where it has several spellings, such as an enum's name and number, the one that `asked` has."""
    if isinstance(value, enum.Enum):
        return _of_enum(value, asked)
    if type(value) in (int, float) and type(asked) in (int, float) and value == asked:
        # 1 and 1.0 are the same to an engine, and not to who compares texts.
        return asked
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > 0:
        if isinstance(value, dict):
            return {str(key): plain(held, depth=depth - 1) for key, held in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one, depth=depth - 1) for one in value]
        if isinstance(value, set | frozenset):
            return sorted((plain(one, depth=depth - 1) for one in value), key=str)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                field.name: plain(getattr(value, field.name, None), depth=depth - 1)
                for field in dataclasses.fields(value)
                if not field.name.startswith("_")
            }
        if callable(dump := getattr(value, "model_dump", None)):
            return plain(dump(), depth=depth - 1)
    return str(value).removeprefix("torch.")[:MAX_TEXT]


def _of_enum(value: enum.Enum, asked: Any) -> Any:
    spellings = [value.value, value.name, value.name.lower()]
    for spelling in spellings:
        if type(spelling) is type(asked) and spelling == asked:
            return asked
    if isinstance(value, int):
        return int(value)
    # A value with dots is the path of a class, and one that is no text an implementation's own.
    return value.value if isinstance(value.value, str) and "." not in value.value else value.name
