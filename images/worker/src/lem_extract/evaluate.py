"""The value of a default, as far as the source alone tells it.

Only literals, names of constants, members of enumerations and the few constructors of fields are
understood. Everything else stays an expression: a wrong value would be worse than none.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .names import Found, Names, dotted
from .source import Module

if TYPE_CHECKING:
    from .fields import Classes

MAX_DEPTH = 24


class Unknown(Exception):
    """The source alone does not tell the value."""


@dataclass(frozen=True)
class Member:
    """A member of an enumeration."""

    owner: str
    name: str
    value: Any


class Evaluator:
    """Evaluates expressions of modules."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.classes: Classes | None = None

    def value(self, module: Module, node: ast.expr, depth: int = MAX_DEPTH) -> Any:
        """The value; enumerations give a [`Member`], sets a sorted list."""
        if depth == 0:
            raise Unknown
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self.value(module, operand, depth - 1)
                return -self._number(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(module, operand, depth - 1)
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(
                    op,
                    self._number(self.value(module, left, depth - 1)),
                    self._number(self.value(module, right, depth - 1)),
                )
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.value(module, item, depth - 1) for item in items]
            case ast.Set(elts=items):
                return sorted((self.value(module, item, depth - 1) for item in items), key=str)
            case ast.Dict(keys=keys, values=values):
                return self._mapping(module, keys, values, depth - 1)
            case ast.Name() | ast.Attribute():
                return self._named(module, node, depth - 1)
            case ast.Call():
                return self._call(module, node, depth - 1)
            case ast.Lambda(body=body, args=ast.arguments(args=[])):
                return self.value(module, body, depth - 1)
        raise Unknown

    @staticmethod
    def _number(value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        raise Unknown

    @staticmethod
    def _arithmetic(op: ast.operator, left: Any, right: Any) -> Any:
        match op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div() if right:
                return left / right
            case ast.FloorDiv() if right:
                return left // right
            case ast.Pow() if 0 <= right <= 64:
                return left**right
            case ast.LShift() if 0 <= right <= 64:
                return left << right
        raise Unknown

    def _mapping(
        self,
        module: Module,
        keys: list[ast.expr | None],
        values: list[ast.expr],
        depth: int,
    ) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if key is None:
                raise Unknown
            result[str(self.value(module, key, depth))] = self.value(module, value, depth)
        return result

    def _named(self, module: Module, node: ast.Name | ast.Attribute, depth: int) -> Any:
        name = dotted(node)
        if name is None or self.classes is None:
            raise Unknown
        if isinstance(node, ast.Attribute) and (owned := self.names.attribute(module, node)):
            return self.classes.attribute(*owned, depth)
        found = self.names.resolve(module, name)
        if found is None or not isinstance(found.node, ast.expr):
            raise Unknown
        return self.value(found.module, found.node, depth)

    def _call(self, module: Module, node: ast.Call, depth: int) -> Any:
        name = dotted(node.func)
        match name, node.args:
            case "list" | "dict" | "set" | "tuple" | "frozenset", []:
                return {} if name == "dict" else []
            case "Path", [ast.Constant(value=str(path))]:
                return path
            case "int" | "float" | "str", [inner]:
                value = self.value(module, inner, depth)
                return {"int": int, "float": float, "str": str}[name](value)
            case "get_field", [owner, ast.Constant(value=str(attribute))]:
                found = self.names.resolve(module, dotted(owner) or "")
                if found and self.classes:
                    return self.classes.attribute(found, attribute, depth)
        raise Unknown

    def factory(self, module: Module, node: ast.expr) -> Any:
        """The value that a `default_factory` makes."""
        match dotted(node):
            case "list" | "set" | "tuple":
                return []
            case "dict":
                return {}
        if isinstance(node, ast.Lambda):
            return self.value(module, node)
        raise Unknown


def enumeration(found: Found) -> bool:
    """Whether a definition is an enumeration."""
    if not isinstance(found.node, ast.ClassDef):
        return False
    bases = [dotted(base) or "" for base in found.node.bases]
    return any(base.split(".")[-1] in {"Enum", "IntEnum", "StrEnum"} for base in bases)


def members(found: Found, evaluator: Evaluator) -> list[Member]:
    """Members of an enumeration. Values that only running it would tell are `None`."""
    assert isinstance(found.node, ast.ClassDef)
    known: list[Member] = []
    strings = any((dotted(base) or "").endswith("StrEnum") for base in found.node.bases)
    for statement in found.node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                pass
            case _:
                continue
        result: Any = None
        if isinstance(value, ast.Call) and dotted(value.func) in {"auto", "enum.auto"}:
            result = name.lower() if strings else len(known) + 1
        else:
            try:
                result = evaluator.value(found.module, value)
            except Unknown:
                result = None
        known.append(Member(found.node.name, name, result))
    return known
