"""The TensorRT-LLM adapter against transcribed shapes of 1.2.1, through the whole conversation."""

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conversing import HERE, Worker
from lem_worker.engines.base import Settings, Submission
from lem_worker.engines.tensorrt import arguments, engine
from lem_worker.engines.tensorrt.engine import TensorrtEngine, _logprob
from lem_worker.fault import Fault
from lem_worker.requests import DummyModel, RandomModel
from shapes import CATALOGUES, Shapes, catalogue

SHAPES = Shapes("tensorrt-1.2.1")
ENGINE_FIELDS = SHAPES.fields("TorchLlmArgs")
SAMPLING_FIELDS = SHAPES.fields("SamplingParams")


@pytest.fixture
def tensorrt(tmp_path: Path) -> Iterator[Worker]:
    one = Worker(tmp_path, HERE / "tensorrt_worker.py", "tensorrt")
    config = {"vocab_size": 100, "eos_token_id": [2, 3], "max_position_embeddings": 64}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    yield one
    one.process.kill()
    one.process.wait()


def work(worker: Worker, arrival: dict[str, Any], prompts: list[dict[str, Any]], **parameters: Any) -> dict[str, Any]:
    return {"workload": worker.workload(prompts), "arrival": arrival, "parameters": parameters}


def measure(worker: Worker, asked: dict[str, Any]) -> dict[str, Any]:
    worker.send("measure", "a", work=asked, measure={"min_seconds": 0.0, "min_requests": 4})
    worker.until("ready")
    worker.send("go", "a")
    end = worker.end()
    assert end["type"] == "done", end
    return worker.record("a")


def test_a_campaign_runs_through_the_adapter(tensorrt: Worker) -> None:
    asked: dict[str, Any] = {
        "dtype": "auto",
        "max_batch_size": 8,
        "kv_cache_config.enable_block_reuse": False,
        "kv_cache_config.free_gpu_memory_fraction": 0.8,
        "torch_compile_config.enable_inductor": None,
    }
    loaded = tensorrt.load(**asked)["outcome"]
    assert loaded["effective"] == asked
    assert loaded["vocab_size"] == 100
    prompts = [{"input_ids": [1, 2, 3], "output_tokens": 6}]
    record = measure(tensorrt, work(tensorrt, {"kind": "closed_loop", "concurrency": 3}, prompts, temperature=0.0))
    assert record["token_timing"] == "measured"
    for request in record["requests"]:
        assert request["output_tokens"] == 6
        # Told with the last token, and true all the same.
        assert request["queued_ns"] < request["prefill_ns"] < request["first_token_ns"]
    assert len(record["unfinished"]) <= 3
    tensorrt.send("shutdown")
    tensorrt.until("done")
    assert tensorrt.wait() == 0
    assert "tensorrt stub: shut down" in tensorrt.log()


def test_a_window_between_two_waits_loses_no_token(tensorrt: Worker) -> None:
    tensorrt.load()
    asked = work(tensorrt, {"kind": "batch"}, [{"input_ids": [1], "output_tokens": 20}], batch_size=3)
    record = measure(tensorrt, asked)
    assert [request["output_tokens"] for request in record["requests"]] == [20] * 6


def test_natural_outputs_and_the_prefix_cache(tensorrt: Worker) -> None:
    tensorrt.load(**{"kv_cache_config.enable_block_reuse": True})
    prompts = [{"input_ids": [1, 2, 3], "output_tokens": 9, "natural": True}]
    record = measure(tensorrt, work(tensorrt, {"kind": "batch"}, prompts, batch_size=2))
    assert [request["output_tokens"] for request in record["requests"]] == [3] * 4
    assert all(request["ended_early"] for request in record["requests"])
    assert all(request["cached_tokens"] == 2 for request in record["requests"])


def test_what_it_does_not_take_is_a_bad_parameter(tensorrt: Worker) -> None:
    end = tensorrt.load(kv_cache_dtype="fp8")
    assert (end["code"], "no engine argument `kv_cache_dtype`" in end["message"]) == ("bad_parameter", True)


