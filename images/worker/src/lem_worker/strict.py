"""JSON to dataclasses and back, strictly: what a type does not name is refused.

It knows types and nothing of the protocol. A union of dataclasses is told apart by a tag: each member has
`TAG = (key, value)`. A field with `metadata=SKIP` is left out while it has its default.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Range:
    """Whole numbers from `low` to `high`."""

    low: int
    high: int


U32 = Annotated[int, Range(0, 2**32 - 1)]
U64 = Annotated[int, Range(0, 2**64 - 1)]

# Left out while it has its default.
SKIP: Mapping[str, Any] = {"skip": True}


class Refused(ValueError):
    """What is wrong with a value, and where."""


def decode(kind: type[T], value: object, where: str = "") -> T:
    """`value`, as JSON gives it, as a `kind`."""
    return typing.cast(T, _decode(kind, value, where))


def encode(value: object) -> Any:
    """What JSON writes of a dataclass, a list of them or a plain value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        tag = getattr(value, "TAG", None)
        found: dict[str, Any] = {} if tag is None else {tag[0]: tag[1]}
        for field in dataclasses.fields(value):
            held = getattr(value, field.name)
            if not (field.metadata.get("skip") and held == _default(field)):
                found[field.name] = encode(held)
        return found
    if isinstance(value, list | tuple):
        # Numbers are by far the most of what is written: no call for each.
        return [one if type(one) in (int, float) else encode(one) for one in value]
    if isinstance(value, dict):
        return {key: encode(held) for key, held in value.items()}
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _decode(kind: Any, value: object, where: str) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        number = _decode(arguments[0], value, where)
        for bounds in arguments[1:]:
            if isinstance(bounds, Range) and isinstance(number, int) and not bounds.low <= number <= bounds.high:
                raise Refused(f"{_at(where)}{number} is not from {bounds.low} to {bounds.high}")
        return number
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, value, where)
    if origin is typing.Literal:
        if not isinstance(value, str) or value not in arguments:
            raise Refused(f"{_at(where)}{_short(value)} is none of {', '.join(map(str, arguments))}")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise Refused(f"{_at(where)}expected a list, found {_short(value)}")
        if _are_numbers(arguments[0], value):
            return value
        return [_decode(arguments[0], one, f"{where}[{index}]") for index, one in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise Refused(f"{_at(where)}expected an object, found {_short(value)}")
        return {key: _decode(arguments[1], held, f"{where}.{key}") for key, held in value.items()}
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_object(kind, value, where)
    return _decode_plain(kind, value, where)


def _are_numbers(kind: Any, value: list[Any]) -> bool:
    """Whether all are whole numbers within the kind's range: prompts have millions, and a call for each is slow."""
    arguments = typing.get_args(kind)
    if not value or len(arguments) != 2 or not isinstance(arguments[1], Range):
        return False
    return set(map(type, value)) == {int} and arguments[1].low <= min(value) and max(value) <= arguments[1].high


def _decode_plain(kind: Any, value: object, where: str) -> object:
    if kind is float and type(value) in (int, float) and math.isfinite(typing.cast(float, value)):
        return float(typing.cast(float, value))
    # A bool is an int to Python, and not to JSON.
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise Refused(f"{_at(where)}expected {getattr(kind, '__name__', kind)}, found {_short(value)}")


def _decode_union(kinds: tuple[Any, ...], value: object, where: str) -> object:
    if type(None) in kinds:
        if value is None:
            return None
        kinds = tuple(kind for kind in kinds if kind is not type(None))
        if len(kinds) == 1:
            return _decode(kinds[0], value, where)
    key = kinds[0].TAG[0]
    found = value.get(key) if isinstance(value, dict) else None
    for kind in kinds:
        if kind.TAG[1] == found:
            return _decode_object(kind, value, where)
    known = ", ".join(kind.TAG[1] for kind in kinds)
    raise Refused(f"{_at(where)}{key} is {_short(found)}, expected one of {known}")


@cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {
        field.name: (
            hints[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    }


def _decode_object(kind: Any, value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise Refused(f"{_at(where)}expected an object, found {_short(value)}")
    fields, tag = _fields(kind), getattr(kind, "TAG", None)
    unknown = [key for key in value if key not in fields and (tag is None or key != tag[0])]
    if unknown:
        raise Refused(f"{_at(where)}unknown field {_short(unknown[0])}")
    missing = [name for name, (_, is_needed) in fields.items() if is_needed and name not in value]
    if missing:
        raise Refused(f"{_at(where)}{missing[0]} is missing")
    return kind(**{name: _decode(fields[name][0], value[name], f"{where}.{name}") for name in fields if name in value})


def _at(where: str) -> str:
    return f"{where.lstrip('.')}: " if where else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
