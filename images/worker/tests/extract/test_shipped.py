"""The shipped catalogues are what the extractor writes, and hold what was counted by other means."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lem_extract import FORMAT
from lem_extract.__main__ import main, render

CATALOGUES = Path(__file__).parents[4] / "catalogues"


def shipped(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CATALOGUES / name).read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("vllm-0.26.0.json", {"EngineArgs": 219, "AsyncEngineArgs": 1, "SamplingParams": 34}),
        ("pytorch-5.17.0.json", {"PreTrainedModel.from_pretrained": 40, "GenerationConfig": 72}),
        ("tensorrt-1.2.1.json", {"KvCacheConfig": 20}),
    ],
)
def test_every_field_is_there(name: str, counts: dict[str, int]) -> None:
    found = Counter(entry["owner"] for entry in shipped(name)["parameters"])
    assert {owner: found[owner] for owner in counts} == counts


# Looked up by hand in the classes of vLLM 0.26.0 as they are once imported.
@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("gpu_memory_utilization", 0.92),
        ("kv_cache_dtype", "auto"),
        ("max_num_seqs", None),
        ("enable_prefix_caching", None),
        ("enforce_eager", False),
        ("optimization_level", 2),
        ("seed", 0),
        ("ignore_patterns", ["original/**/*"]),
        ("max_tokens", 16),
        ("temperature", 1.0),
        ("top_k", 0),
        ("detokenize", True),
    ],
)
def test_defaults_of_vllm(name: str, default: Any) -> None:
    entries = {entry["name"]: entry for entry in shipped("vllm-0.26.0.json")["parameters"]}
    assert entries[name]["default"] == default


@pytest.mark.parametrize("path", sorted(CATALOGUES.glob("*-*.json")), ids=lambda path: path.name)
def test_a_file_is_as_it_is_written(path: Path) -> None:
    text = path.read_text("utf-8")
    catalogue = json.loads(text)
    if catalogue["schema_version"] != FORMAT or "origin" not in catalogue:
        return
    assert render(catalogue) == text
    assert not any("doc" in entry for entry in catalogue["parameters"]), "its sentences are the engine's, not ours"
    statuses = {entry["status"] for entry in catalogue["parameters"]}
    assert statuses == {"transcribed" if catalogue["origin"]["kind"] == "transcribed" else "extracted"}


def test_it_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vllm", "--wheel", str(tmp_path / "vllm-1-py3-none-any.whl")]) == 2
    assert "no such wheel" in capsys.readouterr().err
    assert main(["vllm", "--source", str(tmp_path)]) == 2
    assert "--version" in capsys.readouterr().err
    assert main(["tensorrt", "--installed"]) == 2
    assert "is not installed here" in capsys.readouterr().err
