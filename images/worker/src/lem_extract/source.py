"""Where source comes from: a wheel, a folder, or an installed package, none of them imported.

Must not know what is looked for in it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MAX_FILE_BYTES = 8 * 1024 * 1024
"""The largest module that is parsed: the engines' own stay below one megabyte."""


class SourceError(Exception):
    """Source that cannot be had, with what would mend it."""


class Files(Protocol):
    """Texts by their path within the package's parent folder."""

    origin: dict[str, str]

    def read(self, path: str) -> str | None: ...


@dataclass
class WheelFiles:
    """The modules of a wheel."""

    path: Path
    origin: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise SourceError(f"{self.path}: no such wheel")
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        self.origin = {
            "kind": "wheel",
            "file": self.path.name,
            "sha256": digest.hexdigest(),
        }
        try:
            self._zip = zipfile.ZipFile(self.path)
        except zipfile.BadZipFile as error:
            raise SourceError(f"{self.path}: not a wheel: {error}") from error

    def read(self, path: str) -> str | None:
        try:
            info = self._zip.getinfo(path)
        except KeyError:
            return None
        if info.file_size > MAX_FILE_BYTES:
            raise SourceError(f"{path} in {self.path.name} has {info.file_size} bytes")
        return self._zip.read(info).decode("utf-8")


@dataclass
class FolderFiles:
    """The modules below a folder: an unpacked wheel, a checkout, or `site-packages`."""

    root: Path
    kind: str = "folder"
    origin: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise SourceError(f"{self.root}: no such folder")
        self.origin = {"kind": self.kind}

    def read(self, path: str) -> str | None:
        file = self.root / path
        if not file.is_file():
            return None
        if file.stat().st_size > MAX_FILE_BYTES:
            raise SourceError(f"{file} has {file.stat().st_size} bytes")
        return file.read_text("utf-8")


def installed(distribution: str, package: str) -> tuple[FolderFiles, str]:
    """The folder that holds an installed package, and its version, without importing it."""
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise SourceError(
            f"{distribution} is not installed here: run this in the engine's container, "
            "or name a --wheel or a --source folder"
        ) from error
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise SourceError(f"{distribution} {version} is installed, but has no folder {package}")
    return FolderFiles(Path(places[0]).parent, kind="installed"), version


def version_of_wheel(path: Path) -> str:
    """The version in a wheel's name: `name-version-tags.whl`."""
    parts = path.name.split("-")
    if len(parts) < 5 or not path.name.endswith(".whl"):
        raise SourceError(f"{path.name} is not named as a wheel is: give --version")
    return parts[1].split("+")[0]


@dataclass
class Module:
    """A parsed module."""

    name: str
    path: str
    tree: ast.Module
    is_package: bool


class Modules:
    """Modules by dotted name, parsed once."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._parsed: dict[str, Module | None] = {}

    def get(self, name: str) -> Module | None:
        """The module, if the source has it."""
        if name not in self._parsed:
            self._parsed[name] = self._parse(name)
        return self._parsed[name]

    def _parse(self, name: str) -> Module | None:
        stem = name.replace(".", "/")
        for path, is_package in ((f"{stem}.py", False), (f"{stem}/__init__.py", True)):
            text = self.files.read(path)
            if text is None:
                continue
            try:
                return Module(name, path, ast.parse(text, path), is_package)
            except SyntaxError as error:
                raise SourceError(f"{path} is not Python that this one reads: {error}") from error
        return None
