"""`python3 -m lem_worker`: the worker. LEM_BACKEND says which engine; stdin and stdout are the worker protocol.

It ends with 0 after `shutdown` and when stdin has ended, with 1 after its engine died, with 64 when called wrongly.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

# Engines start processes that import this module again: nothing but names may happen here.

# Where the engine of each backend is.
ENGINES = {
    "pytorch": ("lem_worker.engines.pytorch", "PytorchEngine"),
    "vllm": ("lem_worker.engines.vllm", "VllmEngine"),
    "tensorrt": ("lem_worker.engines.tensorrt", "TensorrtEngine"),
}
USAGE = 64


def main(arguments: list[str], engines: Mapping[str, tuple[str, str]] = ENGINES) -> int:
    """Runs the worker; its exit code."""
    from lem_worker import hello, inbox, streams
    from lem_worker.children import kill_children
    from lem_worker.output import Output
    from lem_worker.post import Post
    from lem_worker.serve import Conversation, Places

    parser = argparse.ArgumentParser(prog="lem_worker", description="speaks the worker protocol on stdin and stdout")
    known = Places()
    parser.add_argument("--workloads", type=Path, default=known.workloads, metavar="DIR")
    parser.add_argument("--outbox", type=Path, default=known.outbox, metavar="DIR")
    parser.add_argument("--model", type=Path, default=known.model, metavar="DIR")
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as error:
        return USAGE if error.code else 0
    backend = os.environ.get("LEM_BACKEND", "")
    if backend not in engines:
        names = ", ".join(engines)
        print(f"lem_worker: LEM_BACKEND is {backend!r}, expected one of {names}", file=sys.stderr)  # noqa: T201
        return USAGE

    claimed = streams.claim()
    # The worker loads what is mounted, whatever a library would like to look up.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    module, name = engines[backend]
    kind = getattr(importlib.import_module(module), name)

    def abandon() -> None:
        kill_children()
        os._exit(0)

    post = Post(inbox.start(claimed.source, abandon), Output(claimed.sink), lambda: hello.hello(kind))
    places = Places(parsed.workloads, parsed.outbox, parsed.model)
    code = Conversation(kind, places, post, claimed.said).run()
    # What an engine left running must not hold the container's GPU, or this process.
    kill_children()
    claimed.said.finish()
    return code


if __name__ == "__main__":
    # Ctrl-C of a terminal is lemctl's to handle: it cancels first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_code = main(sys.argv[1:])
    sys.stderr.flush()
    # Not through the interpreter's own end: threads of an engine that died can block it for ever.
    os._exit(exit_code)
