"""Parameters of a function: those of its signature, and those it takes out of `**kwargs`.

Must not know which functions matter.
"""

from __future__ import annotations

import ast
from typing import Any

from . import documents
from .annotations import Admits
from .evaluate import Unknown
from .fields import Classes, Field
from .names import Found


def method(found: Found, name: str) -> ast.FunctionDef | None:
    """A method of a class."""
    assert isinstance(found.node, ast.ClassDef)
    for statement in found.node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            return statement
    return None


def parameters(
    classes: Classes, found: Found, function: ast.FunctionDef, documented: str | None = None
) -> dict[str, Field]:
    """What a function takes, by name; those of its signature first."""
    listed = documents.entries(documented or ast.get_docstring(function))
    result: dict[str, Field] = {}

    def add(name: str, line: int, annotation: ast.expr | None, default: ast.expr | None) -> None:
        if name in result:
            return
        admits = classes.annotations.read(found.module, annotation)
        one = Field(name, found.module, line, annotation, admits)
        if annotation is None and (entry := listed.get(name)):
            one.type_text = entry.type_text
            one.admits = Admits(kinds=list(entry.kinds), open=set(entry.kinds))
        if default is None:
            one.required = True
        else:
            try:
                one.default = classes.evaluator.value(found.module, default)
            except Unknown:
                one.expression = ast.unparse(default)
            if one.default is None:
                one.admits.kind("null")
        result[name] = one

    arguments = function.args
    plain = arguments.posonlyargs + arguments.args
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    defaults += arguments.defaults
    for argument, default in zip(plain, defaults, strict=True):
        if argument.arg not in {"self", "cls"}:
            add(argument.arg, argument.lineno, argument.annotation, default)
    for argument, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        add(argument.arg, argument.lineno, argument.annotation, keyword)
    rest = arguments.kwarg.arg if arguments.kwarg else None
    for node in _in_order(function):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=owner), attr="pop"),
                args=[ast.Constant(value=str(name)), *fallback],
            ) if owner == rest:
                add(name, node.lineno, None, fallback[0] if fallback else ast.Constant(None))
    return result


def _in_order(function: ast.FunctionDef) -> list[ast.AST]:
    nodes: list[Any] = [node for node in ast.walk(function) if hasattr(node, "lineno")]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


__all__ = ["method", "parameters"]
