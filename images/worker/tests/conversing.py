"""A worker at the other end of pipes, as lemctl has it."""

import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PATIENCE = 30.0


class Worker:
    """One worker process and what it answers."""

    def __init__(self, folder: Path, program: Path = HERE / "fake_worker.py", backend: str = "fake") -> None:
        self.folder = folder
        for name in ("workloads", "outbox", "model"):
            (folder / name).mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "LEM_BACKEND": backend,
            # As in a container: what an engine prints waits in a buffer.
            "PYTHONUNBUFFERED": "",
            "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE)]),
        }
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(program),
                f"--workloads={folder / 'workloads'}",
                f"--outbox={folder / 'outbox'}",
                f"--model={folder / 'model'}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr").open("wb"),
            env=environment,
        )
        self.raw: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.id = 0

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.decode())
        self._lines.put(None)

    def write(self, text: bytes) -> None:
        """Bytes to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def send(self, kind: str, attempt: str | None = None, **rest: Any) -> int:
        """Sends a request; go and cancel carry the id of the one in progress."""
        if kind not in ("go", "cancel"):
            self.id += 1
        line: dict[str, Any] = {"id": self.id, "request": {"type": kind, **rest}}
        if attempt is not None:
            line["attempt"] = attempt
        self.write(json.dumps(line).encode() + b"\n")
        return self.id

    def event(self) -> dict[str, Any]:
        """The next line, whatever it is."""
        line = self._lines.get(timeout=PATIENCE)
        assert line is not None, "the worker's stdout ended"
        self.raw.append(line)
        found: dict[str, Any] = json.loads(line)
        return found

    def until(self, *kinds: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The first event of one of these kinds, and the lines before it."""
        before = []
        while (line := self.event())["event"]["type"] not in kinds:
            before.append(line)
        return line["event"], before

    def end(self) -> dict[str, Any]:
        """The event that ends a request."""
        return self.until("done", "error")[0]

    def load(self, **parameters: Any) -> dict[str, Any]:
        """Loads, and returns how that ended."""
        self.send("load", parameters=parameters, model={"source": "random", "seed": 1}, gpus=[])
        return self.end()

    def workload(self, prompts: list[dict[str, Any]], **rest: Any) -> str:
        """Puts a workload where the worker looks, and names it."""
        data = json.dumps({"vocab_size": 100, "prompts": prompts, **rest}).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "workloads" / f"{digest}.json").write_bytes(data)
        return digest

    def record(self, attempt: str, name: str = "record.json") -> dict[str, Any]:
        """What it left in the outbox."""
        found: dict[str, Any] = json.loads((self.folder / "outbox" / attempt / name).read_bytes())
        return found

    def log(self) -> str:
        """What it said on stderr."""
        return (self.folder / "stderr").read_text()

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(PATIENCE)
