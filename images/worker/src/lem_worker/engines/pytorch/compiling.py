"""Compiled decoding: how it is made, and that it never falls back to running operator by operator unseen.

It knows torch.compile and its settings, and nothing of models and requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lem_worker.fault import Code, Fault

# Shapes that one load may decode in: numbers of rows, with a mask and without, and lengths of the static cache. torch
# allows 8, and beyond them runs the code as it is, in silence.
SHAPES = 64
# What torch calls its limit and the switch that makes it an error, in 2.11 and in releases before 2.7.
LIMITS = ("recompile_limit", "cache_size_limit")
SWITCHES = ("fail_on_recompile_limit_hit", "fail_on_cache_limit_hit")


def compiled(call: Callable[..., Any], mode: str) -> Any:
    """`call`, compiled for every shape that it meets; an error once they are more than `SHAPES`."""
    be_strict(SHAPES)
    made = torch.compile(call, mode=None if mode == "default" else mode, dynamic=False)
    too_many: type[Exception] = torch._dynamo.exc.FailOnRecompileLimitHit

    def run(*arguments: Any, **named: Any) -> Any:
        try:
            return made(*arguments, **named)
        except too_many as error:
            message = f"decoding met more shapes than the {SHAPES} that are compiled for one load"
            hint = "use fewer batch sizes, lengths that differ less, or set compile to off"
            raise Fault(Code.UNSUPPORTED, message, hint) from error

    return run


def be_strict(shapes: int) -> None:
    """Beyond so many shapes compiled code is an error, in this process."""
    settings: Any = torch._dynamo.config
    for names, value in ((LIMITS, shapes), (SWITCHES, True)):
        # A name that a release does not know is refused by torch itself: better no load than a limit nobody set.
        setattr(settings, next((name for name in names if hasattr(settings, name)), names[0]), value)
