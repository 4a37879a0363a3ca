"""The process's streams: the protocol's own, out of reach of whatever an engine or its children print or read, and
the end of what they said on stderr, where an engine's processes leave their last words."""

import contextlib
import faulthandler
import io
import os
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO

# How much of stderr is remembered.
TAIL_BYTES = 256 * 1024
# How long last words may take from a pipe to where they are remembered.
SETTLE_SECONDS = 0.2


class Said:
    """What was said on stderr, passed on at once, and its end."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._pass_on, name="stderr", daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Begins anew."""
        with self._lock:
            self._pieces.clear()
            self._bytes = 0

    def tail(self) -> str:
        """The end of what was said since. What a process said just before it ended is on its way through the pipe."""
        time.sleep(SETTLE_SECONDS)
        with self._lock:
            return b"".join(self._pieces).decode("utf-8", "replace")

    def finish(self) -> None:
        """Waits a little for what is under way: a child that lives on keeps the pipe open."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(self._sink, 1)
        os.dup2(self._sink, 2)
        self._thread.join(0.5)

    def _pass_on(self) -> None:
        while piece := os.read(self._source, 65536):
            with self._lock:
                self._pieces.append(piece)
                self._bytes += len(piece)
                while self._bytes > TAIL_BYTES:
                    self._bytes -= len(self._pieces.popleft())
            # A log that nobody takes must not stop the engine.
            with contextlib.suppress(OSError):
                while piece:
                    piece = piece[os.write(self._sink, piece) :]


@dataclass(frozen=True, slots=True)
class Streams:
    """The protocol's input and output, and what goes to stderr."""

    source: BinaryIO
    sink: BinaryIO
    said: Said


def claim() -> Streams:
    """From then on descriptor 0 is empty, and 1 and 2 are the log, for children too."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Duplicates are not inherited, so a process that outlives this one does not hold the conversation open.
    source, sink, log = os.dup(0), os.dup(1), os.dup(2)
    # Last words of a crash do not take the way through a thread that crashes too.
    faulthandler.enable(log)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    out, into = os.pipe()
    os.dup2(into, 1)
    os.dup2(into, 2)
    os.close(into)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # It is a log now, and what a log says must be there when the process ends.
        sys.stdout.reconfigure(line_buffering=True)
    return Streams(os.fdopen(source, "rb"), os.fdopen(sink, "wb", buffering=0), Said(out, log))
