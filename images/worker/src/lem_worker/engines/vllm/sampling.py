"""Request-level parameters of a campaign as keywords of vLLM's `SamplingParams`.

It knows names only and does not import vLLM, so that every keyword can be compared with a catalogue.
"""

from collections.abc import Collection
from typing import Any

from lem_worker.fault import Code, Fault
from lem_worker.requests import Parameters

# A request-level name that an engine argument has too.
PREFIX = "sampling_"
# The worker's own parameter: requests that arrive together under `batch`.
BATCH_SIZE = "batch_size"
# What the workload decides for each request, with the values that say nothing.
BY_WORKLOAD: dict[str, tuple[Any, ...]] = {
    "max_tokens": (None, 16),
    "min_tokens": (None, 0),
    "ignore_eos": (None, False, True),
}
# What the worker decides: how outputs come, and what would end or multiply them.
OWN: dict[str, tuple[Any, ...]] = {
    "output_kind": (None,),
    "skip_clone": (None, False),
    "stop": (None, []),
    "stop_token_ids": (None, []),
    "n": (None, 1),
}


def keywords(parameters: Parameters, known: Collection[str]) -> dict[str, Any]:
    """What all requests of a window are sampled with; without what each request has by itself."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if name == BATCH_SIZE:
            continue
        field = field_of(name, known)
        decided = {**BY_WORKLOAD, **OWN}.get(field)
        if decided is not None:
            if value not in decided:
                raise Fault(
                    Code.BAD_PARAMETER,
                    f"`{name}` is {value!r}, but the workload decides how many tokens each request makes",
                    f"leave `{name}` out: lengths stand in the campaign's workload",
                )
        elif value is not None:
            found[field] = value
    return found


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


def batch_size(parameters: Parameters, default: int) -> int:
    """Requests of one batch."""
    asked = parameters.get(BATCH_SIZE)
    if asked is None:
        return default
    if type(asked) is not int or asked < 1:
        raise Fault(Code.BAD_PARAMETER, f"`{BATCH_SIZE}` is {asked!r}, expected a whole number from 1")
    return asked


def field_of(name: str, known: Collection[str]) -> str:
    """The field that a campaign's name means."""
    field = name.removeprefix(PREFIX)
    if field not in known or field.startswith("_"):
        raise Fault(
            Code.BAD_PARAMETER,
            f"this vLLM has no sampling parameter `{name}`",
            "compare the campaign's pinned version with the image's; see `lemctl params show`",
        )
    return field
