"""Where keys and values of a batch are kept, by the name that transformers gives the kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import transformers

KINDS = ("dynamic", "offloaded", "static", "offloaded_static")


@dataclass
class _Kept:
    kind: str
    rows: int
    length: int
    cache: Any


class Caches:
    """Makes caches; a static one is kept and emptied, so that compiled code and its graphs stay good."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._kept: _Kept | None = None

    def take(self, kind: str, rows: int, length: int) -> Any:
        """An empty cache for `rows` sequences of up to `length` tokens."""
        if not kind.endswith("static"):
            self._kept = None
            return transformers.DynamicCache(config=self._config, offloading=kind == "offloaded")
        kept = self._kept
        # Never a longer one: attention would run over all of it.
        if kept is not None and (kept.kind, kept.rows, kept.length) == (kind, rows, length):
            kept.cache.reset()
            return kept.cache
        self._kept = None
        offloading = kind == "offloaded_static"
        cache = transformers.StaticCache(config=self._config, max_cache_len=length, offloading=offloading)
        self._kept = _Kept(kind, rows, length, cache)
        return cache


def length_of(cache: Any) -> int | None:
    """Tokens that a cache of fixed size has room for; None where it grows."""
    return int(cache.get_max_length()) if isinstance(cache, transformers.StaticCache) else None
