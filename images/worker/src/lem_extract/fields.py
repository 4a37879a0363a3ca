"""The fields of a class: dataclass, pydantic model and msgspec struct are read alike.

Must not know which classes matter.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from .annotations import Admits, Annotations
from .evaluate import Evaluator, Member, Unknown, enumeration, members
from .names import Found, Names, dotted
from .source import Module

MISSING = object()
_FIELD_CALLS = {"field", "Field", "PrivateAttr"}


@dataclass
class Field:
    """One field, where it stands, and what it takes."""

    name: str
    module: Module
    line: int
    annotation: ast.expr | None
    admits: Admits
    default: Any = MISSING
    expression: str | None = None
    member: str | None = None
    required: bool = False
    init: bool = True
    type_text: str | None = None
    status: str | None = None
    tags: list[str] = field(default_factory=list)


class Classes:
    """Fields of classes, inherited ones first."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.evaluator = Evaluator(names)
        self.evaluator.classes = self
        self.annotations = Annotations(self.evaluator)
        self._read: dict[tuple[str, str], dict[str, Field]] = {}

    def fields(self, found: Found) -> dict[str, Field]:
        """The fields of a class by name, in order."""
        assert isinstance(found.node, ast.ClassDef)
        key = (found.module.name, found.node.name)
        if key not in self._read:
            self._read[key] = {}
            self._read[key] = self._fields(found, found.node)
        return self._read[key]

    def _fields(self, found: Found, node: ast.ClassDef) -> dict[str, Field]:
        result: dict[str, Field] = {}
        for base in reversed(node.bases):
            parent = self.names.resolve(found.module, dotted(base) or "")
            if parent and isinstance(parent.node, ast.ClassDef):
                result |= self.fields(parent)
        for statement in node.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                    pass
                case _:
                    continue
            if (dotted(annotation) or ast.unparse(annotation)).split("[")[0].endswith("ClassVar"):
                continue
            one = Field(
                name,
                found.module,
                statement.lineno,
                annotation,
                self.annotations.read(found.module, annotation),
            )
            self._default(one, value)
            result[name] = one
        return result

    def _default(self, one: Field, node: ast.expr | None) -> None:
        if node is None:
            one.required = True
            return
        self._refer(one, node)
        if isinstance(node, ast.Call) and (dotted(node.func) or "").split(".")[-1] in _FIELD_CALLS:
            self._constructor(one, node)
            return
        self._take(one, node, lambda: self.evaluator.value(one.module, node))

    def _constructor(self, one: Field, call: ast.Call) -> None:
        """`field(…)` and `Field(…)`."""
        one.admits.bounded(one.module, call, self.evaluator)
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if call.args:
            given.setdefault("default", call.args[0])
        match given.get("init"):
            case ast.Constant(value=False):
                one.init = False
        match given.get("status"):
            case ast.Constant(value=str(status)):
                one.tags.append(status)
        default, factory = given.get("default"), given.get("default_factory")
        if isinstance(default, ast.Constant) and default.value is Ellipsis:
            default = None
        if default is not None:
            self._take(one, default, lambda: self.evaluator.value(one.module, default))
        elif factory is not None:
            self._take(
                one,
                factory,
                lambda: self.evaluator.factory(one.module, factory),
                f"{ast.unparse(factory)}()",
            )
        else:
            one.required = True

    def _take(self, one: Field, node: ast.expr, value: Any, text: str | None = None) -> None:
        try:
            result = value()
        except Unknown:
            one.expression = self._inherited(one, node) or text or ast.unparse(node)
            return
        if isinstance(result, Member):
            one.member = f"{result.owner}.{result.name}"
            plain = isinstance(result.value, (str, int, float, bool))
            result = result.value if plain else result.name
        one.default = result
        if result is None:
            one.admits.kind("null")

    def _referred(self, one: Field, node: ast.expr) -> Field | None:
        """The field of another class that a default points at."""
        owner: Found | None = None
        name = ""
        match node:
            case ast.Attribute():
                if owned := self.names.attribute(one.module, node):
                    owner, name = owned
            case ast.Call(func=ast.Name(id="get_field"), args=[cls, ast.Constant(value=str(name))]):
                owner = self.names.resolve(one.module, dotted(cls) or "")
        if owner is None or not isinstance(owner.node, ast.ClassDef) or enumeration(owner):
            return None
        return self.fields(owner).get(name)

    def _refer(self, one: Field, node: ast.expr) -> None:
        """What a field says that the default points at holds for this one too."""
        if other := self._referred(one, node):
            one.admits.bounds = {**other.admits.bounds, **one.admits.bounds}

    def _inherited(self, one: Field, node: ast.expr) -> str | None:
        other = self._referred(one, node)
        return other.expression if other else None

    def attribute(self, owner: Found, name: str, depth: int) -> Any:
        """The value of `Owner.name`: a member of an enumeration, or the default of a field."""
        if not isinstance(owner.node, ast.ClassDef) or depth == 0:
            raise Unknown
        if enumeration(owner):
            for member in members(owner, self.evaluator):
                if member.name == name:
                    return member
            raise Unknown
        one = self.fields(owner).get(name)
        if one is not None:
            if one.default is MISSING:
                raise Unknown
            if one.member:
                enumeration_name, _, member_name = one.member.rpartition(".")
                return Member(enumeration_name, member_name, one.default)
            return one.default
        for statement in owner.node.body:
            match statement:
                case (
                    ast.Assign(targets=[ast.Name(id=own)], value=ast.expr() as value)
                    | ast.AnnAssign(target=ast.Name(id=own), value=ast.expr() as value)
                ) if own == name:
                    return self.evaluator.value(owner.module, value, depth - 1)
        raise Unknown
