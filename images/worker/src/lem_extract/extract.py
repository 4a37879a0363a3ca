"""From a source to the text of a catalogue: one entry for each parameter of an engine's targets."""

from __future__ import annotations

import ast
from typing import Any

from . import FORMAT, keywords
from .fields import MISSING, Classes, Field
from .names import Found, Names
from .source import Files, Modules, SourceError
from .targets import BACKENDS, Target

REQUEST_PREFIX = "sampling_"
"""Stands before a request's parameter whose name the engine has too."""


def extract(backend: str, version: str, files: Files) -> dict[str, Any]:
    """The catalogue of a backend's version, as it is written to its file."""
    target = BACKENDS[backend]
    classes = Classes(Names(Modules(files)))
    parameters: list[dict[str, Any]] = []
    taken: set[str] = set()
    for one in target.targets:
        for field in _fields(classes, one):
            if field.name.startswith("_"):
                continue  # The engine's own affair.
            name = f"{one.prefix}{field.name}"
            if name in taken:
                name = f"{REQUEST_PREFIX}{name}"
            if name in taken:
                raise SourceError(f"{one.owner}.{field.name}: {name} stands twice")
            taken.add(name)
            parameters.append(_entry(name, one, field))
    return {
        "schema_version": FORMAT,
        "backend": backend,
        "version": version,
        "package": target.distribution,
        "origin": files.origin,
        "parameters": parameters,
    }


def _fields(classes: Classes, target: Target) -> list[Field]:
    module = classes.names.modules.get(target.module)
    found = classes.names.find(module, target.owner) if module else None
    if found is None or not isinstance(found.node, ast.ClassDef):
        raise SourceError(
            f"{target.module} has no class {target.owner}: the package is not what this extractor was written for"
        )
    if target.method is None:
        fields = list(classes.fields(found).values())
        if not target.inherited:
            own = {name for name, field in classes.fields(found).items() if _own(found, field)}
            fields = [field for field in fields if field.name in own]
        return [field for field in fields if field.init]
    function = keywords.method(found, target.method)
    if function is None:
        raise SourceError(f"{target.module}.{target.owner} has no {target.method}")
    documented = ast.get_docstring(function) or ast.get_docstring(found.node)
    return list(keywords.parameters(classes, found, function, documented).values())


def _own(found: Found, field: Field) -> bool:
    assert isinstance(found.node, ast.ClassDef)
    end = found.node.end_lineno or found.node.lineno
    return field.module is found.module and found.node.lineno <= field.line <= end


def _entry(name: str, target: Target, field: Field) -> dict[str, Any]:
    owner = target.owner
    if target.method and target.method != "__init__":
        owner = f"{owner}.{target.method}"
    entry: dict[str, Any] = {
        "name": name,
        "owner": owner,
        "member": field.name,
        "level": target.level,
        "type": _type_text(field),
        "kinds": field.admits.kinds,
    }
    if field.required:
        entry["required"] = True
    elif field.default is not MISSING:
        entry["default"] = field.default
        if field.member:
            entry["default_member"] = field.member
    else:
        entry["default_expression"] = field.expression
    if choices := field.admits.closed_choices():
        entry["choices"] = choices
    if field.admits.names and not field.admits.open - {"null"}:
        entry["choice_names"] = field.admits.names
    if known := field.admits.known_choices():
        entry["known"] = known
    if field.admits.bounds:
        entry["bounds"] = field.admits.bounds
    if field.tags:
        entry["tags"] = field.tags
    entry["source"] = f"{field.module.path}:{field.line}"
    entry["status"] = field.status or "extracted"
    return entry


def _type_text(field: Field) -> str:
    if field.annotation is not None:
        return ast.unparse(field.annotation)
    return field.type_text or ""
