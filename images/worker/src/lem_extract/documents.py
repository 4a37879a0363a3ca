"""Facts in the docstrings of a source: the types that `Args:` sections give, where a signature gives none.

Must not hand on a sentence: those are their authors'.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

_ENTRY = re.compile(r"^(\s*)\*{0,2}(\w+)\s*\((.*)\)\s*:")
_SECTION = re.compile(r"^\s*>?\s*(Args|Parameters|Arguments|Attributes|Parameters for .*)\s*:?\s*$")
_WORDS = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "str": "string",
    "string": "string",
    "list": "list",
    "tuple": "list",
    "dict": "object",
}


@dataclass(frozen=True)
class Entry:
    """One parameter of an `Args:` section."""

    type_text: str
    kinds: tuple[str, ...]


def entries(text: str | None) -> dict[str, Entry]:
    """The parameters that a docstring lists, with the types it gives them."""
    found: dict[str, Entry] = {}
    lines = inspect.cleandoc(text or "").splitlines()
    inside = False
    depth: int | None = None
    for line in lines:
        if _SECTION.match(line):
            inside, depth = True, None
            continue
        entry = _ENTRY.match(line) if inside else None
        if entry is None or (depth is not None and len(entry[1]) != depth):
            continue
        depth = len(entry[1])
        type_text = re.sub(r",?\s*\*?optional\*?.*$", "", entry[3]).strip().rstrip(",")
        found.setdefault(entry[2], Entry(type_text, _kinds(type_text)))
    return found


def _kinds(type_text: str) -> tuple[str, ...]:
    kinds: list[str] = []
    outer = re.sub(r"\[.*\]", "", type_text.replace("`", ""))
    outer = re.sub(r"^(Union|Optional)$", "", outer)
    for word in re.split(r",| or |\|", outer):
        kind = _WORDS.get(word.strip().split(".")[-1].lower(), "any" if word.strip() else None)
        if kind and kind not in kinds:
            kinds.append(kind)
    return tuple(kinds) or ("any",)
