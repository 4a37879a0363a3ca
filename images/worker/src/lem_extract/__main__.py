"""`python3 -m lem_extract BACKEND --wheel FILE | --source DIR | --installed [-o FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .extract import extract
from .source import FolderFiles, SourceError, WheelFiles, installed, version_of_wheel
from .targets import BACKENDS


def main(arguments: list[str] | None = None) -> int:
    """Extracts, and gives the exit code: 0, or 2 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="lem_extract", description=__doc__)
    parser.add_argument("backend", choices=sorted(BACKENDS))
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("--wheel", type=Path, help="a wheel of the engine")
    origin.add_argument("--source", type=Path, help="the folder that holds the package's folder")
    origin.add_argument("--installed", action="store_true", help="the package installed here")
    parser.add_argument("--version", help="the version, where the origin does not tell it")
    parser.add_argument("-o", "--output", type=Path, help="the file to write [default: stdout]")
    options = parser.parse_args(arguments)
    try:
        text = render(_extracted(options))
    except SourceError as error:
        print(f"lem_extract: {error}", file=sys.stderr)
        return 2
    if options.output:
        options.output.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _extracted(options: argparse.Namespace) -> dict[str, Any]:
    backend = BACKENDS[options.backend]
    if options.installed:
        files, version = installed(backend.distribution, backend.package)
        return extract(options.backend, options.version or version, files)
    if options.wheel:
        version = options.version or version_of_wheel(options.wheel)
        return extract(options.backend, version, WheelFiles(options.wheel))
    if not options.version:
        raise SourceError("a --source folder needs --version")
    return extract(options.backend, options.version, FolderFiles(options.source))


def render(catalogue: dict[str, Any]) -> str:
    """One line for each parameter: a change of one is a change of one line."""
    head = {key: value for key, value in catalogue.items() if key != "parameters"}
    text = json.dumps(head, indent=2, ensure_ascii=False)
    lines = ["    " + json.dumps(entry, ensure_ascii=False, sort_keys=False) for entry in catalogue["parameters"]]
    return text[:-2] + ',\n  "parameters": [\n' + ",\n".join(lines) + "\n  ]\n}\n"


if __name__ == "__main__":
    sys.exit(main())
