"""What an engine is to the worker: small enough that a synchronous loop and a server with a scheduler of its own
are both one.

The worker steers: it submits requests, and between two steps it is told what exists by now (`drive`). So arrivals,
minima, boundaries and what is unfinished are decided in one place (`window.py`), whatever the engine, and by the
thread that the tokens come to: two that take turns hold each other up. An engine knows nothing of windows, files and
the protocol's lines. All times are CLOCK_MONOTONIC ns (`time.monotonic_ns`). What goes wrong may be raised as it
comes: `diagnose.py` gives it a code and a hint; an engine raises `Fault` where it knows better.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

from lem_worker.answers import Profile, QualityOutput
from lem_worker.fault import Code, Fault
from lem_worker.requests import Load, Parameters


@dataclass(frozen=True, slots=True)
class Facts:
    """What was loaded."""

    # Every engine-level parameter that the catalogue knows, as the engine really holds it, by catalogue name.
    effective: Parameters
    # Number of weights, and of those that one token uses where they are fewer.
    model_parameters: int
    active_parameters: int | None
    # Ids of prompts are below it.
    vocab_size: int
    # Tokens of input and output together that one sequence can have; None where nothing limits them.
    context_length: int | None
    # `cpu` or `cuda`: where the model runs.
    device: str


@dataclass(frozen=True, slots=True)
class Submission:
    """One request. The same object may be submitted again under another ordinal."""

    # Its number in the window, from 0: names it in `Chunk`, and tells random streams apart.
    ordinal: int
    input_ids: Sequence[int]
    # Tokens to make: exactly, ignoring end-of-sequence; at most, where `natural`.
    output_tokens: int
    natural: bool = False


class Chunk(NamedTuple):
    """News of one request. There is one for every token: a tuple is made in half of a frozen dataclass's time."""

    ordinal: int
    # Tokens that are new, from ids; 0 is allowed.
    tokens: int
    # When they existed, as seen by this process. Never runs backwards within a request.
    at_ns: int
    # When its prefill began, said with its first token (or before) if the engine knows it on this clock.
    prefill_ns: int | None = None
    # Input tokens out of a prefix cache.
    cached_tokens: int = 0
    # It has all its tokens.
    finished: bool = False
    # It ended at end-of-sequence, before `output_tokens`.
    ended_early: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Request-level parameters, read and checked."""

    # As they will really be used, by catalogue name, every one that the catalogue knows.
    effective: Parameters
    # Requests of one batch: what arrives together under `batch`.
    batch_size: int
    # The engine's own form of them.
    own: object = field(default=None, compare=False)


class Engine(ABC):
    """One engine, in one process, loaded once. Every method is called from the same thread, but for `submit`, which
    `drive`'s step calls too."""

    # The backend's name, as in catalogues and LEM_BACKEND.
    NAME: ClassVar[str]
    # Distribution whose version is the backend's.
    DISTRIBUTION: ClassVar[str]

    def __init__(self, model: Path) -> None:
        """An engine for the model in that folder; nothing is loaded, and nothing heavy is imported."""
        self.model = model

    @abstractmethod
    def load(self, load: Load, stop: Callable[[], None]) -> Facts:
        """Loads from the model's folder; an unknown parameter is a `bad_parameter`.

        CUDA_VISIBLE_DEVICES is set before it is called (to nothing where `load.gpus` is empty); nothing of CUDA was
        imported. `stop` may be called at
        boundaries: it raises when the request is cancelled.
        """

    @abstractmethod
    def settings(self, parameters: Parameters) -> Settings:
        """Request-level parameters of a window; an unknown one is a `bad_parameter`."""

    @abstractmethod
    def submit(self, requests: Sequence[Submission], settings: Settings) -> None:
        """Hands requests over, all at the same moment. Returns at once: work is done in `advance`.

        More may be submitted than fit: they wait in the engine, as its own policy says (a static batcher takes
        the first `batch_size` that wait once no batch runs).
        """

    @abstractmethod
    def advance(self, timeout_seconds: float) -> Sequence[Chunk]:
        """What is new since the last call, in the order of `at_ns`.

        An engine with a scheduler waits until there is something, at most so long, and then gives all of it that
        belongs to one step; a synchronous one makes one step (whatever the timeout), or sleeps that long when
        it has nothing to do. A step is one token of what runs, so that a cancel is seen between two. The chunk with
        a request's last token says `finished`, and no other of it follows.
        """

    def drive(self, step: Callable[[Sequence[Chunk]], float | None]) -> None:
        """Advances until `step` returns None or raises. It is called with nothing new first, then with what is new
        after each step, and gives the timeout of the next."""
        timeout_seconds = step(())
        while timeout_seconds is not None:
            timeout_seconds = step(self.advance(timeout_seconds))

    @abstractmethod
    def abort(self) -> None:
        """Forgets all requests, waiting and running; returns when the engine is idle and their memory is free.

        A cache that the next requests use again may stay.
        """

    @abstractmethod
    def assess(self, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
        """Greedy outputs with log-probabilities, one for each request, in order; outside any window."""

    @abstractmethod
    def close(self) -> None:
        """Frees everything, also after a load that failed half-way; called once."""

    def prepare(self, prompts: Sequence[Submission], settings: Settings, together: int) -> None:  # noqa: B027
        """Checks what is about to run, before `ready`: what can be refused is refused here and not in the window.
        `prompts` are all of the workload; `together` of them are in flight at once."""

    def start_profile(self) -> None:
        """Starts the engine's profiler."""
        raise Fault(Code.UNSUPPORTED, f"{self.NAME} has no profiler that counts phases", "leave `profile` out")

    def stop_profile(self) -> Profile:
        """Stops it and says what it counted."""
        raise Fault(Code.UNSUPPORTED, f"{self.NAME} has no profiler that counts phases", "leave `profile` out")
