"""What the worker sees of the machine: GPUs, processes, streams, files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lem_worker import gpus, outbox
from lem_worker.children import children
from lem_worker.engines import shape
from lem_worker.engines.plain import plain
from lem_worker.fault import Code, Fault
from lem_worker.tokens import ids_digest

INFORMATION = """Model: \t\t NVIDIA H100 80GB HBM3
IRQ:   \t\t 45
GPU UUID: \t {uuid}
Bus Location: \t 0000:19:00.0
Device Minor: \t {minor}
GPU Excluded:\t No
"""


def test_gpus_are_those_whose_device_node_is_here(tmp_path: Path) -> None:
    for place, (uuid, minor) in enumerate([("GPU-aa", 1), ("GPU-bb", 0), ("GPU-cc", 2)]):
        folder = tmp_path / "proc" / f"0000:{place}"
        folder.mkdir(parents=True)
        (folder / "information").write_text(INFORMATION.format(uuid=uuid, minor=minor))
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / "dev" / name).touch()
    assert gpus.by_driver_files(tmp_path / "proc", tmp_path / "dev") == ["GPU-bb", "GPU-aa"]
    assert gpus.by_driver_files(tmp_path / "none", tmp_path / "dev") == []


def test_gpus_come_in_the_order_in_which_they_were_given() -> None:
    assert gpus.in_order(["a", "b"], "b,a") == ["b", "a"]
    for given in ("", "all", "0,1", "b", "b,a,c"):
        assert gpus.in_order(["a", "b"], given) == ["a", "b"]


def test_children_of_children_are_found() -> None:
    program = "import subprocess,sys; p=subprocess.Popen(['sleep','60']); print(p.pid,flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        assert {process.pid, grandchild} <= set(children(os.getpid()))
        assert children(process.pid) == [grandchild]
        os.kill(grandchild, 9)
        process.wait()


def test_a_file_in_the_outbox_is_whole_or_not_there(tmp_path: Path) -> None:
    written = outbox.write(tmp_path, "a", "record.json", {"x": 1}, 100)
    assert (tmp_path / "a" / "record.json").read_bytes() == b'{"x":1}'
    assert written.bytes == 7
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["record.json"]
    for value in ({"x": "y" * 100}, {"x": float("nan")}):
        with pytest.raises(Fault) as refused:
            outbox.write(tmp_path, "b", "record.json", value, 100)
        assert refused.value.code is Code.RECORD_FAILED
    assert not (tmp_path / "b").exists()
    (tmp_path / "c").write_text("in the way")
    with pytest.raises(Fault, match="writing"):
        outbox.write(tmp_path, "c", "record.json", {}, 100)


def test_prompts_have_one_digest() -> None:
    # printf '[1,2]\n[3]\n' | sha256sum
    assert ids_digest([[1, 2], (3,)]) == "e07e3553759b5a8dd5157f9b9f3b39a2013227da2263c1abe559f1d8b573ef2e"


@pytest.mark.parametrize(
    ("model", "used"),
    [
        ({}, None),
        ({"num_local_experts": 8, "num_experts_per_tok": 2}, 10 + 20),
        ({"text_config": {"n_routed_experts": 8, "num_experts_per_tok": 4}}, 10 + 40),
        ({"num_experts": 8, "num_experts_per_tok": 8}, None),
    ],
)
def test_weights_that_one_token_uses(model: dict[str, Any], used: int | None) -> None:
    sizes = {"embed": 6, "layers.0.mlp.experts.w": 80, "layers.0.mlp.shared_experts.experts.w": 0, "norm": 4}
    assert shape.active(sizes, model) == used


def test_weights_are_counted_from_files_where_nothing_builds(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {}, "a": {"shape": [2, 3]}, "b": {"shape": []}}).encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (tmp_path / "torn.safetensors").write_bytes(b"\x01")
    assert shape._by_files(tmp_path) == {"a": 6, "b": 1}


def test_values_are_spelt_as_they_were_asked_for() -> None:
    import dataclasses
    import enum

    class Mode(enum.IntEnum):
        NONE = 0
        COMPILE = 3

    class Graphs(enum.Enum):
        NONE = 0
        BOTH = (2, 1)

    class Backend(enum.Enum):
        FLASH = "a.b.Flash"

    class Text(enum.StrEnum):
        AUTO = "auto"

    @dataclasses.dataclass
    class Config:
        size: int = 1
        _own: int = 2

    cases: list[tuple[Any, Any, Any]] = [
        (Mode.COMPILE, 3, 3),
        (Mode.COMPILE, "COMPILE", "COMPILE"),
        (Mode.COMPILE, None, 3),
        (Graphs.BOTH, "BOTH", "BOTH"),
        (Graphs.BOTH, None, "BOTH"),
        (Graphs.NONE, None, "NONE"),
        (Backend.FLASH, "FLASH", "FLASH"),
        (Backend.FLASH, None, "FLASH"),
        (Text.AUTO, None, "auto"),
        (0.0, 0, 0),
        (1, 1.0, 1.0),
        (True, 1, True),
        (float("inf"), None, "inf"),
        ({"b", "a"}, None, ["a", "b"]),
        (Config(), None, {"size": 1}),
        ((1, None), None, [1, None]),
        (Path("/x"), None, "/x"),
    ]
    for value, asked, said in cases:
        found = plain(value, asked)
        assert (found, type(found)) == (said, type(said)), (value, asked)
        json.dumps(found, allow_nan=False)
