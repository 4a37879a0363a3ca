"""Facts in the prose of a source: the first sentence on a parameter, and the types of `Args:` sections.

Must not hand on whole texts: what a parameter does is a fact, how it is told is its author's.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass

MAX_CHARACTERS = 200

_ENTRY = re.compile(r"^(\s*)\*{0,2}(\w+)\s*\((.*)\)\s*:\s*(.*)$")
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

    doc: str
    type_text: str
    kinds: tuple[str, ...]


def first_sentence(text: str) -> str:
    """The first sentence of a text, in one line of bounded length."""
    paragraph = inspect.cleandoc(text).split("\n\n", 1)[0]
    words = " ".join(paragraph.replace("`", "").split())
    sentence = re.split(r"(?<=[a-z0-9)\]\"'])[.:](?=\s|$)", words, maxsplit=1)[0].strip()
    if len(sentence) > MAX_CHARACTERS:
        sentence = sentence[: MAX_CHARACTERS - 1].rsplit(" ", 1)[0] + " …"
    return sentence


def after(body: list[ast.stmt], index: int) -> str:
    """The docstring of an attribute: a text as the statement after it."""
    match body[index + 1 : index + 2]:
        case [ast.Expr(value=ast.Constant(value=str(text)))]:
            return first_sentence(text)
    return ""


def entries(text: str | None) -> dict[str, Entry]:
    """The parameters that a docstring lists, with the types it gives them."""
    found: dict[str, Entry] = {}
    lines = inspect.cleandoc(text or "").splitlines()
    inside = False
    depth: int | None = None
    for number, line in enumerate(lines):
        if _SECTION.match(line):
            inside, depth = True, None
            continue
        entry = _ENTRY.match(line) if inside else None
        if entry is None or (depth is not None and len(entry[1]) != depth):
            continue
        depth = len(entry[1])
        told = [entry[4]]
        for following in lines[number + 1 :]:
            indent = len(following) - len(following.lstrip())
            if not following.strip() or indent <= depth:
                break
            told.append(following.strip())
        type_text = re.sub(r",?\s*\*?optional\*?.*$", "", entry[3]).strip().rstrip(",")
        found.setdefault(entry[2], Entry(first_sentence("\n".join(told)), type_text, _kinds(type_text)))
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
