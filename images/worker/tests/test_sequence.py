"""What one request comes to, chunk by chunk."""

import pytest

from lem_worker.engines.base import Chunk, Submission
from lem_worker.fault import Fault
from lem_worker.sequence import Sequence


def sequence(output_tokens: int = 7, natural: bool = False) -> Sequence:
    return Sequence(Submission(0, [1, 2], output_tokens, natural), 3, 1000)


def test_one_token_a_chunk_is_measured() -> None:
    one = sequence(3)
    for at, finished in ((1500, False), (1600, False), (1750, True)):
        one.take(Chunk(0, 1, at, 1200, finished=finished))
    record = one.to_record()
    assert (record.queued_ns, record.prefill_ns, record.first_token_ns) == (1000, 1200, 1500)
    assert record.token_gaps_ns == [100, 150]
    assert record.chunk_tokens == []
    assert not one.is_chunked


def test_times_within_a_chunk_are_spread_and_their_sum_is_exact() -> None:
    one = sequence(7)
    one.take(Chunk(0, 2, 1500))
    one.take(Chunk(0, 4, 1503))
    one.take(Chunk(0, 1, 1600, finished=True))
    record = one.to_record()
    assert record.chunk_tokens == [2, 4, 1]
    assert record.token_gaps_ns[0] == 0
    assert sum(record.token_gaps_ns[1:5]) == 3
    assert max(record.token_gaps_ns[1:5]) <= 1
    assert record.first_token_ns + sum(record.token_gaps_ns) == 1600
    assert one.is_chunked


@pytest.mark.parametrize(
    ("told", "early", "kept"), [(1200, True, 1200), (1200, False, 1200), (900, True, 1000), (9999, True, 1500)]
)
def test_prefill_may_be_told_early_or_late_and_stays_within_the_request(told: int, early: bool, kept: int) -> None:
    one = sequence(2)
    one.take(Chunk(0, 1, 1500, told if early else None))
    one.take(Chunk(0, 1, 1600, None if early else told, finished=True))
    assert one.to_record().prefill_ns == kept


def test_where_the_engine_does_not_say_waiting_counts_as_prefill() -> None:
    one = sequence(2)
    assert one.to_unfinished().prefill_ns is None
    one.take(Chunk(0, 1, 1500))
    assert one.to_unfinished().prefill_ns == 1000
    one.take(Chunk(0, 1, 1600, finished=True))
    assert one.to_record().prefill_ns == 1000


def test_a_prefill_without_a_token_is_kept_of_what_is_unfinished() -> None:
    one = sequence(2)
    one.take(Chunk(0, 0, 1500, 1200))
    left = one.to_unfinished()
    assert (left.prefill_ns, left.first_token_ns) == (1200, None)


@pytest.mark.parametrize(
    ("asked", "made", "natural", "early", "right"),
    [
        (3, 3, False, False, True),
        (3, 2, False, False, False),
        (3, 4, False, False, False),
        (3, 2, False, True, False),
        (3, 2, True, True, True),
        (3, 2, True, False, False),
        (3, 3, True, False, True),
        (3, 0, True, True, False),
    ],
)
def test_the_length_must_be_the_one_asked_for(asked: int, made: int, natural: bool, early: bool, right: bool) -> None:
    one = sequence(asked, natural)
    chunk = Chunk(0, made, 1500, finished=True, ended_early=early)
    if right:
        one.take(chunk)
        assert one.to_record().ended_early is early
    else:
        with pytest.raises(Fault, match=f"with {made} of {asked} output tokens"):
            one.take(chunk)
