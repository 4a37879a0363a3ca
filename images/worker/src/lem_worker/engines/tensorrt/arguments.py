"""A campaign's parameters as keywords of TensorRT-LLM's `LLM` and `SamplingParams`. It does not import them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from lem_worker.engines import keywords, shape
from lem_worker.requests import DummyModel, Model, Parameters

LABEL = "TensorRT-LLM"
# Keywords that are the worker's to decide: a campaign says these things elsewhere, or may not.
REASONS = {
    "model": "the campaign's `model` says it",
    "tokenizer": "the model's own is used",
    "revision": "the campaign's `model` says it",
    "tokenizer_revision": "the campaign's `model` says it",
    "trust_remote_code": "code from a model's folder is not run",
    "backend": "only the PyTorch backend is measured",
    "return_perf_metrics": "it holds the times of phases",
    "mpi_session": "it is no value",
    "batched_logits_processor": "it is no value",
    "checkpoint_loader": "it is no value",
}
# What the workload decides for each request, with the values that say nothing.
BY_WORKLOAD: keywords.Decided = {
    "max_tokens": (None, 32),
    "min_tokens": (None,),
    "ignore_eos": (None, False, True),
}
# What the worker decides: what comes with outputs, and what would end or multiply them.
BY_WORKER: keywords.Decided = {
    "end_id": (None,),
    "pad_id": (None,),
    "stop": (None, []),
    "stop_token_ids": (None, []),
    "n": (None, 1),
    "best_of": (None, 1),
    "use_beam_search": (None, False),
    "return_perf_metrics": (None, False, True),
    "exclude_input_from_output": (None, True),
    "truncate_prompt_tokens": (None,),
}


def engine(parameters: Parameters, model: Model, folder: Path, known: Collection[str]) -> dict[str, Any]:
    """What `LLM` is called with; `known` are the fields of its arguments. Config objects come as their members."""
    own: dict[str, Any] = {"model": str(folder), "return_perf_metrics": True}
    if not keywords.has_tokenizer(folder):
        own["skip_tokenizer_init"] = True
    if isinstance(model, DummyModel):
        own["load_format"] = "dummy"
    return keywords.of_engine(LABEL, parameters, known, own, REASONS)


def sampling(parameters: Parameters, known: Collection[str]) -> dict[str, Any]:
    """What all requests of a window are sampled with."""
    return {
        **keywords.of_sampling(LABEL, parameters, known, {**BY_WORKLOAD, **BY_WORKER}),
        "return_perf_metrics": True,
    }


def of_request(shared: dict[str, Any], output_tokens: int, natural: bool, end_id: int | None) -> dict[str, Any]:
    """What one request is sampled with. `end_id` must be said where there is no tokenizer that knows it."""
    said = {} if end_id is None else {"end_id": end_id, "pad_id": max(end_id, 0)}
    return {**shared, **said, "max_tokens": output_tokens, "ignore_eos": not natural}


def for_assessment() -> dict[str, Any]:
    """Greedy, with logits of the input (the likeliest tokens alone would not hold the ones that stand there) and
    log-probabilities of the output."""
    return {"top_k": 1, "logprobs": 1, "return_context_logits": True, "detokenize": False}


def end_id(folder: Path) -> int | None:
    """The end-of-sequence to name: none where the tokenizer knows it, -1 where nothing does."""
    if keywords.has_tokenizer(folder):
        return None
    found = shape.config(folder).get("eos_token_id")
    if isinstance(found, list):
        found = found[0] if found else None
    return found if type(found) is int else -1
