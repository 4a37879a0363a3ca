"""The processes that an engine started from this one."""

import contextlib
import os
import signal
from pathlib import Path


def children(of: int, proc: Path = Path("/proc")) -> list[int]:
    """All descendants of a process, nearest first."""
    parents: dict[int, list[int]] = {}
    for path in proc.glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the parent is the second field after it.
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
        except (OSError, IndexError, ValueError):
            continue
    found: list[int] = []
    waiting = [of]
    while waiting:
        for child in parents.get(waiting.pop(0), []):
            if child not in found:
                found.append(child)
                waiting.append(child)
    return found


def kill_children() -> None:
    """Kills them all: nothing of an engine may live on."""
    for pid in children(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
