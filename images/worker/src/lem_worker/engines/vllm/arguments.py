"""Engine-level parameters of a campaign as keywords of vLLM's `AsyncEngineArgs`.

It knows names only and does not import vLLM, so that every keyword can be compared with a catalogue.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from lem_worker.fault import Code, Fault
from lem_worker.requests import DummyModel, Model, Parameters

# Keywords that are the worker's to decide: a campaign says these things elsewhere, or may not.
OWN = {
    "model": "the campaign's `model` says it",
    "tokenizer": "the model's own is used",
    "served_model_name": "nothing is served",
    "revision": "the campaign's `model` says it",
    "tokenizer_revision": "the campaign's `model` says it",
    "code_revision": "the campaign's `model` says it",
    "hf_token": "models are pulled before, by lemctl",
    "download_dir": "models are pulled before, by lemctl",
    "trust_remote_code": "code from a model's folder is not run",
    "disable_log_stats": "statistics hold the times of phases",
    "enable_log_requests": "it would write a line for each request while energy is measured",
    "device_ids": "the campaign's `gpus` says it",
}
# These take sets, which JSON does not have.
_SETS = ("cpu_offload_params", "offload_params")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json", "spiece.model")


def has_tokenizer(model: Path) -> bool:
    """Whether the model's folder has a tokenizer."""
    return any((model / name).is_file() for name in TOKENIZER_FILES)


def keywords(parameters: Parameters, model: Model, folder: Path, known: Collection[str]) -> dict[str, Any]:
    """What `AsyncEngineArgs` is called with. `known` are its fields. What is null is left to the engine."""
    own: dict[str, Any] = {
        "model": str(folder),
        "tokenizer": str(folder),
        "disable_log_stats": False,
        "enable_log_requests": False,
    }
    if not has_tokenizer(folder):
        own["skip_tokenizer_init"] = True
    if isinstance(model, DummyModel):
        own["load_format"] = "dummy"
    asked: dict[str, Any] = {}
    for name, value in parameters.items():
        head, _, member = name.partition(".")
        if head not in known:
            raise Fault(
                Code.BAD_PARAMETER,
                f"this vLLM has no engine argument `{head}`",
                "compare the campaign's pinned version with the image's; see `lemctl params show`",
            )
        if value is None:
            continue
        if head in OWN and value not in (own.get(head), False, ""):
            raise Fault(Code.BAD_PARAMETER, f"`{head}` cannot be set: {OWN[head]}", f"leave `{head}` out")
        if not member:
            asked[head] = set(value) if head in _SETS else _merged(head, asked.get(head), value)
            continue
        holder = asked.setdefault(head, {})
        if not isinstance(holder, dict):
            raise Fault(Code.BAD_PARAMETER, f"`{head}` is given whole and by its member `{member}`", "give one")
        _put(holder, member.split("."), value)
    # Without a tokenizer's files none can be started, and without weights none loaded, whatever is asked.
    return {**asked, **own}


def _merged(name: str, members: Any, value: Any) -> Any:
    """A config object that is given whole, when members of it were given before."""
    if not isinstance(members, dict):
        return value
    if not isinstance(value, dict):
        raise Fault(Code.BAD_PARAMETER, f"`{name}` is given whole and by its members", "give one")
    return {**value, **members}


def _put(holder: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        holder = holder.setdefault(name, {})
    holder[path[-1]] = value
