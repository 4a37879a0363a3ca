"""What the profiler counts equals the arithmetic of the model; what quality sees equals a plain forward pass."""

from __future__ import annotations

import math
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from lem_worker.engines.pytorch.profiling import attention_flops
from lem_worker.fault import Code, Fault
from tiny_llama import SHAPE, Loader, Watched, prompts, submissions


def flops(tokens: int, attended: int, logits: int) -> int:
    """Multiply-adds counted twice: `tokens` places that see `attended` places together, `logits` rows of logits."""
    hidden, heads = SHAPE["hidden_size"], SHAPE["num_attention_heads"]
    kv = hidden // heads * SHAPE["num_key_value_heads"]
    layer = 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * SHAPE["intermediate_size"]
    of_attention = 2 * attended * hidden
    return 2 * int(SHAPE["num_hidden_layers"] * (tokens * layer + of_attention) + logits * hidden * SHAPE["vocab_size"])


def test_flops_are_those_of_the_arithmetic(loaded: Loader) -> None:
    engine = loaded(attn_implementation="eager")
    watched = Watched(engine)
    engine.start_profile()
    began = time.monotonic_ns()
    watched.run(submissions(prompts(16, 16), 4), {"do_sample": False, "batch_size": 2})
    passed = time.monotonic_ns() - began
    profile = engine.stop_profile()
    # Two rows of 16 places, each against all 16; then 3 steps against 17, 18, 19.
    attended = 2 * (16 * 16 + 17 + 18 + 19)
    expected = flops(2 * (16 + 3), attended, 2 * 4)
    # Beside the multiplications there are the rotary frequencies: a matrix product as well, if a tiny one.
    assert profile.flops is not None
    assert 0 <= profile.flops - expected < 0.01 * expected
    assert 0 < profile.prefill_ns < passed
    assert 0 < profile.decode_ns < passed
    assert 0 < profile.device_busy_ns <= profile.prefill_ns + profile.decode_ns


def test_without_a_start_there_is_no_profile(loaded: Loader) -> None:
    engine = loaded()
    try:
        engine.stop_profile()
    except Fault as fault:
        assert fault.code is Code.BAD_REQUEST  # noqa: PT017
    else:
        raise AssertionError("a profile of nothing")


def test_log_probabilities_are_those_of_one_forward_pass(loaded: Loader) -> None:
    engine = loaded()
    inputs = prompts(1, 9, 14)
    calls = []
    outputs = engine.assess(submissions(inputs, 6), lambda: calls.append(1))
    assert len(calls) >= 3
    greedy = Watched(engine).run(submissions(inputs, 6), {"do_sample": False})
    for place, (ids, output) in enumerate(zip(inputs, outputs, strict=True)):
        assert output.input_ids == ids
        assert output.output_ids == greedy[place]
        whole = torch.tensor([ids + output.output_ids], device=engine._loaded().device)
        with torch.no_grad():
            logits = engine._loaded().model(whole).logits[0, :-1].double()
        expected = torch.log_softmax(logits, dim=-1).gather(1, whole[0, 1:, None]).squeeze(1).tolist()
        found = output.input_logprobs + output.output_logprobs
        assert len(output.input_logprobs) == len(ids) - 1
        assert all(
            score is not None and math.isclose(score, right, abs_tol=1e-4)
            for score, right in zip(found, expected, strict=True)
        )


def test_a_long_prompt_in_pieces_scores_the_same(loaded: Loader, monkeypatch: object) -> None:
    from lem_worker.engines.pytorch import quality

    engine = loaded()
    request = submissions(prompts(40), 3)
    whole = engine.assess(request, lambda: None)[0]
    monkeypatch.setattr(quality, "PIECE", 7)  # type: ignore[attr-defined]
    pieces = engine.assess(request, lambda: None)[0]
    assert pieces.output_ids == whole.output_ids
    for one, other in zip(pieces.input_logprobs, whole.input_logprobs, strict=True):
        assert one is not None
        assert other is not None
        assert math.isclose(one, other, abs_tol=1e-4)


def test_what_is_not_finite_is_null(loaded: Loader) -> None:
    engine = loaded()
    with torch.no_grad():
        engine._loaded().model.lm_head.weight.fill_(float("nan"))
    output = engine.assess(submissions(prompts(4), 2), lambda: None)[0]
    assert output.input_logprobs == [None] * 3
    assert output.output_logprobs == [None] * 2


def test_a_natural_answer_ends_where_the_model_ends_it(loaded: Loader) -> None:
    engine = loaded()
    inputs = prompts(6)
    exact = engine.assess(submissions(inputs, 8), lambda: None)[0].output_ids
    engine._loaded().model.generation_config.eos_token_id = exact[1]
    place = exact.index(exact[1])
    natural = engine.assess(submissions(inputs, 8, natural=True), lambda: None)[0].output_ids
    assert natural == exact[: place + 1]
    assert engine.assess(submissions(inputs, 8), lambda: None)[0].output_ids == exact


def test_grouped_heads_count_like_repeated_ones() -> None:
    query, grouped = torch.randn(2, 8, 16, 64), torch.randn(2, 2, 16, 64)
    repeated = grouped.repeat_interleave(4, 1)
    with FlopCounterMode(display=False) as counter:
        _ = (query @ repeated.transpose(2, 3)) @ repeated
    assert attention_flops(query.shape, grouped.shape, grouped.shape) == counter.get_total_flops()
