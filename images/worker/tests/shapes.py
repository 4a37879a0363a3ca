"""Stand-ins made from recorded shapes: they take and have what the real thing has, and nothing else."""

import inspect
import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
CATALOGUES = Path(__file__).parents[3] / "catalogues"


class Shapes:
    """One engine's recorded API."""

    def __init__(self, name: str) -> None:
        self._classes: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())

    def variables(self) -> list[str]:
        """Environment variables that the engine reads."""
        found: list[str] = self._classes["environment variables"]
        return found

    def fields(self, name: str) -> list[str]:
        """Fields of a class, those of its recorded bases first."""
        own = self._classes[name]
        found = [field for base in own["bases"] if base in self._classes for field in self.fields(base)]
        return found + [field for field in own["fields"] if field not in found]

    def methods(self, name: str) -> dict[str, Any]:
        """Methods of a class by name."""
        found: dict[str, Any] = self._classes[name]["methods"]
        return found

    def check_call(self, name: str, method: str, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        """What a call of a method binds, without self; a TypeError as the real one would raise it."""
        shape = self.methods(name)[method]
        kind, parameters = inspect.Parameter, []
        for place, parameter in enumerate(shape["positional"]):
            default = kind.empty if place < shape["needed"] else None
            parameters.append(kind(parameter, kind.POSITIONAL_OR_KEYWORD, default=default))
        parameters += [kind(parameter, kind.KEYWORD_ONLY, default=None) for parameter in shape["keyword_only"]]
        if shape["takes_more"]:
            parameters.append(kind("more", kind.VAR_KEYWORD))
        bound = inspect.Signature(parameters).bind(*([None] if shape["positional"] else []), *arguments, **keywords)
        return dict(bound.arguments)

    def build(self, name: str, **values: Any) -> Any:
        """An object with values for some of the class's fields; the others it has not."""
        known = self.fields(name)
        if not known:
            known = self.methods(name)["__init__"]["positional"] + self.methods(name)["__init__"]["keyword_only"]
        unknown = set(values) - set(known)
        if unknown:
            raise TypeError(f"{name} has no {sorted(unknown)}")
        return type(name, (), {"__slots__": tuple(values)})() if not values else _Holder(name, values)


class _Holder:
    """Named values; reading another is an AttributeError."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.__dict__.get('_name')} has no {name} here")


def catalogue(backend: str) -> list[dict[str, Any]] | None:
    """What the project's catalogue extracted for a backend; None where there is none yet."""
    pins = CATALOGUES / "pins.json"
    if not pins.exists():
        return None
    path = CATALOGUES / f"{backend}-{json.loads(pins.read_text())[backend]}.json"
    found: list[dict[str, Any]] | None = json.loads(path.read_text())["parameters"] if path.exists() else None
    return found
