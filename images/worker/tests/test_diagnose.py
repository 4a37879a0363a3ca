"""What engines say when they fail, and what lemctl's user is told. The texts are the engines' own, shortened."""

import pytest

from lem_worker.diagnose import ROWS, diagnose
from lem_worker.fault import MAX_MESSAGE, Code, Fault


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class EngineDeadError(Exception):
    """Named as vLLM's."""


class ValidationError(ValueError):
    """Named as pydantic's."""


CORE_FAILED = RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")
DEAD = EngineDeadError("EngineCore encountered an issue. See stack trace (above) for the root cause.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity"),
            "out_of_memory",
        ),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (
            ValueError("No available memory for the cache blocks. Try increasing gpu_memory_utilization"),
            "out_of_memory",
        ),
        (
            ValueError(
                "Free memory on device cuda:0 (20.1/79.1 GiB) on startup is less than desired GPU memory utilization"
            ),
            "out_of_memory",
        ),
        (
            ValueError(
                "To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache is needed, "
                "which is larger than the available KV cache memory (3.11 GiB)."
            ),
            "out_of_memory",
        ),
        (MemoryError(), "out_of_memory"),
        (OSError("/model does not appear to have a file named config.json."), "model_not_found"),
        (FileNotFoundError(2, "No such file or directory", "/model/config.json"), "model_not_found"),
        (
            ValueError("Unrecognized model in /model. Should have a `model_type` key in its config.json"),
            "model_not_found",
        ),
        (OSError("You are trying to access a gated repo.\nMake sure to have access to it"), "model_gated"),
        (RuntimeError("Cannot find any model weights with `/model`"), "model_unavailable"),
        (
            ValueError(
                "Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 has 7.5"
            ),
            "bad_dtype",
        ),
        (ValueError("type fp8e4nv not supported in this architecture"), "bad_dtype"),
        (
            ValueError(
                "torch.float32 is not supported for quantization method fp8. Supported dtypes: [torch.bfloat16]"
            ),
            "bad_dtype",
        ),
        (
            ValueError("The quantization method fp8 is not supported for the current GPU. Minimum capability: 89."),
            "bad_dtype",
        ),
        (RuntimeError("CUDA error: invalid device ordinal"), "too_few_gpus"),
        (RuntimeError("No CUDA GPUs are available"), "gpu_unavailable"),
        (
            ValueError("World size (4) is larger than the number of available GPUs (1) in this node."),
            "too_few_gpus",
        ),
        (RuntimeError("Found no NVIDIA driver on your system."), "cuda_unavailable"),
        (
            RuntimeError(
                "The NVIDIA driver on your system is too old: CUDA driver version is insufficient for runtime"
            ),
            "cuda_unavailable",
        ),
        (ImportError("libcuda.so.1: cannot open shared object file: No such file or directory"), "cuda_unavailable"),
        (RuntimeError("Failed to infer device type, please set the environment variable"), "cuda_unavailable"),
        (
            RuntimeError("DataLoader worker is killed by signal: Bus error. insufficient shared memory (shm)"),
            "shm_too_small",
        ),
        (OSError(28, "No space left on device", "/dev/shm/psm_1"), "shm_too_small"),
        (
            RuntimeError("NCCL error: Error while creating shared memory segment /dev/shm/nccl-x (size 33030528)"),
            "shm_too_small",
        ),
        (TypeError("AsyncEngineArgs.__init__() got an unexpected keyword argument 'swap_space'"), "bad_parameter"),
        (
            ValidationError("1 validation error for CacheConfig\ngpu_memory_utilization\n  Input should be"),
            "bad_parameter",
        ),
        (
            ValueError("User-specified max_model_len (9999999) is greater than the derived max_model_len (8192)"),
            "bad_parameter",
        ),
        (
            ValueError("Total number of attention heads (32) must be divisible by tensor parallel size (3)."),
            "bad_parameter",
        ),
        (ValueError("something about a value"), "bad_parameter"),
        (
            ValueError("The decoder prompt (length 9000) is longer than the maximum model length of 8192."),
            "context_exceeded",
        ),
        (ValueError("Model architectures ['XForCausalLM'] are not supported for now."), "unsupported"),
        (NotImplementedError("FlashAttention with ALiBi"), "unsupported"),
        (ModuleNotFoundError("No module named 'vllm'"), "engine_missing"),
        (DEAD, "engine_died"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "engine_died"),
        (RuntimeError("something else"), "engine_failed"),
    ],
)
def test_failures_have_their_code_and_a_hint(error: Exception, code: str) -> None:
    fault = diagnose(error, doing="loading the engine failed")
    assert fault.code.value == code, fault.message
    assert fault.hint
    event = fault.to_event()
    assert "\n" not in event.message
    assert len(event.message) <= MAX_MESSAGE


@pytest.mark.parametrize(
    ("log", "code"),
    [
        (
            "(EngineCore pid=7) ERROR 11-24 10:00:00 [core.py:1] torch.OutOfMemoryError: CUDA out of memory.",
            "out_of_memory",
        ),
        ("ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0", "bad_dtype"),
        ("RuntimeError: CUDA error: invalid device ordinal", "too_few_gpus"),
        ("RuntimeError: Cannot find any model weights with `/model`", "model_unavailable"),
        (
            "ERROR [core.py:9] raise ValueError('x is not supported')\nERROR [core.py:9] torch.OutOfMemoryError: CUDA out of memory",
            "out_of_memory",
        ),
        # As faulthandler writes it, beside what the parent makes of it.
        ("Fatal Python error: Bus error\nRuntimeError: a worker process ended", "shm_too_small"),
        ("INFO we would be out of memory without this", "engine_failed"),
        ("", "engine_failed"),
    ],
)
def test_a_process_that_failed_is_explained_by_what_it_said(log: str, code: str) -> None:
    fault = diagnose(CORE_FAILED, f"INFO starting\n{log}\nINFO ending\n", "loading the engine failed")
    assert fault.code.value == code, fault.message


def test_why_a_core_died_is_told_where_it_is_known() -> None:
    log = "(EngineCore pid=7) ERROR 11-24 10:00:00 [core.py:1] torch.OutOfMemoryError: CUDA out of memory."
    assert diagnose(DEAD, log).code is Code.OUT_OF_MEMORY
    assert diagnose(DEAD, "ERROR: something").code is Code.ENGINE_DIED
    # What the log says otherwise is no reason to call a death a wrong parameter.
    assert diagnose(DEAD, "ValueError: x must be positive").code is Code.ENGINE_DIED


def test_the_cause_counts_and_not_the_wrapping() -> None:
    wrapped = RuntimeError("engine failed")
    wrapped.__cause__ = OutOfMemoryError("CUDA out of memory")
    assert diagnose(wrapped).code is Code.OUT_OF_MEMORY


def test_a_fault_is_left_as_it_is() -> None:
    fault = Fault(Code.CANCELLED, "cancelled, as asked")
    assert diagnose(fault) is fault
    wrapped = RuntimeError("x")
    wrapped.__cause__ = fault
    assert diagnose(wrapped) is fault


def test_messages_are_one_bounded_line() -> None:
    event = Fault(Code.ENGINE_FAILED, "a\n b\t" * 9999, "c\n" * 9999).to_event()
    assert len(event.message) == MAX_MESSAGE
    assert event.hint is not None
    assert len(event.hint) == MAX_MESSAGE
    assert "\n" not in event.message + event.hint


def test_every_row_has_a_hint_that_says_what_to_do() -> None:
    assert all(len(row.hint) > 30 for row in ROWS)
    assert len({row.code for row in ROWS}) == len(ROWS)
