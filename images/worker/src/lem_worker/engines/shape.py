"""The size of a model, from its folder: engines that run it in other processes do not say."""

import json
import math
import struct
from pathlib import Path
from typing import Any

# A header of a safetensors file beyond this is none.
MAX_HEADER_BYTES = 100_000_000
MAX_CONFIG_BYTES = 1_000_000

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
_EXPERTS_USED = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k")


def config(model: Path) -> dict[str, Any]:
    """The folder's config.json; empty where there is none that can be read."""
    try:
        with (model / "config.json").open("rb") as file:
            found = json.loads(file.read(MAX_CONFIG_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def count(model: Path) -> tuple[int, int | None]:
    """Weights of the model, and those that one token uses where they are fewer.

    From the model built without memory; where that fails, from the weights' files, whose packed ones count as they
    are packed."""
    sizes = _by_building(model) or _by_files(model)
    total = sum(sizes.values())
    return total, active(sizes, config(model))


def active(sizes: dict[str, int], model: dict[str, Any]) -> int | None:
    """Weights that one token uses, of a mixture of experts."""
    text = {**model, **(model.get("text_config") or {})}
    all_of = next((text[name] for name in _EXPERTS if isinstance(text.get(name), int)), 0)
    used = next((text[name] for name in _EXPERTS_USED if isinstance(text.get(name), int)), 0)
    if not 0 < used < all_of:
        return None
    routed = sum(size for name, size in sizes.items() if ".experts." in name and ".shared_experts." not in name)
    return sum(sizes.values()) - routed + routed * used // all_of


def _by_building(model: Path) -> dict[str, int]:
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        with torch.device("meta"):
            built = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(str(model), local_files_only=True))
        return {name: weight.numel() for name, weight in built.named_parameters()}
    except Exception as error:
        # An architecture that only the engine knows.
        import sys

        print(f"lem_worker: transformers does not build this model: {error}", file=sys.stderr)  # noqa: T201
        return {}


def _by_files(model: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for path in sorted(model.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
        except (OSError, ValueError, struct.error):
            continue
        for name, tensor in header.items():
            if name != "__metadata__":
                sizes[name] = math.prod(tensor.get("shape", [0]))
    return sizes
