"""Stdout: the protocol and nothing else, written by a thread of its own, so that a reader who is slow does not slow
the measurement."""

import contextlib
import json
import queue
import threading
from dataclasses import dataclass
from typing import BinaryIO

from lem_worker.answers import Event, EventLine
from lem_worker.fault import Code, Fault
from lem_worker.requests import MAX_LINE_BYTES, RequestLine
from lem_worker.strict import encode

# Events that may wait for the reader.
ROOM = 64


@dataclass(frozen=True, slots=True)
class Answered:
    """The request that events answer."""

    id: int
    attempt: str | None = None

    @classmethod
    def by(cls, line: RequestLine) -> "Answered":
        """The one on that line."""
        return cls(line.id, line.attempt)


class Output:
    """Where events go."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: queue.Queue[bytes | None] = queue.Queue(ROOM)
        self._writer = threading.Thread(target=self._write, name="output", daemon=True)
        self._writer.start()

    def send(self, to: Answered, event: Event) -> None:
        """Sends an event; waits when the reader is slow."""
        self._waiting.put(line(EventLine(to.id, event, to.attempt)))

    def offer(self, to: Answered, event: Event) -> None:
        """Sends an event that may be lost: never waits."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(line(EventLine(to.id, event, to.attempt)))

    def finish(self) -> None:
        """Waits until everything is written."""
        self._waiting.put(None)
        self._writer.join()

    def _write(self) -> None:
        is_open = True
        while (text := self._waiting.get()) is not None:
            if not is_open:
                continue
            try:
                while text:
                    text = text[self._stream.write(text) :]
            except OSError:
                # Nobody reads any more. Stdin ends too, and that is where it is noticed; senders must not block.
                is_open = False


def line(event: EventLine) -> bytes:
    """An event's line. One that cannot be written becomes an error that says so."""
    try:
        text = _text(event)
        if len(text) <= MAX_LINE_BYTES:
            return text
        why = "the answer is longer than a line may be"
    except (ValueError, TypeError) as error:
        why = f"the answer cannot be written as JSON: {error}"
    return _text(EventLine(event.id, Fault(Code.ENGINE_FAILED, why).to_event()))


def _text(event: EventLine) -> bytes:
    # JSON has no NaN: such a value must not reach lemctl as a broken line.
    return json.dumps(encode(event), allow_nan=False, separators=(",", ":")).encode() + b"\n"
