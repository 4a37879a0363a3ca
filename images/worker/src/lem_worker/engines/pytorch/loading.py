"""From a folder to a model on its device, and what the model is really like then.

It knows transformers' way of loading; nothing of requests and decoding.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from lem_worker.engines import shape
from lem_worker.engines.base import Facts
from lem_worker.engines.plain import plain
from lem_worker.engines.pytorch.parameters import EngineParameters
from lem_worker.fault import Code, Fault
from lem_worker.requests import DummyModel, Model, Parameters

# Placeholder weights are the same in every process.
DUMMY_SEED = 0


@dataclass(frozen=True)
class Loaded:
    """A model, ready."""

    model: Any
    device: torch.device
    parameters: EngineParameters
    facts: Facts


def load(parameters: EngineParameters, model: Model, folder: Path, stop: Callable[[], None]) -> Loaded:
    """Loads what lies in `folder`."""
    if not (folder / "config.json").is_file():
        message = f"there is no config.json in {folder}"
        raise Fault(Code.MODEL_NOT_FOUND, message, "the model's folder must hold a config.json of transformers")
    if parameters.use_kernels:
        _need("kernels", "use_kernels")
    device = _device(parameters)
    _set_tf32(parameters, device)
    config = _config(folder)
    dtype = _dtype(parameters, config, device)
    stop()
    dummy = isinstance(model, DummyModel)
    ready = _dummy(parameters, config, dtype, device) if dummy else _weights(parameters, config, dtype, device, folder)
    ready.eval()
    ready.requires_grad_(False)
    if device.type == "cuda":
        torch.cuda.synchronize()
    stop()
    return Loaded(ready, device, parameters, facts(ready, device, parameters, folder))


def facts(model: Any, device: torch.device, parameters: EngineParameters, folder: Path) -> Facts:
    """What the model is really like."""
    text = model.config.get_text_config(decoder=True)
    # Not of what was loaded: packed weights count as they are packed.
    total, active = shape.count(folder)
    return Facts(
        effective=_effective(model, device, parameters),
        model_parameters=total,
        active_parameters=active,
        vocab_size=int(text.vocab_size),
        context_length=getattr(text, "max_position_embeddings", None),
        device=device.type,
    )


def _config(folder: Path) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except AttributeError as error:
        if not str(error).startswith("module 'torch' has no attribute"):
            raise
        message = f"config.json in {folder} names a dtype that torch {torch.__version__} does not have: {error}"
        raise Fault(Code.BAD_DTYPE, message, "correct `dtype` in the model's config.json") from error
    except (ValueError, KeyError, OSError) as error:
        message = f"config.json in {folder}: {error}"
        raise Fault(Code.MODEL_UNAVAILABLE, message, "is its model_type one that this transformers has?") from error


def _device(parameters: EngineParameters) -> torch.device:
    if parameters.device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        hint = "is the driver new enough for this image's CUDA, and is the GPU given to the container?"
        raise Fault(Code.CUDA_UNAVAILABLE, f"torch {torch.__version__} sees no CUDA device", hint)
    return torch.device("cuda", 0)


def _set_tf32(parameters: EngineParameters, device: torch.device) -> None:
    if parameters.tf32 and device.type == "cpu":
        raise Fault(Code.UNSUPPORTED, "tf32 is of NVIDIA GPUs, and the model is on the CPU", "set tf32 to false")
    torch.set_float32_matmul_precision("high" if parameters.tf32 else "highest")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = parameters.tf32


def _dtype(parameters: EngineParameters, config: Any, device: torch.device) -> torch.dtype:
    own = getattr(config.get_text_config(decoder=True), "dtype", None) or getattr(config, "dtype", None)
    dtype: torch.dtype = getattr(torch, parameters.dtype) if parameters.dtype != "auto" else own or torch.float32
    if device.type == "cuda" and dtype is torch.bfloat16 and torch.cuda.get_device_capability(device) < (8, 0):
        name = torch.cuda.get_device_name(device)
        raise Fault(Code.BAD_DTYPE, f"{name} has no bfloat16 of its own", "set dtype to float16")
    return dtype


def _attention(parameters: EngineParameters) -> dict[str, Any]:
    return {} if parameters.attn_implementation is None else {"attn_implementation": parameters.attn_implementation}


def _dummy(parameters: EngineParameters, config: Any, dtype: torch.dtype, device: torch.device) -> Any:
    if parameters.quantization is not None:
        message = "placeholder weights cannot be quantised: nothing would initialise them"
        raise Fault(Code.UNSUPPORTED, message, "use `random` with a config, or a model with weights")
    if parameters.extra:
        name = min(parameters.extra)
        message = f"`{name}` is an argument of from_pretrained, and placeholder weights are not loaded"
        raise Fault(Code.UNSUPPORTED, message, f"leave `{name}` out, or use a model with weights")
    torch.manual_seed(DUMMY_SEED)
    # Drawn where they stay: a large model would take minutes on the CPU.
    with _explained(), torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, **_attention(parameters))
        if parameters.use_kernels:
            model.set_use_kernels(True)
    return model.to(device)


def _weights(parameters: EngineParameters, config: Any, dtype: torch.dtype, device: torch.device, folder: Path) -> Any:
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        message = f"there are no weights in {folder}"
        raise Fault(Code.MODEL_UNAVAILABLE, message, "is the download complete? `lemctl models list` says")
    arguments: dict[str, Any] = {**parameters.extra, **_attention(parameters)}
    has_accelerate = importlib.util.find_spec("accelerate") is not None
    if parameters.device_map is not None:
        arguments["device_map"] = parameters.device_map
    elif has_accelerate:
        # Straight onto the device, without a copy of everything in host memory.
        arguments["device_map"] = {"": device}
    if parameters.use_kernels:
        arguments["use_kernels"] = True
    if parameters.quantization is not None:
        arguments["quantization_config"] = _quantization(parameters.quantization, dtype)
    with _explained():
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=dtype, local_files_only=True, trust_remote_code=False, **arguments
        )
    placed = parameters.quantization is not None or "device_map" in arguments
    return model if placed else model.to(device)


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what transformers raises about its arguments into faults that say which."""
    try:
        yield
    except ImportError as error:
        hint = "use another attn_implementation or quantization, or add the package to the image"
        raise Fault(Code.UNSUPPORTED, f"this image lacks a package: {error}", hint) from error
    except (TypeError, ValueError) as error:
        raise Fault(Code.BAD_PARAMETER, f"transformers refuses to load: {error}") from error


