"""Lines from an untrusted stream, in bounded memory. It knows bytes only."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from lem_worker.requests import MAX_LINE_BYTES


class TooLong:
    """Stands for a line longer than MAX_LINE_BYTES, which has been skipped."""


TOO_LONG: Final = TooLong()


def read(stream: BinaryIO) -> Iterator[bytes | TooLong]:
    """The lines without their newlines. A last one without its newline counts as cut off, and so as the end."""
    while True:
        line = stream.readline(MAX_LINE_BYTES)
        if line.endswith(b"\n"):
            yield line[:-1]
            continue
        if len(line) < MAX_LINE_BYTES:
            return
        while not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
            if not line:
                return
        yield TOO_LONG
