"""What the model makes of pinned prompts: log-probabilities of the prompt and of a greedy output.

One request at a time, so that nothing depends on what it shares a batch with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from lem_worker.answers import QualityOutput
from lem_worker.engines.base import Submission
from lem_worker.engines.pytorch.batching import ends_of
from lem_worker.engines.pytorch.decoding import Decoder

# Places whose logits are held at once: a vocabulary of 128 000 in 32 bits takes 512 KB for each.
PIECE = 256


def assess(decoder: Decoder, requests: Sequence[Submission], stop: Callable[[], None]) -> list[QualityOutput]:
    """One output for each request, in order."""
    outputs = []
    with torch.no_grad():
        for request in requests:
            stop()
            outputs.append(_one(decoder, request, stop))
    return outputs


def _one(decoder: Decoder, request: Submission, stop: Callable[[], None]) -> QualityOutput:
    prompt = list(request.input_ids)
    ids = torch.tensor([prompt], dtype=torch.long, device=decoder.device)
    kind = "static" if decoder.compiles else "dynamic"
    cache = decoder.caches.take(kind, 1, len(prompt) + request.output_tokens)
    scores: list[float] = []
    last = None
    for start in range(0, len(prompt), PIECE):
        end = min(start + PIECE, len(prompt))
        positions = torch.arange(start, end, device=decoder.device)[None, :]
        logits = decoder.call(ids[:, start:end], None, positions, cache, 0, decodes=False)[0]
        followers = ids[0, start + 1 : end + 1]
        scores += _of(logits[: len(followers)], followers)
        last = logits[-1:]
    ends = ends_of(decoder.model)
    made: list[int] = []
    made_scores: list[float] = []
    while last is not None:
        token = torch.argmax(last, dim=-1)
        made_scores += _of(last, token)
        made.append(int(token))
        if len(made) >= request.output_tokens or (request.natural and made[-1] in ends):
            break
        stop()
        position = torch.tensor([[len(prompt) + len(made) - 1]], device=decoder.device)
        last = decoder.call(token[:, None], None, position, cache, 1, decodes=True)[0]
    return QualityOutput(prompt, [_finite(score) for score in scores], made, [_finite(score) for score in made_scores])


def _of(logits: torch.Tensor, tokens: torch.Tensor) -> list[float]:
    """Log-probability of each token under the logits of the place before it."""
    chances = torch.log_softmax(logits.float(), dim=-1)
    picked: list[float] = chances.gather(1, tokens[:, None]).squeeze(1).tolist()
    return picked


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None
