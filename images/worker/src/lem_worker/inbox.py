"""What lemctl asks, read by a thread of its own so that a cancel is seen between two tokens."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import BinaryIO

from lem_worker import lines
from lem_worker.fault import Code, Fault
from lem_worker.requests import MAX_LINE_BYTES, RequestLine
from lem_worker.strict import Refused, decode

# How long work may take to notice that lemctl is gone, before the process ends under it: an engine that
# loads has no boundary, and nobody is there to wait for.
GRACE_SECONDS = 5.0

HINT = "lemctl and this image do not match: rebuild it"


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is no request, with the id that it seemed to have, or 0."""

    id: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Gone:
    """The end: lemctl is gone."""


Incoming = RequestLine | Bad | Gone


def parse(line: bytes | lines.TooLong) -> RequestLine | Bad:
    """What a line says."""
    if isinstance(line, lines.TooLong):
        return Bad(0, Fault(Code.BAD_REQUEST, f"the line is longer than {MAX_LINE_BYTES} bytes", HINT))
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Bad(0, Fault(Code.BAD_REQUEST, f"the line is not JSON: {error}", HINT))
    try:
        return decode(RequestLine, value)
    except (Refused, RecursionError) as error:
        found = value.get("id") if isinstance(value, dict) else None
        line_id = found if type(found) is int and 0 <= found < 2**64 else 0
        return Bad(line_id, Fault(Code.BAD_REQUEST, f"the line is no request: {error}", HINT))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def start(stream: BinaryIO, abandon: Callable[[], None]) -> SimpleQueue[Incoming]:
    """Starts the reader. `abandon` is called from its thread some time after the stream has ended: it must end the
    process."""
    inbox: SimpleQueue[Incoming] = SimpleQueue()

    def run() -> None:
        try:
            for line in lines.read(stream):
                inbox.put(parse(line))
        finally:
            inbox.put(Gone())
            time.sleep(GRACE_SECONDS)
            abandon()

    threading.Thread(target=run, name="inbox", daemon=True).start()
    return inbox
