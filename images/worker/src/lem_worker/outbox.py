"""Writing into the outbox so that a reader sees all of a file or nothing."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from lem_worker.fault import Code, Fault
from lem_worker.strict import encode

HINT = "the outbox must be writable for the container's user and have space"


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written."""

    bytes: int
    sha256: str


def write(outbox: Path, attempt: str, name: str, value: object, limit: int) -> Written:
    """Writes `<outbox>/<attempt>/<name>` through a temporary name, synced. The attempt must be a name."""
    folder = outbox / attempt
    path = folder / name
    try:
        # JSON has no NaN: better no record than one that is not JSON.
        data = json.dumps(encode(value), allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError) as error:
        raise Fault(Code.RECORD_FAILED, f"{path} cannot be written as JSON: {error}") from error
    if len(data) > limit:
        raise Fault(
            Code.RECORD_FAILED,
            f"{path} would have {len(data)} bytes, more than {limit}",
            "measure fewer tokens: lower min_seconds or min_requests",
        )
    temporary = folder / f".{name}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        raise Fault(Code.RECORD_FAILED, f"writing {path}: {error}", HINT) from error
    return Written(len(data), hashlib.sha256(data).hexdigest())