def _need(package: str, what: str) -> None:
    if importlib.util.find_spec(package) is None:
        message = f"{what} needs the package {package}, which this image does not have"
        raise Fault(Code.UNSUPPORTED, message, f"add {package} to the image, or leave {what} out")


def _quantization(name: str, dtype: torch.dtype) -> Any:
    _need("bitsandbytes", name)
    if name == "bitsandbytes_int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    kind = name.removeprefix("bitsandbytes_")
    return transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_compute_dtype=dtype)


def _effective(model: Any, device: torch.device, parameters: EngineParameters) -> Parameters:
    places = sorted({str(place) for place in getattr(model, "hf_device_map", {}).values()})
    return {
        **{name: plain(value) for name, value in parameters.extra.items()},
        "dtype": str(model.dtype).removeprefix("torch."),
        "attn_implementation": model.config._attn_implementation,
        "quantization": _packed(model, parameters),
        "device_map": parameters.device_map if len(places) > 1 else None,
        "tf32": device.type == "cuda" and torch.get_float32_matmul_precision() != "highest",
        "compile": parameters.compile,
        "use_kernels": bool(model.use_kernels),
    }


def _packed(model: Any, parameters: EngineParameters) -> str | None:
    """How the weights are packed: as asked, or as the model's own files say."""
    own = getattr(model.config, "quantization_config", None)
    if own is None:
        return None
    if parameters.quantization is not None:
        return parameters.quantization
    method = own.get("quant_method") if isinstance(own, dict) else getattr(own, "quant_method", None)
    return str(getattr(method, "value", method))
