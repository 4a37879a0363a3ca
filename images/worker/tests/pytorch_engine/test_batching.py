"""Static batches: who runs when, what counts, and what each token's time says."""

from __future__ import annotations

import time

from lem_worker.engines.base import Submission
from tiny_llama import Loader, Watched, prompts, submissions

GREEDY = {"do_sample": False, "batch_size": 2}


def test_rows_that_have_ended_count_no_more_but_the_batch_goes_on(loaded: Loader) -> None:
    engine = loaded()
    watched = Watched(engine)
    watched.submit(submissions(prompts(5, 5, 5), [1, 4, 2]), GREEDY)
    steps = []
    while not watched.batcher.is_idle():
        steps.append([(chunk.ordinal, chunk.finished) for chunk in watched.step()])
    assert steps == [
        [(0, True), (1, False)],
        [(1, False)],
        [(1, False)],
        [(1, True)],
        # The third waited for the whole batch.
        [(2, False)],
        [(2, True)],
    ]
    assert list(engine.advance(0)) == []


def test_times_are_of_this_clock_in_order_and_shared_by_a_batch(loaded: Loader) -> None:
    watched = Watched(loaded())
    before = time.monotonic_ns()
    watched.run(submissions(prompts(5, 9), 3), GREEDY)
    after = time.monotonic_ns()
    steps = [watched.chunks[place : place + 2] for place in (0, 2, 4)]
    last = before
    for number, pair in enumerate(steps):
        assert len({chunk.at_ns for chunk in pair}) == 1
        assert last < pair[0].at_ns <= after
        for chunk in pair:
            assert chunk.tokens == 1
            assert (chunk.prefill_ns is not None) == (number == 0)
        last = pair[0].at_ns
    prefill = steps[0][0].prefill_ns
    assert prefill is not None
    assert before <= prefill < steps[0][0].at_ns


def test_a_natural_end_is_early_and_an_exact_length_ignores_it(loaded: Loader) -> None:
    engine = loaded()
    (ids,) = prompts(6)
    exact = Watched(engine).run([Submission(0, ids, 12)], GREEDY)[0]
    # Whatever the third token is, let it be the end of a sequence.
    engine._batched()._ends = frozenset({exact[2]})
    place = exact.index(exact[2])
    natural = Watched(engine)
    assert natural.run([Submission(0, ids, 12, natural=True)], GREEDY)[0] == exact[: place + 1]
    assert (natural.chunks[-1].finished, natural.chunks[-1].ended_early) == (True, True)
    forced = Watched(engine)
    assert forced.run([Submission(0, ids, 12)], GREEDY)[0] == exact
    assert not any(chunk.ended_early for chunk in forced.chunks)
    # The last token that was asked for is no early end, whatever it is.
    cut = Watched(engine)
    cut.run([Submission(0, ids, place + 1, natural=True)], GREEDY)
    assert (cut.chunks[-1].finished, cut.chunks[-1].ended_early) == (True, False)


def test_what_is_aborted_leaves_no_trace(loaded: Loader) -> None:
    engine = loaded()
    inputs = prompts(5, 7, 6)
    expected = Watched(engine).run(submissions(inputs, 3), GREEDY)
    watched = Watched(engine)
    watched.submit(submissions(inputs, 50), GREEDY)
    watched.step()
    engine.abort()
    assert list(engine.advance(0)) == []
    assert Watched(engine).run(submissions(inputs, 3), GREEDY) == expected


def test_ends_of_sequences_are_the_models_own(loaded: Loader) -> None:
    assert loaded()._batched()._ends == {2}
