"""What lemctl asks: the request lines and the workload files, as the schemas under `schemas/` say them.

It knows types and limits only: no I/O, no clock, no engine.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from lem_worker.strict import SKIP, U32, U64

PROTOCOL_VERSION = 2
# Longest line, in bytes with its newline, that either side may send.
MAX_LINE_BYTES = 256 * 1024
MAX_RECORD_BYTES = 64 * 1024 * 1024
MAX_QUALITY_BYTES = 16 * 1024 * 1024
MAX_WORKLOAD_BYTES = 256 * 1024 * 1024

# A set of parameters by catalogue name.
Parameters = dict[str, Any]
Weights = Literal["dummy", "random", "real"]


@dataclass(frozen=True, slots=True)
class RandomModel:
    """Weights drawn by a seed; their files lie in the model's folder."""

    TAG: ClassVar = ("source", "random")
    seed: U64
    config: str | None = field(default=None, metadata=SKIP)


@dataclass(frozen=True, slots=True)
class DummyModel:
    """A `config.json` and no weights: the engine's own placeholder values."""

    TAG: ClassVar = ("source", "dummy")
    config: str


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A folder of the user's."""

    TAG: ClassVar = ("source", "local")
    name: str
    config: str
    weights: Weights


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository of a model hub, already in the model's folder."""

    TAG: ClassVar = ("source", "hub")
    id: str
    revision: str


Model = RandomModel | DummyModel | LocalModel | HubModel


@dataclass(frozen=True, slots=True)
class BatchArrival:
    """Whole batches: the next when the last request of the one before has finished."""

    TAG: ClassVar = ("kind", "batch")


@dataclass(frozen=True, slots=True)
class ClosedLoopArrival:
    """As many in flight as `concurrency` says: each that finishes is followed by the next."""

    TAG: ClassVar = ("kind", "closed_loop")
    concurrency: U32


@dataclass(frozen=True, slots=True)
class OpenLoopArrival:
    """Each request when it is due; the end when all have finished, or so long after the last was due."""

    TAG: ClassVar = ("kind", "open_loop")
    drain_seconds: U32


Arrival = BatchArrival | ClosedLoopArrival | OpenLoopArrival


@dataclass(frozen=True, slots=True)
class Work:
    """What to work on."""

    workload: str
    arrival: Arrival
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class MeasureFor:
    """A window ends at the first boundary at which both hold."""

    min_seconds: float
    min_requests: U32


@dataclass(frozen=True, slots=True)
class Hello:
    """Who are you?"""

    TAG: ClassVar = ("type", "hello")


@dataclass(frozen=True, slots=True)
class Load:
    """Load the engine; once in a worker's life."""

    TAG: ClassVar = ("type", "load")
    parameters: Parameters
    model: Model
    gpus: list[str]


@dataclass(frozen=True, slots=True)
class Warmup(Work):
    """One warm-up iteration."""

    TAG: ClassVar = ("type", "warmup")


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured window."""

    TAG: ClassVar = ("type", "measure")
    work: Work
    measure: MeasureFor
    profile: bool = field(default=False, metadata=SKIP)


@dataclass(frozen=True, slots=True)
class Assess:
    """Show what the engine makes of pinned prompts."""

    TAG: ClassVar = ("type", "assess")
    workload: str


@dataclass(frozen=True, slots=True)
class Go:
    """Start the window that said `ready`."""

    TAG: ClassVar = ("type", "go")


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there?"""

    TAG: ClassVar = ("type", "ping")


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the request in progress."""

    TAG: ClassVar = ("type", "cancel")


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Free everything and exit."""

    TAG: ClassVar = ("type", "shutdown")


Request = Hello | Load | Warmup | Measure | Assess | Go | Ping | Cancel | Shutdown


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One line on stdin."""

    id: U64
    request: Request
    attempt: str | None = field(default=None, metadata=SKIP)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request's input, as ids, text or messages, and the length of its output."""

    output_tokens: U32
    input_ids: list[U32] = field(default_factory=list, metadata=SKIP)
    text: str | None = field(default=None, metadata=SKIP)
    messages: list[ChatMessage] | None = field(default=None, metadata=SKIP)
    natural: bool = field(default=False, metadata=SKIP)


@dataclass(frozen=True, slots=True)
class WorkloadFile:
    """The prompts, in the order in which they are sent."""

    vocab_size: U32
    prompts: list[Prompt]
    arrivals_ns: list[U64] = field(default_factory=list, metadata=SKIP)
    chat_template: str | None = field(default=None, metadata=SKIP)
