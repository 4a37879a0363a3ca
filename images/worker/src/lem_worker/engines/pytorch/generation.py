"""Request-level parameters: GenerationConfig's own fields, filled up as `generate` does it, and how a token is
chosen by them.

The choice is transformers' own code: its processors in its order. What would need another loop than one token a
step for each request is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import transformers

from lem_worker.engines.pytorch import caches
from lem_worker.engines.pytorch.decoding import Decoder
from lem_worker.fault import Code, Fault
from lem_worker.requests import Parameters

MAX_BATCH = 65_536

# Fields that this loop and transformers' processors carry out. A length is each request's own.
CARRIED_OUT = frozenset(
    {"do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"}
    | {"repetition_penalty", "no_repeat_ngram_size", "bad_words_ids", "sequence_bias", "suppress_tokens"}
    | {"begin_suppress_tokens", "remove_invalid_values", "use_cache", "cache_implementation", "prefill_chunk_size"}
)
# Fields of which transformers wants a float where a campaign's 1.0 comes as 1.
FLOATS = frozenset({"temperature", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"}) | {
    "repetition_penalty"
}
# Fields that only look at finished texts or say what `generate` returns: nothing to carry out, nothing to time.
INERT_AT = {"num_beams": (None, 1), "num_return_sequences": (None, 1), "renormalize_logits": (None, False)}


@dataclass(frozen=True)
class Generation:
    """How the requests of a window are batched and their tokens chosen."""

    config: Any
    batch_size: int
    seed: int
    cache: str
    effective: Parameters

    @classmethod
    def read(cls, decoder: Decoder, parameters: Parameters) -> Generation:
        """What `parameters` say, with what the model and the library put where they say nothing."""
        given = {
            name: float(value) if name in FLOATS and type(value) is int else value
            for name, value in parameters.items()
            if value is not None
        }
        batch_size = _whole(given, "batch_size", 1, 1, MAX_BATCH)
        seed = _whole(given, "sampling_seed", 0, 0, 2**63 - 1)
        known = transformers.GenerationConfig()
        for name, value in given.items():
            if not hasattr(known, name) or name.startswith("_"):
                raise Fault(Code.BAD_PARAMETER, f"GenerationConfig of transformers has no `{name}`")
            if name not in CARRIED_OUT and value not in INERT_AT.get(name, (None,)):
                message = f"{name} = {value!r} is not carried out: this engine makes one token a step for each request"
                raise Fault(Code.UNSUPPORTED, message, f"leave `{name}` out")
        config = _filled(decoder.model, {name: value for name, value in given.items() if name in CARRIED_OUT})
        cache = _cache(decoder, config)
        effective = {name: getattr(config, name) for name in CARRIED_OUT & parameters.keys()}
        # 1.0 is what was asked for as 1.
        effective = {
            name: parameters[name] if parameters[name] == value else value for name, value in effective.items()
        }
        effective |= {name: value for name, value in parameters.items() if name in INERT_AT}
        effective |= {"batch_size": batch_size, "sampling_seed": seed, "cache_implementation": cache}
        if not config.use_cache:
            effective["cache_implementation"] = None
        effective = {name: effective[name] for name in parameters if name in effective}
        return cls(config, batch_size, seed, cache, effective)


class Chooser:
    """Chooses the next token of every row of one batch."""

    def __init__(self, decoder: Decoder, generation: Generation, prompt_length: int, stream: int) -> None:
        config = generation.config
        self._samples = bool(config.do_sample)
        self._processors = decoder.model._get_logits_processor(
            config, input_ids_seq_length=prompt_length, device=str(decoder.device)
        )
        # A stream of its own for each batch of a window: the first request's number tells them apart.
        self._generator = torch.Generator(device=decoder.device)
        self._generator.manual_seed((generation.seed * 0x9E3779B97F4A7C15 + stream) % 2**63)

    def choose(self, so_far: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """One token for each row: `so_far` is (rows, tokens), `logits` (rows, vocabulary)."""
        if not self._samples and not self._processors:
            return torch.argmax(logits, dim=-1)
        scores = self._processors(so_far, logits.float())
        if not self._samples:
            return torch.argmax(scores, dim=-1)
        chances = torch.softmax(scores, dim=-1)
        return torch.multinomial(chances, num_samples=1, generator=self._generator).squeeze(1)


def _filled(model: Any, given: dict[str, Any]) -> Any:
    try:
        config, _ = model._prepare_generation_config(transformers.GenerationConfig(**given))
        config.validate(strict=False)
        # Each checks its own number.
        model._get_logits_processor(config, input_ids_seq_length=1, device=str(model.device))
    except (TypeError, ValueError) as error:
        raise Fault(Code.BAD_PARAMETER, f"GenerationConfig refuses: {error}") from error
    # Lengths are the requests', and the end of a sequence is seen by the batch.
    config.min_length = config.min_new_tokens = config.max_new_tokens = None
    config.forced_eos_token_id = config.exponential_decay_length_penalty = None
    if config.do_sample and config.temperature == 0:
        raise Fault(
            Code.BAD_PARAMETER, "temperature is 0 with do_sample true", "set do_sample to false: that is greedy"
        )
    return config


def _cache(decoder: Decoder, config: Any) -> str:
    """The kind of cache. Compiled code needs one of fixed size, and has it where nothing is asked for."""
    kind = config.cache_implementation or ("static" if decoder.compiles else "dynamic")
    if kind not in caches.KINDS:
        message = f"cache_implementation is {kind!r}, expected one of {', '.join(caches.KINDS)}"
        raise Fault(Code.UNSUPPORTED, message)
    if decoder.compiles and (kind != "static" or not config.use_cache):
        message = f"compiled decoding needs the static cache, not {kind if config.use_cache else 'none'}"
        raise Fault(Code.BAD_PARAMETER, message, "set cache_implementation to static, or compile to off")
    chunk = config.prefill_chunk_size
    if chunk is not None and (not isinstance(chunk, int) or chunk < 1 or not config.use_cache):
        raise Fault(Code.BAD_PARAMETER, f"prefill_chunk_size is {chunk!r}, expected 1 or more, with a cache")
    return str(kind)


def _whole(given: Parameters, name: str, default: int, least: int, most: int) -> int:
    value = given.pop(name, default)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise Fault(Code.BAD_PARAMETER, f"{name} is {value!r}, expected a whole number from {least} to {most}")
