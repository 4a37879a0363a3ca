"""The loop of its own makes what transformers' `generate` makes, however requests are batched and cached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lem_worker.engines.pytorch import compiling
from lem_worker.fault import Code, Fault
from tiny_llama import ON_GPU, Loader, Watched, prompts, submissions

GREEDY = {"do_sample": False}


def generated(engine: Any, ids: list[int], count: int, **arguments: Any) -> list[int]:
    """What `generate` makes of one prompt."""
    model = engine._loaded().model
    tensor = torch.tensor([ids], device=model.device)
    made = model.generate(
        tensor,
        attention_mask=torch.ones_like(tensor),
        max_new_tokens=count,
        min_new_tokens=count,
        pad_token_id=0,
        **arguments,
    )
    tokens: list[int] = made[0, len(ids) :].tolist()
    return tokens


def without_end(engine: Any) -> None:
    """`generate` forbids the end of a sequence below its least length, and here it is ignored: the same without one."""
    engine._loaded().model.generation_config.eos_token_id = None


@pytest.mark.parametrize(
    "parameters",
    [
        {"cache_implementation": "dynamic"},
        {"cache_implementation": "static"},
        {"use_cache": False},
        {"prefill_chunk_size": 5},
        {"cache_implementation": "static", "prefill_chunk_size": 4},
    ],
    ids=str,
)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_greedy_tokens_are_those_of_generate(loaded: Loader, parameters: dict[str, Any], attention: str) -> None:
    engine = loaded(attn_implementation=attention)
    without_end(engine)
    inputs = prompts(11, 4, 17)
    expected = {place: generated(engine, ids, 9, do_sample=False) for place, ids in enumerate(inputs)}
    assert len({tuple(tokens) for tokens in expected.values()}) == 3
    # Padded beside each other, and each alone.
    assert Watched(engine).run(submissions(inputs, 9), {**GREEDY, **parameters, "batch_size": 3}) == expected
    assert Watched(engine).run(submissions(inputs, 9), {**GREEDY, **parameters, "batch_size": 1}) == expected


def test_prompts_of_one_length_need_no_mask_and_say_the_same(loaded: Loader) -> None:
    engine = loaded()
    without_end(engine)
    inputs = prompts(8, 8, 8, 8)
    expected = {place: generated(engine, ids, 6, do_sample=False) for place, ids in enumerate(inputs)}
    for cache in ("dynamic", "static"):
        made = Watched(engine).run(submissions(inputs, 6), {**GREEDY, "cache_implementation": cache, "batch_size": 4})
        assert made == expected


def test_a_static_cache_is_emptied_between_batches(loaded: Loader) -> None:
    engine = loaded()
    without_end(engine)
    inputs = prompts(8, 12, 10, 12, 3, 12)
    parameters = {**GREEDY, "cache_implementation": "static", "batch_size": 2}
    made = Watched(engine).run(submissions(inputs, 5), parameters)
    assert made == {place: generated(engine, ids, 5, do_sample=False) for place, ids in enumerate(inputs)}


@pytest.mark.parametrize("parameters", [{"repetition_penalty": 5.0}, {"no_repeat_ngram_size": 1}], ids=str)
def test_processors_are_those_of_generate(loaded: Loader, parameters: dict[str, Any]) -> None:
    engine = loaded()
    without_end(engine)
    (ids,) = prompts(6)
    plain = generated(engine, ids, 24, do_sample=False)
    expected = generated(engine, ids, 24, do_sample=False, **parameters)
    assert plain != expected
    assert Watched(engine).run(submissions([ids], 24), {**GREEDY, **parameters}) == {0: expected}


def test_sampling_with_one_token_to_choose_from_is_greedy(loaded: Loader) -> None:
    engine = loaded()
    without_end(engine)
    (ids,) = prompts(7)
    greedy = generated(engine, ids, 8, do_sample=False)
    for narrow in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        assert Watched(engine).run(submissions([ids], 8), {"do_sample": True, **narrow}) == {0: greedy}


def test_drawn_tokens_follow_the_seed_and_the_distribution(loaded: Loader) -> None:
    engine = loaded()
    without_end(engine)
    inputs = prompts(6) * 400
    parameters = {"do_sample": True, "temperature": 0.7, "top_k": 3, "batch_size": 400}
    first = Watched(engine).run(submissions(inputs, 1), {**parameters, "sampling_seed": 1})
    again = Watched(engine).run(submissions(inputs, 1), {**parameters, "sampling_seed": 1})
    other = Watched(engine).run(submissions(inputs, 1), {**parameters, "sampling_seed": 2})
    assert first == again != other
    model = engine._loaded().model
    logits = model(torch.tensor([inputs[0]], device=model.device)).logits[0, -1] / 0.7
    chances, tokens = torch.softmax(logits, dim=0).topk(3)
    chances = chances / chances.sum()
    drawn = [tokens_of[0] for tokens_of in first.values()]
    assert set(drawn) <= set(tokens.tolist())
    for token, chance in zip(tokens.tolist(), chances.tolist(), strict=True):
        # Five standard deviations of 400 draws.
        assert abs(drawn.count(token) / 400 - chance) <= 5 * (chance * (1 - chance) / 400) ** 0.5


@pytest.mark.parametrize("lengths", [(8, 8), (8, 5)], ids=["no mask", "mask"])
def test_compiled_code_sees_the_same_shapes_at_every_step(
    loaded: Loader, monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, int]
) -> None:
    """Else it would be compiled again. The image's torch cannot trace this transformers, and has no C++ compiler: what
    compiled code would be called with is looked at, and then run operator by operator."""
    seen: list[tuple[Any, ...]] = []
    modes: list[Any] = []

    def compiled(call: Callable[..., Any], **arguments: Any) -> Callable[..., Any]:
        modes.append(arguments)

        def run(**inputs: Any) -> Any:
            tensors = {name: tuple(one.shape) for name, one in inputs.items() if isinstance(one, torch.Tensor)}
            cache = inputs["past_key_values"]
            addresses = tuple(layer.keys.data_ptr() for layer in cache.layers)
            seen.append((sorted(tensors.items()), inputs["use_cache"], inputs["logits_to_keep"], addresses))
            return call(**inputs)

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    engine = loaded(compile="reduce-overhead")
    assert modes == [{"mode": "reduce-overhead", "dynamic": False}]
    without_end(engine)
    inputs = prompts(*lengths, *lengths)
    parameters = {**GREEDY, "batch_size": 2}
    made = Watched(engine).run(submissions(inputs, 9), parameters)
    assert made == {place: generated(engine, ids, 9, do_sample=False) for place, ids in enumerate(inputs)}
    Watched(engine).run(submissions(inputs, 9), parameters)
    # Two windows of two batches, eight steps after each prefill.
    assert len(seen) == 32
    assert all(step == seen[0] for step in seen)
    with pytest.raises(Fault, match="static"):
        engine.settings({**parameters, "cache_implementation": "dynamic"})


def test_more_shapes_than_are_compiled_are_an_error_and_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: Any = torch._dynamo.config
    before = {
        name: getattr(settings, name) for name in (*compiling.LIMITS, *compiling.SWITCHES) if hasattr(settings, name)
    }
    # The image has no C++ compiler: what is traced runs as it is, and is traced anew for every shape all the same.
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda call, mode, dynamic: real(call, backend="eager", dynamic=dynamic))
    monkeypatch.setattr(compiling, "SHAPES", 3)
    try:
        double = compiling.compiled(lambda tensor: tensor * 2, "default")
        for rows in (1, 2, 3, 2, 1):
            assert double(torch.ones(rows, 2)).sum().item() == 4 * rows
        with pytest.raises(Fault, match="more shapes than the 3") as refused:
            double(torch.ones(5, 2))
        assert refused.value.code is Code.UNSUPPORTED
    finally:
        for name, value in before.items():
            setattr(settings, name, value)
        torch._dynamo.reset()


@pytest.mark.skipif(not ON_GPU, reason="compiled for real on a GPU only: LEM_TORCH_DEVICE=cuda")
@pytest.mark.parametrize("lengths", [(8, 8), (8, 5)], ids=["no mask", "mask"])
def test_compiled_with_graphs_it_says_the_same(loaded: Loader, lengths: tuple[int, int]) -> None:
    engine = loaded(compile="reduce-overhead")
    without_end(engine)
    inputs = prompts(*lengths, *lengths)
    expected = {place: generated(engine, ids, 9, do_sample=False) for place, ids in enumerate(inputs)}
    for _ in range(2):
        assert Watched(engine).run(submissions(inputs, 9), {**GREEDY, "batch_size": 2}) == expected


def test_bfloat16_runs_in_bfloat16(loaded: Loader) -> None:
    engine = loaded(dtype="bfloat16")
    assert engine._loaded().model.dtype == torch.bfloat16
    made = Watched(engine).run(submissions(prompts(9, 5), 4), {**GREEDY, "batch_size": 2})
    assert [len(tokens) for tokens in made.values()] == [4, 4]
