"""What an engine raised, or its processes said last, as a fault with a stable code and a hint.

One table, read from the top: the first row that fits wins. A row is tried on the exception and those that caused it,
then on the end of the log, since an engine's own processes tell their parent only that they failed. It knows words
that engines use and imports none of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lem_worker.fault import Code, Fault


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of failure."""

    code: Code
    hint: str
    # What its text matches, in any case.
    pattern: str
    # Names of exception types that are enough by themselves.
    types: tuple[str, ...] = ()


ROWS = (
    Row(
        Code.SHM_TOO_SMALL,
        "raise shm_size of the service in the Compose file: processes of one engine share tensors there",
        r"/dev/shm|no space left on device.*shm|shared memory segment|bus error|insufficient shared memory"
        r"|unable to (?:open|allocate|mmap).*shared memory",
    ),
    Row(
        Code.OUT_OF_MEMORY,
        "make the model, its context or the number of sequences smaller, lower gpu_memory_utilization if something "
        "else holds memory, raise it if the cache does not fit, or use more GPUs",
        r"out of memory|no available memory for the cache blocks|cublas_status_alloc_failed"
        r"|free memory on device .*less than desired|kv cache is needed, which is larger than|cannot allocate memory"
        r"|insufficient (?:gpu )?memory|not enough memory|bad_alloc"
        r"|(?:estimated maximum|max) (?:seq|model).{0,60}kv cache|std::bad_alloc",
        ("OutOfMemoryError", "MemoryError"),
    ),
    Row(
        Code.MODEL_GATED,
        "accept the model's terms at its hub with the account whose token lemctl has, then pull it again",
        r"gated repo|access to model .* is restricted|awaiting a review from the repo authors",
        ("GatedRepoError",),
    ),
    Row(
        Code.MODEL_NOT_FOUND,
        "see `lemctl models list`: pull the model again, or correct its path; the folder needs a config.json",
        r"config\.json.*(?:not found|does not exist|no such file)|does not appear to have a file named"
        r"|no such file or directory:? '?/model|incorrect path_or_model_id|invalid repository id"
        r"|is not a local folder|repository not found|can't load the configuration of"
        r"|unrecognized model in|should have a `?model_type`? key",
        ("RepositoryNotFoundError", "RevisionNotFoundError", "LocalEntryNotFoundError"),
    ),
    Row(
        Code.MODEL_UNAVAILABLE,
        "the model's folder has no complete weights that fit its config.json: pull it again, or use `model: dummy`",
        r"cannot find any model weights|no file named (?:pytorch_model|model\.safetensors)|error no file"
        r"|safetensorerror|header.{0,20}too (?:large|small)|incomplete metadata|trust_remote_code"
        r"|following weights were not initialized|size mismatch for",
        ("SafetensorError", "EntryNotFoundError"),
    ),
    Row(
        Code.BAD_DTYPE,
        "use a dtype or quantization that this GPU computes: bfloat16 from compute capability 8.0, fp8 from 8.9",
        r"(?:bfloat16|bf16|fp8|fp4|nvfp4|float8\w*|e4m3\w*|e5m2\w*|float16)\b.{0,80}"
        r"(?:only supported on|not supported|unsupported|requires|compute capability)"
        r"|not supported for quantization method|type fp8e\w+ not supported|unknown dtype|dtype.{0,60}not supported"
        r"|minimum capability|(?:does not|doesn't) support (?:fp8|fp4|bfloat16|float32|dtype)|invalid dtype"
        r"|dtype\s+input should be|\bfloat32\b.{0,60}not (?:be )?supported",
    ),
    # The campaign's GPUs are all there: `load` has looked. More ranks than those are the experiment's own.
    Row(
        Code.TOO_FEW_GPUS,
        "name more GPUs in the campaign's gpus, or make the parallel sizes smaller",
        r"invalid device ordinal|world size.{0,80}(?:larger|greater) than the (?:number of available|available) gpus"
        r"|not enough gpus|\btp_size\b.{0,60}exceeds|requires.{0,20}\d+ gpus.{0,60}(?:available|visible|found)",
    ),
    Row(
        Code.GPU_UNAVAILABLE,
        "the container does not have the GPUs that the engine wants: compare the campaign's gpus with the Compose "
        "file's devices",
        r"no cuda gpus are available|no cuda-capable device|cuda_error_no_device",
    ),
    Row(
        Code.CUDA_UNAVAILABLE,
        "the container has no usable NVIDIA driver: is the driver new enough for this image, and does the container "
        "get libcuda and the device nodes?",
        r"found no nvidia driver|driver version is insufficient|libcuda\.so|cuda_error_(?:system_|compat_)"
        r"|failed to infer device type|cuda driver initialization failed|forward compatibility was attempted"
        r"|cuda is not available|torch not compiled with cuda|no kernel image is available|unknown error.*cuda"
        r"|cudagetdevicecount",
    ),
    Row(
        Code.ENGINE_MISSING,
        "this image does not have the engine that its LEM_BACKEND names: build it again",
        r"^no module named '(?:vllm|torch|transformers|tensorrt_llm)'",
    ),
    Row(
        Code.CONTEXT_EXCEEDED,
        "raise the engine's context length, or shorten the workload's input or output",
        r"(?:longer|greater|larger) than the (?:maximum )?(?:model|context|allowed).{0,40}(?:length|len)"
        r"|maximum context length|exceeds? (?:the )?(?:maximum|max)[ _](?:model|context|sequence|seq)[ _](?:length|len)"
        r"|prompt length.{0,60}(?:exceed|should not)",
    ),
    Row(
        Code.ENGINE_DIED,
        "see the end of the worker's log in the campaign's logs folder; a new worker is started for the next run",
        r"enginecore encountered an issue|engine ?core.{0,40}(?:died|dead)|process.{0,40}died unexpectedly"
        r"|cuda error: (?:an illegal|unspecified|misaligned|device-side)|illegal memory access",
        ("EngineDeadError", "EngineGenerateError", "BrokenPipeError", "ConnectionResetError", "EOFError"),
    ),
    Row(
        Code.UNSUPPORTED,
        "this engine in this version cannot do that with this model or this GPU",
        r"are not supported for now|model architectures? .*(?:not supported|failed to be inspected)|not implemented"
        r"|is not supported|no valid attention backend|not compatible with|does not support",
        ("NotImplementedError",),
    ),
    Row(
        Code.BAD_PARAMETER,
        "see `lemctl params show` for what this parameter takes in this version",
        r"world size.{0,80}larger than|only \d+ gpus are available"
        r"|unexpected keyword argument|validation errors? for|extra inputs are not permitted|input should be"
        r"|must be (?:divisible|a |an |one of|in |less|greater|at (?:least|most)|positive|non-negative|set|specified)"
        r"|user-specified max_model_len|is greater than the derived|mutually exclusive|invalid (?:value|choice)"
        r"|cannot (?:both )?be (?:set|used|specified)",
        ("ValidationError", "VLLMValidationError"),
    ),
)


