"""A campaign's parameters as keywords of an engine's own classes.

It knows names only and imports no engine, so that every keyword can be compared with a catalogue.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lem_worker.fault import Code, Fault
from lem_worker.requests import Parameters

# A request-level name that an engine argument has too.
PREFIX = "sampling_"
# The worker's own parameter: requests that arrive together under `batch`.
BATCH_SIZE = "batch_size"
COMPARE = "compare the campaign's pinned version with the image's; see `lemctl params show`"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json", "spiece.model")

# Values that say nothing for a name that is decided elsewhere.
Decided = Mapping[str, tuple[Any, ...]]


def has_tokenizer(model: Path) -> bool:
    """Whether the model's folder has a tokenizer."""
    return any((model / name).is_file() for name in TOKENIZER_FILES)


def of_engine(
    label: str, parameters: Parameters, known: Collection[str], own: Mapping[str, Any], reasons: Mapping[str, str]
) -> dict[str, Any]:
    """What the engine's arguments are called with. `known` are their names, `own` what the worker says itself, and
    `reasons` why a campaign may not say it. What is null is left to the engine; a dotted name is a member."""
    asked: dict[str, Any] = {}
    for name, value in parameters.items():
        head, _, member = name.partition(".")
        if head not in known:
            raise Fault(Code.BAD_PARAMETER, f"this {label} has no engine argument `{head}`", COMPARE)
        if value is None:
            continue
        if head in reasons and value not in (own.get(head), False, ""):
            raise Fault(Code.BAD_PARAMETER, f"`{head}` cannot be set: {reasons[head]}", f"leave `{head}` out")
        if member:
            _put(asked, name.split("."), value)
        elif isinstance(members := asked.get(head), dict) and isinstance(value, dict):
            asked[head] = {**value, **members}
        elif head in asked:
            raise Fault(Code.BAD_PARAMETER, f"`{head}` is given whole and by its members", "give one")
        else:
            asked[head] = value
    return {**asked, **own}


def of_sampling(label: str, parameters: Parameters, known: Collection[str], decided: Decided) -> dict[str, Any]:
    """What all requests of a window are sampled with; without what each request has by itself."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if name == BATCH_SIZE:
            continue
        field = field_of(label, name, known)
        if field in decided:
            if value not in decided[field]:
                raise Fault(
                    Code.BAD_PARAMETER,
                    f"`{name}` is {value!r}, but the workload decides how many tokens each request makes",
                    f"leave `{name}` out: lengths stand in the campaign's workload",
                )
        elif value is not None:
            found[field] = value
    return found


def field_of(label: str, name: str, known: Collection[str]) -> str:
    """The field of the sampling parameters that a campaign's name means."""
    field = name.removeprefix(PREFIX)
    if field not in known or field.startswith("_"):
        raise Fault(Code.BAD_PARAMETER, f"this {label} has no sampling parameter `{name}`", COMPARE)
    return field


def batch_size(parameters: Parameters, default: int) -> int:
    """Requests of one batch."""
    asked = parameters.get(BATCH_SIZE)
    if asked is None:
        return default
    if type(asked) is not int or asked < 1:
        raise Fault(Code.BAD_PARAMETER, f"`{BATCH_SIZE}` is {asked!r}, expected a whole number from 1")
    return asked


def _put(asked: dict[str, Any], path: list[str], value: Any) -> None:
    holder: Any = asked
    for name in path[:-1]:
        holder = holder.setdefault(name, {})
        if not isinstance(holder, dict):
            raise Fault(Code.BAD_PARAMETER, f"`{path[0]}` is given whole and by its members", "give one")
    holder[path[-1]] = value
