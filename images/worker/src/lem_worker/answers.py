"""What a worker answers and what it leaves in its outbox, as the schemas under `schemas/` say it.

It knows types only: no I/O, no clock, no engine.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from lem_worker.requests import Arrival, Parameters, Weights
from lem_worker.strict import SKIP, U32, U64

RECORD_SCHEMA_VERSION = 2
QUALITY_SCHEMA_VERSION = 1

MarkName = Literal["load_start", "load_end", "warmup_start", "warmup_end", "measure_start", "measure_end"]
TimingKind = Literal["measured", "estimated"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A phase boundary."""

    TAG: ClassVar = None
    name: MarkName
    monotonic_ns: U64


@dataclass(frozen=True, slots=True)
class HelloOutcome:
    """Who the worker is."""

    TAG: ClassVar = ("of", "hello")
    protocol_version: U32
    backend: str
    backend_version: str
    packages: dict[str, str]
    gpus: list[str]
    device: str
    monotonic_ns: U64


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """What was loaded."""

    TAG: ClassVar = ("of", "load")
    effective: Parameters
    model_parameters: U64
    marks: list[Mark]
    vocab_size: U32 | None = field(default=None, metadata=SKIP)
    active_parameters: U64 | None = field(default=None, metadata=SKIP)


@dataclass(frozen=True, slots=True)
class WarmupOutcome:
    """What a warm-up iteration made."""

    TAG: ClassVar = ("of", "warmup")
    output_tokens: U64
    elapsed_ns: U64


@dataclass(frozen=True, slots=True)
class MeasureOutcome:
    """A record lies in the outbox."""

    TAG: ClassVar = ("of", "measure")
    bytes: U64
    sha256: str


@dataclass(frozen=True, slots=True)
class AssessOutcome:
    """A quality record lies in the outbox."""

    TAG: ClassVar = ("of", "assess")
    bytes: U64
    sha256: str


@dataclass(frozen=True, slots=True)
class PingOutcome:
    """The worker is there."""

    TAG: ClassVar = ("of", "ping")
    monotonic_ns: U64


@dataclass(frozen=True, slots=True)
class ShutdownOutcome:
    """The process exits right after."""

    TAG: ClassVar = ("of", "shutdown")


Outcome = HelloOutcome | LoadOutcome | WarmupOutcome | MeasureOutcome | AssessOutcome | PingOutcome | ShutdownOutcome


@dataclass(frozen=True, slots=True)
class Ready:
    """A measure request is prepared and waits for `go`."""

    TAG: ClassVar = ("type", "ready")


@dataclass(frozen=True, slots=True)
class MarkEvent:
    """A phase boundary, as an event."""

    TAG: ClassVar = ("type", "mark")
    name: MarkName
    monotonic_ns: U64


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a measure request is."""

    TAG: ClassVar = ("type", "progress")
    completed_requests: U64


@dataclass(frozen=True, slots=True)
class Done:
    """The request ended well."""

    TAG: ClassVar = ("type", "done")
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Error:
    """The request ended badly."""

    TAG: ClassVar = ("type", "error")
    code: str
    message: str
    hint: str | None = field(default=None, metadata=SKIP)


Event = Ready | MarkEvent | Progress | Done | Error


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line on stdout."""

    id: U64
    event: Event
    attempt: str | None = field(default=None, metadata=SKIP)


@dataclass(slots=True)
class RequestRecord:
    """One finished request."""

    prompt: U32
    input_tokens: U32
    output_tokens: U32
    queued_ns: U64
    prefill_ns: U64
    first_token_ns: U64
    token_gaps_ns: list[U64]
    due_ns: U64 | None = field(default=None, metadata=SKIP)
    cached_tokens: U32 = field(default=0, metadata=SKIP)
    chunk_tokens: list[U32] = field(default_factory=list, metadata=SKIP)
    ended_early: bool = field(default=False, metadata=SKIP)


@dataclass(slots=True)
class UnfinishedRequest:
    """A request that was in flight when the window ended."""

    prompt: U32
    input_tokens: U32
    queued_ns: U64
    prefill_ns: U64 | None
    first_token_ns: U64 | None
    token_gaps_ns: list[U64]
    due_ns: U64 | None = field(default=None, metadata=SKIP)


@dataclass(slots=True)
class Profile:
    """What a profiler counted in a window."""

    profiler: str
    flops: U64 | None
    device_busy_ns: U64
    prefill_ns: U64
    decode_ns: U64


@dataclass(slots=True)
class Record:
    """The record of one attempt. All times are CLOCK_MONOTONIC nanoseconds."""

    schema_version: U32
    attempt: str
    backend: str
    backend_version: str
    device: str
    weights: Weights
    requested: Parameters
    effective: Parameters
    workload: str
    arrival: Arrival
    marks: list[Mark]
    token_timing: TimingKind
    requests: list[RequestRecord]
    unfinished: list[UnfinishedRequest]
    tokens_sha256: str | None = field(default=None, metadata=SKIP)
    chat_template_sha256: str | None = field(default=None, metadata=SKIP)
    profile: Profile | None = field(default=None, metadata=SKIP)


@dataclass(slots=True)
class QualityOutput:
    """What came of one pinned prompt."""

    input_ids: list[U32]
    input_logprobs: list[float | None]
    output_ids: list[U32]
    output_logprobs: list[float | None]


@dataclass(slots=True)
class QualityRecord:
    """The outputs on pinned prompts, greedy."""

    schema_version: U32
    attempt: str
    workload: str
    outputs: list[QualityOutput]
