"""Shared by the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conversing import Worker


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker with the fake engine, ended after the test."""
    one = Worker(tmp_path)
    yield one
    one.process.kill()
    one.process.wait()
