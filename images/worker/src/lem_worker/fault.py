"""Why a request ended badly: the stable codes, and what the user can do.

It knows nothing of engines: `diagnose.py` makes faults out of what they raise.
"""

from enum import StrEnum

from lem_worker.answers import Error

# Longest message and hint, in characters, that go over stdout: some quote what they were given.
MAX_MESSAGE = 1000


class Code(StrEnum):
    """The stable codes."""

    # Of the conversation.
    BAD_REQUEST = "bad_request"
    ALREADY_LOADED = "already_loaded"
    NOT_LOADED = "not_loaded"
    BUSY = "busy"
    CANCELLED = "cancelled"
    # The configuration's fault.
    BAD_PARAMETER = "bad_parameter"
    BAD_DTYPE = "bad_dtype"
    CONTEXT_EXCEEDED = "context_exceeded"
    OUT_OF_MEMORY = "out_of_memory"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_GATED = "model_gated"
    UNSUPPORTED = "unsupported"
    # The workload's.
    WORKLOAD_MISSING = "workload_missing"
    WORKLOAD_MISMATCH = "workload_mismatch"
    WORKLOAD_INVALID = "workload_invalid"
    # The environment's.
    TOO_FEW_GPUS = "too_few_gpus"
    GPU_UNAVAILABLE = "gpu_unavailable"
    CUDA_UNAVAILABLE = "cuda_unavailable"
    SHM_TOO_SMALL = "shm_too_small"
    RECORD_FAILED = "record_failed"
    # The engine's.
    ENGINE_MISSING = "engine_missing"
    ENGINE_DIED = "engine_died"
    ENGINE_FAILED = "engine_failed"


class Fault(Exception):
    """A request's bad end."""

    def __init__(self, code: Code, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def to_event(self) -> Error:
        """As it goes over stdout: one line, bounded."""
        hint = None if self.hint is None else _one_line(self.hint)
        return Error(self.code.value, _one_line(self.message) or self.code.value, hint)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 3] + "..."
