"""Engines that have loaded a tiny Llama.

These tests run the real torch and transformers: in the image that tests/support/cpu-torch makes. Elsewhere they are
skipped, and say so.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lem_worker.engines.pytorch import PytorchEngine
from lem_worker.requests import Load
from tiny_llama import GPUS, LOCAL, Loader, write_model

try:
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError:
    if os.environ.get("LEM_TORCH_TESTS") == "required":
        raise
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), seed=5)


@pytest.fixture
def loaded(folder: Path) -> Loader:
    """Loads an engine with these engine-level parameters."""

    def load(model: Any = LOCAL, **parameters: Any) -> PytorchEngine:
        engine = PytorchEngine(folder)
        engine.load(Load(parameters=parameters, model=model, gpus=GPUS), lambda: None)
        return engine

    return load
