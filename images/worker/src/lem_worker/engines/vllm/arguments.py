"""A campaign's parameters as keywords of vLLM's `AsyncEngineArgs` and `SamplingParams`. It does not import vLLM."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from lem_worker.engines import keywords
from lem_worker.requests import DummyModel, Model, Parameters

LABEL = "vLLM"
# What vLLM's own workers are extended by, so that they can be asked what they chose.
EXTENSION = "lem_worker.engines.vllm.chosen.Chosen"
# Keywords that are the worker's to decide: a campaign says these things elsewhere, or may not.
REASONS = {
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
    "worker_extension_cls": "the worker asks the engine's own workers through it",
}
# These take sets, which JSON does not have.
SETS = ("cpu_offload_params", "offload_params")
# What the workload decides for each request, with the values that say nothing.
BY_WORKLOAD: keywords.Decided = {
    "max_tokens": (None, 16),
    "min_tokens": (None, 0),
    "ignore_eos": (None, False, True),
}
# What the worker decides: how outputs come, and what would end or multiply them.
BY_WORKER: keywords.Decided = {
    "output_kind": (None, 0),
    "skip_clone": (None, False),
    "stop": (None, []),
    "stop_token_ids": (None, []),
    "n": (None, 1),
}


def engine(parameters: Parameters, model: Model, folder: Path, known: Collection[str]) -> dict[str, Any]:
    """What `AsyncEngineArgs` is called with; `known` are its fields."""
    own: dict[str, Any] = {
        "model": str(folder),
        "tokenizer": str(folder),
        "disable_log_stats": False,
        "enable_log_requests": False,
        "worker_extension_cls": EXTENSION,
    }
    # Without a tokenizer's files none can be started, and without weights none loaded, whatever is asked.
    if not keywords.has_tokenizer(folder):
        own["skip_tokenizer_init"] = True
    if isinstance(model, DummyModel):
        own["load_format"] = "dummy"
    found = keywords.of_engine(LABEL, parameters, known, own, REASONS)
    return {name: set(value) if name in SETS else value for name, value in found.items()}


def sampling(parameters: Parameters, known: Collection[str]) -> dict[str, Any]:
    """What all requests of a window are sampled with."""
    return keywords.of_sampling(LABEL, parameters, known, {**BY_WORKLOAD, **BY_WORKER})


def of_request(shared: dict[str, Any], output_tokens: int, natural: bool) -> dict[str, Any]:
    """What one request is sampled with. Without a stop word, and with end-of-sequence ignored, it makes exactly
    `max_tokens`; `min_tokens` would say the same again and mask logits in every step."""
    return {**shared, "max_tokens": output_tokens, "ignore_eos": not natural}


def for_assessment(output_tokens: int, natural: bool) -> dict[str, Any]:
    """Greedy, with the log-probability of every token of input and output."""
    return {
        "temperature": 0.0,
        "max_tokens": output_tokens,
        "ignore_eos": not natural,
        "logprobs": 1,
        "prompt_logprobs": 1,
        "detokenize": False,
    }
