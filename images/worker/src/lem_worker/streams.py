"""The process's streams: the protocol's own, out of reach of whatever an engine or its children print or read."""

import os
import sys
from typing import BinaryIO


def claim() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's input and output. From then on descriptor 0 is empty and 1 is stderr, for children too."""
    sys.stdout.flush()
    # Duplicates are not inherited, so a process that outlives this one does not hold the conversation open.
    source, sink = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb", buffering=0)
