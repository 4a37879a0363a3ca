"""A tiny Llama with random weights, requests for it, and what an engine makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lem_worker.engines.base import Chunk, Submission
from lem_worker.engines.pytorch import PytorchEngine
from lem_worker.requests import DummyModel, LocalModel, Parameters

Loader = Callable[..., PytorchEngine]

# `LEM_TORCH_DEVICE=cuda` runs all of it on the first GPU, where there is one.
ON_GPU = os.environ.get("LEM_TORCH_DEVICE") == "cuda"
GPUS = ["the first"] if ON_GPU else []

SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 300,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LOCAL = LocalModel(name="tiny", config="0" * 64, weights="random")
DUMMY = DummyModel(config="0" * 64)


def write_model(folder: Path, seed: int, **shape: Any) -> Path:
    """Writes config.json and weights of a Llama."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.LlamaConfig(**{**SHAPE, "initializer_range": 0.2, **shape}, dtype="float32")
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def prompts(*lengths: int, seed: int = 3) -> list[list[int]]:
    """Random ids that end no sequence."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    vocabulary = SHAPE["vocab_size"]
    return [torch.randint(3, vocabulary, (length,), generator=drawn).tolist() for length in lengths]


def submissions(
    inputs: Sequence[Sequence[int]], outputs: Sequence[int] | int, natural: bool = False
) -> list[Submission]:
    """Requests in order."""
    lengths = [outputs] * len(inputs) if isinstance(outputs, int) else list(outputs)
    return [
        Submission(ordinal, ids, length, natural)
        for ordinal, (ids, length) in enumerate(zip(inputs, lengths, strict=True))
    ]


class Watched:
    """An engine whose chosen tokens are seen: the interface gives their number only."""

    def __init__(self, engine: PytorchEngine) -> None:
        self.engine = engine
        self.tokens: dict[int, list[int]] = {}
        self.chunks: list[Chunk] = []

    def run(self, requests: Sequence[Submission], parameters: Parameters) -> dict[int, list[int]]:
        """Runs them to their end; the tokens of each by its ordinal."""
        self.submit(requests, parameters)
        while not self.batcher.is_idle():
            self.step()
        return self.tokens

    @property
    def batcher(self) -> Any:
        return self.engine._batched()

    def submit(self, requests: Sequence[Submission], parameters: Parameters) -> None:
        settings = self.engine.settings(parameters)
        self.engine.prepare(requests, settings, settings.batch_size)
        self.engine.submit(requests, settings)

    def step(self) -> list[Chunk]:
        """One step, with the tokens of the rows that had news."""
        chunks = list(self.engine.advance(0))
        running = self.batcher.last
        for chunk in chunks:
            row = next(place for place, row in enumerate(running.rows) if row.request.ordinal == chunk.ordinal)
            self.tokens.setdefault(chunk.ordinal, []).append(int(running.ids.so_far()[row, -1]))
        self.chunks += chunks
        return chunks
