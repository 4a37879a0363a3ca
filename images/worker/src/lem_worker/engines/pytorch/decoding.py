"""One forward pass at a time: the prompts of a batch, then a token for each of its rows.

It knows the model's call and its caches; nothing of requests, clocks and which token is chosen.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch

from lem_worker.engines.pytorch.caches import Caches, length_of
from lem_worker.engines.pytorch.compiling import compiled


class Decoder:
    """A loaded model and how it is called."""

    def __init__(self, model: Any, device: torch.device, compile_mode: str) -> None:
        self.model = model
        self.device = device
        self.compiles = compile_mode != "off"
        self.caches = Caches(model.config.get_text_config(decoder=True))
        takes = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in takes
        self._takes_keep = "logits_to_keep" in takes
        self._decode = model
        self._switched: ExitStack | None = None
        if self.compiles:
            # Prompts have many lengths and would be compiled again and again: only decoding is compiled.
            self._decode = compiled(model.__call__, compile_mode)

    def synchronise(self) -> None:
        """Returns when the device has done everything that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def call(self, ids: torch.Tensor, mask: Any, positions: torch.Tensor, cache: Any, keep: int, decodes: bool) -> Any:
        """Logits of the last `keep` places (0: of all), shaped (rows, places, vocabulary)."""
        arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": cache is not None}
        if cache is not None:
            arguments["past_key_values"] = cache
        if self._takes_positions:
            arguments["position_ids"] = positions
        if self._takes_keep:
            arguments["logits_to_keep"] = keep
        self._switch(decodes)
        if decodes and self.compiles:
            torch.compiler.cudagraph_mark_step_begin()
        logits = (self._decode if decodes else self.model)(**arguments).logits
        return logits if self._takes_keep or keep == 0 else logits[:, -keep:]

    def _switch(self, decodes: bool) -> None:
        """What `generate` switches for the time in which it decodes (how experts are multiplied); not at every step:
        it walks through the whole model."""
        if decodes and self._switched is None:
            self._switched = ExitStack()
            self._switched.enter_context(self.model._optimize_model_for_decode())
        elif not decodes and self._switched is not None:
            self._switched.close()
            self._switched = None


class Rows:
    """Prompts of one batch beside each other, padded on the left, and what was made of them so far."""

    def __init__(self, decoder: Decoder, prompts: Sequence[Sequence[int]], room: int, cache: Any) -> None:
        self._decoder = decoder
        self._cache = cache
        self.width = max(len(prompt) for prompt in prompts)
        padded = [[0] * (self.width - len(prompt)) + list(prompt) for prompt in prompts]
        count, device = len(prompts), decoder.device
        self._ids = torch.zeros((count, self.width + room), dtype=torch.long, device=device)
        self._ids[:, : self.width] = torch.tensor(padded, dtype=torch.long).to(device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], dtype=torch.long).to(device)
        places = torch.arange(self.width, device=device)
        real = places[None, :] >= (self.width - lengths)[:, None]
        self._positions = (places[None, :] - (self.width - lengths)[:, None]).clamp(min=0)
        self._next = lengths[:, None].clone()
        # No mask where nothing is padded: attention may then use its fastest kernels.
        self._mask: torch.Tensor | None = None
        if any(len(prompt) != self.width for prompt in prompts):
            fixed = length_of(cache) if cache is not None else None
            self._mask = torch.ones((count, fixed or self.width + room), dtype=torch.bool, device=device)
            self._mask[:, : self.width] = real
        self._fixed_mask = cache is not None and length_of(cache) is not None
        self.filled = self.width

    def so_far(self) -> torch.Tensor:
        """Ids of prompts and outputs, (rows, tokens)."""
        return self._ids[:, : self.filled]

    def prefill(self, chunk: int | None) -> torch.Tensor:
        """Takes the prompts in, all at once or in pieces; logits after the last place."""
        if self._cache is None:
            return self._whole(decodes=False)
        step = chunk or self.width
        logits = None
        for start in range(0, self.width, step):
            end = min(start + step, self.width)
            ids, positions = self._ids[:, start:end], self._positions[:, start:end]
            logits = self._decoder.call(ids, self._masked(end), positions, self._cache, 1, decodes=False)
        assert logits is not None
        return logits[:, -1]

    def extend(self, tokens: torch.Tensor) -> None:
        """Puts one more token at the end of every row."""
        self._ids[:, self.filled] = tokens
        self.filled += 1

    def decode(self) -> torch.Tensor:
        """Takes the last token of every row in; logits after it."""
        if self._cache is None:
            return self._whole(decodes=True)
        ids = self._ids[:, self.filled - 1 : self.filled].contiguous()
        logits = self._decoder.call(ids, self._masked(self.filled), self._next, self._cache, 1, decodes=True)
        self._next = self._next + 1
        return logits[:, -1]

    def _masked(self, length: int) -> torch.Tensor | None:
        if self._mask is None or self._fixed_mask:
            return self._mask
        return self._mask[:, :length]

    def _whole(self, decodes: bool) -> torch.Tensor:
        extra = self.filled - self.width
        positions = self._positions
        if extra:
            made = self._positions[:, -1:] + 1 + torch.arange(extra, device=positions.device)[None, :]
            positions = torch.cat([positions, made], dim=1)
        mask = None if self._mask is None else self._mask[:, : self.filled]
        return self._decoder.call(self.so_far(), mask, positions, None, 1, decodes)[:, -1]
