"""Texts and conversations to ids, with the model's own tokenizer, before any window.

It loads from a folder, offline."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lem_worker.fault import Code, Fault
from lem_worker.requests import Prompt


class Tokenizer:
    """The tokenizer in a model's folder, and the chat template in force."""

    def __init__(self, model: Path, chat_template: str | None) -> None:
        self._own = _load(model)
        self._template = chat_template
        self.template_sha256: str | None = None

    def ids(self, prompt: Prompt) -> list[int]:
        """Ids of a prompt that is a text or a conversation."""
        if prompt.messages is None:
            found = self._own(prompt.text or "")["input_ids"]
        else:
            messages = [{"role": one.role, "content": one.content} for one in prompt.messages]
            template = self._chat_template()
            try:
                text = self._own.apply_chat_template(
                    messages, chat_template=template, tokenize=False, add_generation_prompt=True
                )
            except Exception as error:
                raise Fault(
                    Code.WORKLOAD_INVALID,
                    f"the chat template refuses the messages: {error}",
                    "give messages with the roles that the template knows, or another chat_template",
                ) from error
            # The template writes the special tokens itself.
            found = self._own(text, add_special_tokens=False)["input_ids"]
        return [int(one) for one in found]

    def _chat_template(self) -> str:
        template = self._template or getattr(self._own, "chat_template", None)
        if isinstance(template, dict):
            template = template.get("default")
        if not isinstance(template, str):
            raise Fault(
                Code.WORKLOAD_INVALID,
                "the workload has messages, but the model's tokenizer has no chat template",
                "name a chat_template in the campaign's workload",
            )
        self.template_sha256 = hashlib.sha256(template.encode()).hexdigest()
        return template


def ids_digest(prompts: Sequence[Sequence[int]]) -> str:
    """SHA-256 of all prompts' ids, each prompt's as a JSON list (no spaces) on a line of its own."""
    digest = hashlib.sha256()
    for ids in prompts:
        digest.update(json.dumps(list(ids), separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def _load(model: Path) -> Any:
    try:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(model), local_files_only=True)
    except (ImportError, OSError, ValueError, KeyError) as error:
        raise Fault(
            Code.MODEL_UNAVAILABLE,
            f"the workload has texts, but the model's folder has no tokenizer that loads: {error}",
            "use a model with its tokenizer's files, or a workload of token ids",
        ) from error
