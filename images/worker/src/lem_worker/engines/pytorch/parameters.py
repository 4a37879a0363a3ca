"""Engine-level parameters as a load request gives them: read, checked, and told apart by who takes them.

It knows names and types only; no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lem_worker.fault import Code, Fault
from lem_worker.requests import Parameters

DTYPES = ("auto", "float32", "float16", "bfloat16")
# torch.compile's modes; `off` runs operator by operator.
COMPILE_MODES = ("off", "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
# How weights are packed while they are loaded; each by bitsandbytes.
QUANTIZATIONS = ("bitsandbytes_int8", "bitsandbytes_nf4", "bitsandbytes_fp4")
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")

# Of `from_pretrained`, what the worker decides itself: where the files are, and that nothing is fetched or run.
OWN_OF_FROM_PRETRAINED = frozenset(
    {
        "config",
        "pretrained_model_name_or_path",
        "local_files_only",
        "trust_remote_code",
        "token",
        "revision",
        "state_dict",
    }
    | {
        "cache_dir",
        "force_download",
        "proxies",
        "mirror",
        "subfolder",
        "code_revision",
        "output_loading_info",
        "torch_dtype",
    }
)


@dataclass(frozen=True)
class EngineParameters:
    """Engine-level parameters."""

    device: str
    dtype: str = "auto"
    attn_implementation: str | None = None
    quantization: str | None = None
    device_map: str | None = None
    tf32: bool = False
    compile: str = "off"
    use_kernels: bool = False
    # Other arguments of `from_pretrained`, by name, as they are.
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, parameters: Parameters, gpus: list[str]) -> EngineParameters:
        """What `parameters` say, on these GPUs (none: on the CPU)."""
        given = dict(parameters)
        read = cls(
            device="cuda" if gpus else "cpu",
            dtype=_choice(given, "dtype", DTYPES) or "auto",
            attn_implementation=_text(given, "attn_implementation"),
            quantization=_choice(given, "quantization", QUANTIZATIONS),
            device_map=_choice(given, "device_map", DEVICE_MAPS),
            tf32=_flag(given, "tf32"),
            compile=_choice(given, "compile", COMPILE_MODES) or "off",
            use_kernels=_flag(given, "use_kernels"),
            extra={name: value for name, value in given.items() if value is not None},
        )
        if refused := sorted(OWN_OF_FROM_PRETRAINED & read.extra.keys()):
            raise Fault(Code.BAD_PARAMETER, f"`{refused[0]}` is the worker's to decide", f"leave `{refused[0]}` out")
        if len(gpus) > 1 and read.device_map is None and "tp_plan" not in read.extra:
            message = f"the campaign has {len(gpus)} GPUs, but without `device_map` the model is on one"
            raise Fault(Code.BAD_PARAMETER, message, "name one GPU in `gpus`, or set `device_map: auto`")
        if "tp_plan" in read.extra:
            message = "tp_plan starts one process for each GPU, and this worker is one process"
            raise Fault(
                Code.UNSUPPORTED, message, "set `device_map: auto`, or use vllm or tensorrt with tensor parallelism"
            )
        return read


def _choice(given: Parameters, name: str, choices: tuple[str, ...]) -> str | None:
    value = given.pop(name, None)
    if value is None:
        return None
    if isinstance(value, str) and value in choices:
        return value
    code = Code.BAD_DTYPE if name == "dtype" else Code.BAD_PARAMETER
    raise Fault(code, f"{name} is {value!r}, expected one of {', '.join(choices)}")


def _text(given: Parameters, name: str) -> str | None:
    value = given.pop(name, None)
    if value is None or isinstance(value, str):
        return value
    raise Fault(Code.BAD_PARAMETER, f"{name} is {value!r}, expected a text")


def _flag(given: Parameters, name: str) -> bool:
    value = given.pop(name, None)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Fault(Code.BAD_PARAMETER, f"{name} is {value!r}, expected true or false")
