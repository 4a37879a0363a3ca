"""What values an annotation admits: kinds, choices and bounds.

Must not judge whether a value is sensible: it only reads what is written.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from .evaluate import Evaluator, Unknown, enumeration, members
from .names import Found, dotted
from .source import Module

MAX_DEPTH = 12

_SCALARS = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "None": "null",
    "NoneType": "null",
    "bytes": "string",
    "Path": "string",
    "PathLike": "string",
    "StrictBool": "boolean",
    "StrictInt": "integer",
    "StrictStr": "string",
    "StrictFloat": "number",
}
_LISTS = {"list", "List", "set", "Set", "tuple", "Tuple", "Sequence", "frozenset", "Iterable"}
_OBJECTS = {"dict", "Dict", "Mapping", "OrderedDict", "Counter", "MutableMapping"}
_BOUNDED = {
    "PositiveInt": ("integer", "gt", 0),
    "NonNegativeInt": ("integer", "ge", 0),
    "PositiveFloat": ("number", "gt", 0),
    "NonNegativeFloat": ("number", "ge", 0),
}
BOUNDS = ("ge", "gt", "le", "lt")


@dataclass
class Admits:
    """What a parameter takes."""

    kinds: list[str] = field(default_factory=list)
    choices: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    bounds: dict[str, float] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def kind(self, name: str, *, closed: bool = False) -> None:
        if name not in self.kinds:
            self.kinds.append(name)
        if not closed:
            self.open.add(name)

    def bounded(self, module: Module, call: ast.Call, evaluator: Evaluator) -> None:
        """Takes over `ge`, `gt`, `le` and `lt` of a `Field(…)`."""
        for keyword in call.keywords:
            if keyword.arg in BOUNDS:
                try:
                    value = evaluator.value(module, keyword.value)
                except Unknown:
                    continue
                if isinstance(value, (int, float)):
                    self.bounds[keyword.arg] = value

    def closed_choices(self) -> list[Any]:
        """The only values, if no part of the annotation is open to others."""
        return [] if self.open - {"null"} else self.choices

    def known_choices(self) -> list[Any]:
        """The values that the annotation names, where it is open to others as well."""
        if not self.open - {"null"}:
            return []
        return [*self.choices, *(name for name in self.names if name not in self.choices)]


class Annotations:
    """Reads annotations."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator

    def read(self, module: Module, node: ast.expr | None) -> Admits:
        """What an annotation admits; without one anything."""
        admits = Admits()
        if node is None:
            admits.kind("any")
        else:
            self._read(module, node, admits, MAX_DEPTH)
        return admits

    def _read(self, module: Module, node: ast.expr, admits: Admits, depth: int) -> None:
        if depth == 0:
            admits.kind("any")
            return
        match node:
            case ast.Constant(value=None):
                admits.kind("null")
            case ast.Constant(value=str(text)):
                try:
                    inner = ast.parse(text, mode="eval").body
                except SyntaxError:
                    admits.kind("any")
                else:
                    self._read(module, inner, admits, depth - 1)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                self._read(module, left, admits, depth - 1)
                self._read(module, right, admits, depth - 1)
            case ast.Subscript(value=outer, slice=inner):
                self._subscript(module, dotted(outer) or "", inner, admits, depth - 1)
            case ast.Name() | ast.Attribute():
                self._name(module, dotted(node) or "", admits, depth - 1)
            case _:
                admits.kind("any")

    def _subscript(self, module: Module, outer: str, inner: ast.expr, admits: Admits, depth: int) -> None:
        items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        last = outer.split(".")[-1]
        if last == "Literal":
            self._literal(module, items, admits, depth)
        elif last in {"Union", "Optional"}:
            for item in items:
                self._read(module, item, admits, depth)
            if last == "Optional":
                admits.kind("null")
        elif last == "Annotated":
            self._read(module, items[0], admits, depth)
            for item in items[1:]:
                if isinstance(item, ast.Call):
                    admits.bounded(module, item, self.evaluator)
        elif last in {"SkipValidation", "ClassVar", "Final", "Required"}:
            self._read(module, items[0], admits, depth)
        elif last in _LISTS:
            admits.kind("list")
        elif last in _OBJECTS:
            admits.kind("object")
        else:
            admits.kind("any")

    def _literal(self, module: Module, items: list[ast.expr], admits: Admits, depth: int) -> None:
        for item in items:
            if isinstance(item, ast.Name):
                # An alias: `Literal["auto", Others]` has the choices of `Others` too.
                self._read(module, item, admits, depth)
                continue
            try:
                value = self.evaluator.value(module, item)
            except Unknown:
                admits.kind("any")
                continue
            admits.kind(kind_of(value), closed=True)
            if value is not None and value not in admits.choices:
                admits.choices.append(value)

    def _name(self, module: Module, name: str, admits: Admits, depth: int) -> None:
        last = name.split(".")[-1]
        if last in _SCALARS:
            admits.kind(_SCALARS[last])
            return
        if last in _LISTS:
            admits.kind("list")
            return
        if last in _OBJECTS:
            admits.kind("object")
            return
        if last in _BOUNDED:
            kind, bound, value = _BOUNDED[last]
            admits.kind(kind)
            admits.bounds[bound] = value
            return
        found = self.evaluator.names.resolve(module, name)
        match found:
            case Found(node=ast.ClassDef()) if enumeration(found):
                self._enumeration(found, admits)
            case Found(node=ast.ClassDef()):
                # A group of settings: its members are given as a map.
                admits.kind("object")
            case Found(node=ast.Call() as call):
                self._alias_call(found, call, admits, depth)
            case Found(node=ast.expr() as alias):
                self._read(found.module, alias, admits, depth)
            case _:
                admits.kind("any")

    def _alias_call(self, found: Found, call: ast.Call, admits: Admits, depth: int) -> None:
        """`X = get_args(Alias)` and `X = TypeVar(…)`: the first is as good as the alias."""
        if dotted(call.func) in {"get_args", "typing.get_args"} and call.args:
            self._read(found.module, call.args[0], admits, depth)
        else:
            admits.kind("any")

    def _enumeration(self, found: Found, admits: Admits) -> None:
        for member in members(found, self.evaluator):
            admits.names.append(member.name)
            if isinstance(member.value, (str, int, float, bool)):
                admits.kind(kind_of(member.value), closed=True)
                admits.choices.append(member.value)
            else:
                # Its value is no plain one: it is known by its name.
                admits.kind("string", closed=True)
        if not admits.kinds:
            admits.kind("any")


def kind_of(value: Any) -> str:
    """The kind of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
    return "object" if isinstance(value, dict) else "any"
