"""TokensPrompt."""

from typing import Any

from shapes import Shapes


def TokensPrompt(**keywords: Any) -> dict[str, Any]:
    """A typed dictionary."""
    unknown = set(keywords) - set(Shapes("vllm-0.26.0").fields("TokensPrompt"))
    assert not unknown, unknown
    return keywords