def diagnose(error: BaseException, log: str = "", doing: str = "the engine failed") -> Fault:
    """`error` as a fault; one that is a fault already is that."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, Fault):
            return one
    said = _said(log)
    # First what was raised, row by row: the log may be full of things that were survived.
    for texts in ([(type(one).__name__, _text(one)) for one in reversed(chain)], [("", line) for line in said]):
        for row in ROWS:
            for name, text in texts:
                if name in row.types or re.search(row.pattern, text, re.IGNORECASE | re.DOTALL):
                    if row.code is Code.ENGINE_DIED and (cause := _from_log(said)) is not None:
                        return cause
                    return Fault(row.code, _sentence(doing, name, text), row.hint)
    kind = type(error)
    if kind in (TypeError, ValueError) and doing.startswith("loading"):
        hint = "see `lemctl params show` for what the parameters take in this version"
        return Fault(Code.BAD_PARAMETER, _sentence(doing, kind.__name__, _text(error)), hint)
    return Fault(
        Code.ENGINE_FAILED,
        _sentence(doing, kind.__name__, _text(error)),
        "see the end of the worker's log in the campaign's logs folder",
    )


# Codes that say more than that a process died.
TELLING = (Code.OUT_OF_MEMORY, Code.SHM_TOO_SMALL, Code.TOO_FEW_GPUS, Code.GPU_UNAVAILABLE, Code.BAD_DTYPE)


def _from_log(said: list[str]) -> Fault | None:
    """Why an engine's process died, in its own words, where they are of a kind that says more than that it died."""
    for row in ROWS:
        for line in said:
            if row.code in TELLING and re.search(row.pattern, line, re.IGNORECASE):
                return Fault(row.code, _sentence("the engine died", "", line), row.hint)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it came from, what that came from."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _said(log: str) -> list[str]:
    """Lines that tell of an error: first the last lines of exceptions, then what is logged as an error."""
    lines = log.splitlines()[-2000:]
    exceptions = [line for line in lines if re.search(r"\b[A-Za-z_.]*(?:Error|Exception)\b\s*:|[Bb]us error", line)]
    logged = [line for line in lines if re.search(r"\bERROR\b|\berror:", line, re.IGNORECASE)]
    return exceptions or logged


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _sentence(doing: str, name: str, text: str) -> str:
    """One sentence of it: engines write essays."""
    # A logger's own words before the message: (process) LEVEL date time [place].
    text = re.sub(r"^(?:\([^)]*\)\s*)?(?:ERROR|WARNING|INFO)\s+[\d-]+ [\d:.]+ \[[^\]]*\]\s*", "", text.strip())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = " ".join(lines[:4])[:600]
    return f"{doing}: {name}: {said}" if name else f"{doing}: {said}"
