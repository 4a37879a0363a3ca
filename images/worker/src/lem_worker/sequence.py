"""One request on its way through a window: what it has come to, from the chunks that name it.

It knows protocol types and no engine. All times are CLOCK_MONOTONIC ns.
"""

from array import array
from dataclasses import dataclass, field

from lem_worker.answers import RequestRecord, UnfinishedRequest
from lem_worker.engines.base import Chunk, Submission
from lem_worker.fault import Code, Fault


@dataclass(slots=True)
class Sequence:
    """A request that was handed to the engine."""

    submission: Submission
    prompt: int
    queued_ns: int
    due_ns: int | None = None
    prefill_ns: int | None = None
    first_token_ns: int | None = None
    last_token_ns: int = 0
    cached_tokens: int = 0
    ended_early: bool = False
    is_chunked: bool = False
    # Machine words, not objects: there is one for every token of a window.
    gaps: "array[int]" = field(default_factory=lambda: array("Q"))
    chunks: "array[int]" = field(default_factory=lambda: array("L"))

    def take(self, chunk: Chunk) -> None:
        """Takes in what is new."""
        if chunk.prefill_ns is not None and self.prefill_ns is None:
            # It may come from another process's clock readings: never outside what this process saw.
            self.prefill_ns = min(max(chunk.prefill_ns, self.queued_ns), chunk.at_ns)
        self.cached_tokens = max(self.cached_tokens, chunk.cached_tokens)
        if chunk.tokens:
            self._take_tokens(chunk.tokens, chunk.at_ns)
        if chunk.finished:
            self.ended_early = chunk.ended_early
            self._check_end()

    @property
    def tokens(self) -> int:
        """Output tokens that it has."""
        return 0 if self.first_token_ns is None else len(self.gaps) + 1

    @property
    def prefill_began_ns(self) -> int | None:
        """When its prefill began; where the engine does not say, waiting counts as prefill."""
        if self.first_token_ns is None:
            return self.prefill_ns
        return self.queued_ns if self.prefill_ns is None else min(self.prefill_ns, self.first_token_ns)

    def _take_tokens(self, count: int, at_ns: int) -> None:
        self.chunks.append(count)
        self.is_chunked = self.is_chunked or count > 1
        if self.first_token_ns is None:
            self.first_token_ns = at_ns
            # What comes with the first token has no time of its own.
            self.gaps.extend([0] * (count - 1))
        else:
            # Spread evenly over the time since the chunk before; the sum stays exact.
            passed, last = at_ns - self.last_token_ns, 0
            for place in range(1, count + 1):
                here = passed * place // count
                self.gaps.append(here - last)
                last = here
        self.last_token_ns = at_ns

    def _check_end(self) -> None:
        asked, made = self.submission.output_tokens, self.tokens
        is_right = 1 <= made <= asked if self.submission.natural and self.ended_early else made == asked
        if not is_right:
            raise Fault(
                Code.ENGINE_FAILED,
                f"the engine ended request {self.submission.ordinal} with {made} of {asked} output tokens",
                "a parameter may end outputs before the length that the workload asks for",
            )

    def to_record(self) -> RequestRecord:
        """What is written down about it once it has finished."""
        if self.first_token_ns is None or self.prefill_began_ns is None:
            raise Fault(Code.ENGINE_FAILED, f"request {self.submission.ordinal} finished without a token")
        return RequestRecord(
            prompt=self.prompt,
            input_tokens=len(self.submission.input_ids),
            output_tokens=self.tokens,
            queued_ns=self.queued_ns,
            prefill_ns=self.prefill_began_ns,
            first_token_ns=self.first_token_ns,
            token_gaps_ns=self.gaps.tolist(),
            due_ns=self.due_ns,
            cached_tokens=self.cached_tokens,
            chunk_tokens=self.chunks.tolist() if self.is_chunked else [],
            ended_early=self.ended_early,
        )

    def to_unfinished(self) -> UnfinishedRequest:
        """What is written down about it if it does not finish."""
        return UnfinishedRequest(
            prompt=self.prompt,
            input_tokens=len(self.submission.input_ids),
            queued_ns=self.queued_ns,
            prefill_ns=self.prefill_began_ns,
            first_token_ns=self.first_token_ns,
            token_gaps_ns=self.gaps.tolist(),
            due_ns=self.due_ns,
        )
