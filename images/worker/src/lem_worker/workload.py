"""Reads a workload file: bounded, its digest checked, its prompts made into ids and checked against the model."""

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lem_worker.engines.base import Facts
from lem_worker.fault import Code, Fault
from lem_worker.requests import MAX_WORKLOAD_BYTES, OpenLoopArrival, Prompt, WorkloadFile
from lem_worker.strict import Refused, decode
from lem_worker.tokens import Tokenizer, ids_digest
from lem_worker.window import Ready


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts that the engine can take."""

    ready: Sequence[Ready]
    arrivals_ns: Sequence[int]
    # Of the ids that texts became; None where the file has ids.
    tokens_sha256: str | None
    chat_template_sha256: str | None


class Workloads:
    """The folder of workload files, for one loaded model."""

    def __init__(self, folder: Path, model: Path, facts: Facts) -> None:
        self._folder = folder
        self._model = model
        self._facts = facts
        # The same one comes again and again: warm-up, then a window, then the next cycle.
        self._last: tuple[str, Prompts] | None = None

    def read(self, digest: str) -> Prompts:
        """The prompts that `digest` names."""
        if self._last is None or self._last[0] != digest:
            self._last = (digest, self._read(digest))
        return self._last[1]

    def _read(self, digest: str) -> Prompts:
        workload = read_file(self._folder, digest)
        tokenizer: Tokenizer | None = None
        if any(not prompt.input_ids for prompt in workload.prompts):
            tokenizer = Tokenizer(self._model, workload.chat_template)
        ready = [self._ready(place, prompt, tokenizer) for place, prompt in enumerate(workload.prompts)]
        return Prompts(
            ready,
            workload.arrivals_ns,
            None if tokenizer is None else ids_digest([one.input_ids for one in ready]),
            None if tokenizer is None else tokenizer.template_sha256,
        )

    def _ready(self, place: int, prompt: Prompt, tokenizer: Tokenizer | None) -> Ready:
        ids = prompt.input_ids
        if tokenizer is not None and not ids:
            ids = tokenizer.ids(prompt)
        if not ids or prompt.output_tokens == 0:
            raise invalid(f"prompt {place} has no input or no output")
        if max(ids) >= self._facts.vocab_size:
            raise invalid(f"prompt {place} holds token {max(ids)}, but vocab_size is {self._facts.vocab_size}")
        context = self._facts.context_length
        length = len(ids) + prompt.output_tokens
        if context is not None and length > context:
            raise Fault(
                Code.CONTEXT_EXCEEDED,
                f"prompt {place} has {len(ids)} tokens and asks for {prompt.output_tokens}, together {length}, but the "
                f"context is {context}",
                "raise the context length of the engine, or shorten the workload's input or output",
            )
        return Ready(ids, prompt.output_tokens, prompt.natural)


def read_file(folder: Path, digest: str) -> WorkloadFile:
    """The file that `digest` names, checked by itself."""
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise Fault(Code.BAD_REQUEST, "workload is not a SHA-256 in 64 small hex digits")
    path = folder / f"{digest}.json"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_WORKLOAD_BYTES + 1)
    except FileNotFoundError as error:
        hint = "lemctl writes it into the control folder: is that mounted at /run/lem?"
        raise Fault(Code.WORKLOAD_MISSING, f"there is no {path}", hint) from error
    except OSError as error:
        raise Fault(Code.WORKLOAD_MISSING, f"reading {path}: {error}") from error
    if len(data) > MAX_WORKLOAD_BYTES:
        raise invalid(f"{path} is larger than {MAX_WORKLOAD_BYTES} bytes")
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        hint = "the file changed after lemctl wrote it: run the campaign again"
        raise Fault(Code.WORKLOAD_MISMATCH, f"{path} has the digest {found}", hint)
    try:
        workload = decode(WorkloadFile, json.loads(data))
    except (Refused, ValueError, RecursionError) as error:
        raise invalid(f"{path} is no workload file: {error}") from error
    _check(workload)
    return workload


def check_arrivals(prompts: Prompts, arrival: object) -> None:
    """An open loop needs a schedule."""
    if isinstance(arrival, OpenLoopArrival) and not prompts.arrivals_ns:
        raise invalid("the workload says no arrivals_ns, and the arrival is open_loop")


def _check(workload: WorkloadFile) -> None:
    if not workload.prompts:
        raise invalid("the workload has no prompts")
    for place, prompt in enumerate(workload.prompts):
        inputs = (bool(prompt.input_ids), prompt.text is not None, prompt.messages is not None)
        if sum(inputs) != 1:
            raise invalid(f"prompt {place} must have one of input_ids, text and messages")
    arrivals = workload.arrivals_ns
    if any(later < earlier for earlier, later in itertools.pairwise(arrivals)):
        raise invalid("arrivals_ns does not ascend")


def invalid(message: str) -> Fault:
    """A workload file that is none, or not for this model."""
    return Fault(Code.WORKLOAD_INVALID, message, "draw the workload for the model's own vocabulary and tokenizer")
