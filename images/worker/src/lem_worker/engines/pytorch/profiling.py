"""torch's own profiler over the steps of a window: where the device was busy, and how many operations there were.

Ground truth for phases and FLOPs, not for times and energy: both are disturbed. It counts step by step and keeps
sums only, so that its memory does not grow with the window.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity
from torch.utils.flop_counter import FlopCounterMode

from lem_worker.answers import Profile
from lem_worker.engines.pytorch.decoding import Decoder


@contextmanager
def unwatched() -> Iterator[None]:
    """A step without a profiler."""
    yield


def attention_flops(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    """Both products of an attention, from shapes of batch, heads, tokens and width: two operations for each product
    of two numbers. torch's own formula wants as many key heads as query heads, and so refuses grouped ones."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])


# The fused attentions that scaled_dot_product_attention may choose.
ATTENTION = {
    getattr(torch.ops.aten, name): attention_flops
    for name in (
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
    )
    if hasattr(torch.ops.aten, name)
}


class Profiler:
    """Sums over the steps that it watched."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._on_gpu = decoder.device.type == "cuda"
        # The counter sees operators as they are dispatched, and compiled code dispatches none.
        self._counts = not decoder.compiles
        self._flops = 0
        self._busy_ns = 0
        self._phase_ns = {True: 0, False: 0}

    @contextmanager
    def watch(self, prefill: bool) -> Iterator[None]:
        """One step."""
        activities = [ProfilerActivity.CUDA] if self._on_gpu else [ProfilerActivity.CPU]
        counter = FlopCounterMode(display=False, custom_mapping=ATTENTION)
        with torch.profiler.profile(activities=activities, acc_events=False) as profile:
            start_ns = time.monotonic_ns()
            if self._counts:
                with counter:
                    yield
            else:
                yield
            self._decoder.synchronise()
            self._phase_ns[prefill] += time.monotonic_ns() - start_ns
        self._flops += counter.get_total_flops()
        self._busy_ns += busy_ns(profile.profiler.kineto_results.events(), self._on_gpu)

    def counted(self) -> Profile:
        """What it counted so far."""
        return Profile(
            profiler=f"torch.profiler and torch.utils.flop_counter {torch.__version__}",
            flops=self._flops if self._counts else None,
            device_busy_ns=self._busy_ns,
            prefill_ns=self._phase_ns[True],
            decode_ns=self._phase_ns[False],
        )


def busy_ns(events: Iterable[Any], on_gpu: bool) -> int:
    """Time covered by at least one kernel or copy on the GPU; on the CPU by at least one operator."""
    kind = torch.autograd.DeviceType.CUDA if on_gpu else torch.autograd.DeviceType.CPU
    spans = sorted(
        (event.start_ns(), event.start_ns() + event.duration_ns()) for event in events if event.device_type() == kind
    )
    total, covered_to = 0, 0
    for start, end in spans:
        total += max(0, end - max(start, covered_to))
        covered_to = max(covered_to, end)
    return total
