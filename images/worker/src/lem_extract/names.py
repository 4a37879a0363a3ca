"""What a name means in a module: a class, a value, or something imported.

Must not evaluate anything.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .source import Module, Modules

MAX_HOPS = 12
"""Imports that are followed from one name: packages re-export a few levels deep."""


@dataclass(frozen=True)
class Found:
    """A definition, and the module it stands in."""

    module: Module
    node: ast.ClassDef | ast.FunctionDef | ast.expr

    @property
    def line(self) -> int:
        return self.node.lineno


def statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements of a body with those of its conditions: the last definition of a name wins."""
    found: list[ast.stmt] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, ast.If):
            # Under `TYPE_CHECKING` stand the real names; what runs without them stands in `else`.
            found += statements(statement.orelse) + statements(statement.body)
        elif isinstance(statement, ast.Try):
            found += statements(statement.body)
    return found


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` of an expression that is such a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else None
    return None


class Names:
    """Resolves names over modules."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules

    def find(self, module: Module, name: str, hops: int = MAX_HOPS) -> Found | None:
        """What a bare name of a module is, imports followed."""
        if hops == 0:
            return None
        found: Found | None = None
        for statement in statements(module.tree.body):
            match statement:
                case ast.ClassDef(name=own) | ast.FunctionDef(name=own) if own == name:
                    found = Found(module, statement)
                case ast.Assign(targets=[ast.Name(id=own)], value=value) if own == name:
                    found = Found(module, value)
                case ast.AnnAssign(target=ast.Name(id=own), value=ast.expr() as value) if own == name:
                    found = Found(module, value)
                case ast.ImportFrom() if imported := _imported(statement, name):
                    found = self._from(module, statement, imported, hops) or found
                case _ if type(statement).__name__ == "TypeAlias":  # `type X = …`, Python 3.12
                    if getattr(getattr(statement, "name", None), "id", None) == name:
                        found = Found(module, getattr(statement, "value"))  # noqa: B009
        return found

    def _from(self, module: Module, statement: ast.ImportFrom, name: str, hops: int) -> Found | None:
        target = statement.module or ""
        if statement.level:
            package = module.name.split(".")
            keep = len(package) - statement.level + (1 if module.is_package else 0)
            target = ".".join([*package[:keep], *([target] if target else [])])
        source = self.modules.get(target)
        return self.find(source, name, hops - 1) if source else None

    def attribute(self, module: Module, node: ast.Attribute) -> tuple[Found, str] | None:
        """`Owner.name`, or `module.Owner.name`: the owner's definition, and the name."""
        owner = dotted(node.value)
        if owner is None:
            return None
        found = self.resolve(module, owner)
        return (found, node.attr) if found else None

    def resolve(self, module: Module, name: str) -> Found | None:
        """What a dotted name of a module is."""
        first, _, rest = name.partition(".")
        if not rest:
            return self.find(module, first)
        target = self._module(module, first)
        return self.resolve(target, rest) if target else None

    def _module(self, module: Module, name: str) -> Module | None:
        for statement in statements(module.tree.body):
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    if (alias.asname or alias.name) == name:
                        return self.modules.get(alias.name)
            elif isinstance(statement, ast.ImportFrom) and (own := _imported(statement, name)):
                target = f"{statement.module}.{own}" if statement.module else own
                if not statement.level and (found := self.modules.get(target)):
                    return found
        return None


def _imported(statement: ast.ImportFrom, name: str) -> str | None:
    for alias in statement.names:
        if (alias.asname or alias.name) == name:
            return alias.name
    return None