def test_sampling_that_it_does_not_take_is_a_bad_parameter(tensorrt: Worker) -> None:
    tensorrt.load()
    for name, value in (("beam_width", 2), ("n", 2), ("max_tokens", 7)):
        asked = work(tensorrt, {"kind": "batch"}, [{"input_ids": [1], "output_tokens": 2}], **{name: value})
        tensorrt.send("warmup", **asked)
        assert tensorrt.end()["code"] == "bad_parameter"


def test_a_cancelled_window_leaves_the_engine_fit(tensorrt: Worker) -> None:
    tensorrt.load()
    asked = work(tensorrt, {"kind": "closed_loop", "concurrency": 4}, [{"input_ids": [1], "output_tokens": 50}])
    tensorrt.send("measure", "b", work=asked, measure={"min_seconds": 900.0, "min_requests": 4})
    tensorrt.until("ready")
    tensorrt.send("go", "b")
    tensorrt.until("mark")
    tensorrt.send("cancel", "b")
    assert tensorrt.end()["code"] == "cancelled"
    measure(tensorrt, asked)


class Deaf:
    """A request that no abort reaches."""

    finished = False

    def __aiter__(self) -> "Deaf":
        return self

    async def __anext__(self) -> None:
        await asyncio.Event().wait()

    async def aresult(self) -> None:
        await asyncio.Event().wait()

    def abort(self) -> None:
        pass


def test_an_engine_that_keeps_aborted_requests_is_not_idle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine, "ABORT_SECONDS", 0.05)
    monkeypatch.setattr(TensorrtEngine, "_ask", lambda *_, **__: Deaf())
    one = TensorrtEngine(tmp_path)
    one.submit([Submission(place, [1], 9) for place in range(2)], Settings({}, 2, {}))
    assert one.advance(0.0) == []
    with pytest.raises(Fault, match="2 of 2 aborted requests"):
        one.abort()
    one.close()


def test_keywords_are_those_of_the_pinned_version(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"eos_token_id": 7}')
    found = arguments.engine({}, DummyModel("0"), tmp_path, ENGINE_FIELDS)
    assert set(found) <= set(ENGINE_FIELDS)
    assert set(arguments.REASONS) <= set(ENGINE_FIELDS)
    said = arguments.of_request(arguments.sampling({}, SAMPLING_FIELDS), 3, True, arguments.end_id(tmp_path))
    assert (said["end_id"], said["pad_id"], said["ignore_eos"]) == (7, 7, False)
    known = {*arguments.BY_WORKLOAD, *arguments.BY_WORKER, *arguments.for_assessment(), *said}
    assert known <= set(SAMPLING_FIELDS)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert arguments.end_id(tmp_path) is None
    assert set(arguments.engine({}, RandomModel(1), tmp_path, ENGINE_FIELDS)) == {"model", "return_perf_metrics"}


def test_log_probabilities_come_in_two_forms() -> None:
    likeliest = {5: Logprob(-0.5)}
    assert _logprob(likeliest, 5) == -0.5
    assert _logprob(likeliest, 6) is None
    assert _logprob(-0.25, 5) == -0.25
    assert _logprob(-math.inf, 5) is None


class Logprob:
    """As the runtime gives them."""

    def __init__(self, logprob: float) -> None:
        self.logprob = logprob


def test_the_transcribed_shapes_are_those_of_the_catalogue() -> None:
    transcribed = catalogue("tensorrt")
    if transcribed is None:
        pytest.skip("there is no catalogue of TensorRT-LLM yet")
    flat = [one for one in transcribed if "." not in one["name"]]
    assert {one["member"] for one in flat if one["level"] == "engine"} == set(ENGINE_FIELDS)
    assert {one["member"] for one in flat if one["level"] == "request"} == set(SAMPLING_FIELDS)


def test_every_curated_parameter_has_its_keyword(tmp_path: Path) -> None:
    path = next(CATALOGUES.glob("tensorrt-1.2.1.curated.json"), None)
    curated = [] if path is None else json.loads(path.read_text())["parameters"]
    for one in curated:
        if one["level"] == "engine":
            assert arguments.engine({one["name"]: 1}, RandomModel(1), tmp_path, ENGINE_FIELDS)
        elif one["from"] != "worker":
            assert arguments.sampling({one["name"]: 1}, SAMPLING_FIELDS)
