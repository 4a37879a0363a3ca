"""The conversation through real pipes, with an engine that only counts."""

import hashlib
from typing import Any

import pytest

from conversing import Worker
from lem_worker.hello import PACKAGES
from lem_worker.post import PROGRESS_PAUSE_NS

BATCH = {"kind": "batch"}


def prompts(count: int = 3, output: int = 4) -> list[dict[str, Any]]:
    return [{"input_ids": [1, 2, place], "output_tokens": output} for place in range(count)]


def work(worker: Worker, arrival: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    digest = worker.workload(rest.pop("prompts", prompts()), **rest.pop("file", {}))
    return {"workload": digest, "arrival": arrival or BATCH, "parameters": {"batch_size": 2, **rest}}


def measured(worker: Worker, asked: dict[str, Any], attempt: str = "e.c1.a1", **until: Any) -> dict[str, Any]:
    minima = {"min_seconds": 0.0, "min_requests": 3, **until}
    worker.send("measure", attempt, work=asked, measure=minima)
    ready = worker.event()
    assert ready == {"id": worker.id, "attempt": attempt, "event": {"type": "ready"}}
    worker.send("go", attempt)
    end = worker.end()
    assert end["type"] == "done", end
    record = worker.record(attempt)
    data = (worker.folder / "outbox" / attempt / "record.json").read_bytes()
    outcome = {"of": "measure", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert end["outcome"] == outcome
    return record


def marks(record: dict[str, Any]) -> tuple[int, int]:
    names = {mark["name"]: mark["monotonic_ns"] for mark in record["marks"]}
    assert len(names) == len(record["marks"])
    return names["measure_start"], names["measure_end"]


def test_a_worker_says_who_it_is_and_prints_nothing_else(worker: Worker) -> None:
    worker.send("hello")
    hello = worker.end()["outcome"]
    assert (hello["protocol_version"], hello["backend"], hello["device"]) == (2, "fake", "cpu")
    assert set(hello["packages"]) <= set(PACKAGES)
    assert worker.load(mode="well")["outcome"]["model_parameters"] == 7
    worker.send("ping")
    assert worker.end()["outcome"]["of"] == "ping"
    worker.send("shutdown")
    assert worker.end()["outcome"] == {"of": "shutdown"}
    assert worker.wait() == 0
    assert "an engine that prints to stdout\nand once more" in worker.log().replace("\n\n", "\n")
    assert worker.log().rstrip().endswith("closed")


def test_batches_come_together_and_the_window_ends_at_a_whole_one(worker: Worker) -> None:
    worker.load()
    asked = work(worker, prompts=prompts(3, 4))
    worker.send("warmup", **asked)
    assert worker.end()["outcome"]["output_tokens"] == 8
    record = measured(worker, asked)
    start, end = marks(record)
    # Three were asked for: two batches of two.
    assert [request["prompt"] for request in record["requests"]] == [0, 1, 2, 0]
    assert record["unfinished"] == []
    queued = [request["queued_ns"] for request in record["requests"]]
    assert queued[0] == queued[1] < queued[2] == queued[3]
    last = 0
    for request in record["requests"]:
        assert len(request["token_gaps_ns"]) == request["output_tokens"] - 1 == 3
        assert start <= request["queued_ns"] <= request["prefill_ns"] <= request["first_token_ns"]
        last = max(last, request["first_token_ns"] + sum(request["token_gaps_ns"]))
        assert request["cached_tokens"] == 1
        assert "chunk_tokens" not in request
    assert last == end
    assert record["token_timing"] == "measured"
    assert record["requested"] == {"batch_size": 2}
    assert record["effective"] == {"mode": "well", "chunk": 1, "step_ms": 0, "batch_size": 2, "temperature": 0.0}
    assert record["weights"] == "random"


def test_a_record_says_when_the_warm_up_before_it_began_and_ended(worker: Worker) -> None:
    worker.load()
    asked = work(worker, prompts=prompts(3, 4))
    sent: list[int] = []
    for _ in range(3):
        worker.send("warmup", **asked)
        sent += [worker.until("mark")[0]["monotonic_ns"], worker.until("mark")[0]["monotonic_ns"]]
        assert worker.end()["outcome"]["of"] == "warmup"
    found = [(mark["name"], mark["monotonic_ns"]) for mark in measured(worker, asked)["marks"]]
    # Of three iterations the first beginning and the last end.
    assert found[:2] == [("warmup_start", sent[0]), ("warmup_end", sent[-1])]
    assert sent == sorted(sent)
    assert sent[-1] <= found[2][1]
    # The next window had none.
    again = measured(worker, asked, attempt="again")
    assert [mark["name"] for mark in again["marks"]] == ["measure_start", "measure_end"]


def test_a_refused_window_takes_its_warm_up_with_it(worker: Worker) -> None:
    worker.load()
    asked = work(worker)
    unknown = {**asked, "parameters": {"top_k": 3}}
    worker.send("warmup", **asked)
    worker.end()
    worker.send("measure", "a", work=unknown, measure={"min_seconds": 0.0, "min_requests": 1})
    assert worker.end()["code"] == "bad_parameter"
    assert [mark["name"] for mark in measured(worker, asked)["marks"]] == ["measure_start", "measure_end"]


def test_a_refused_warm_up_takes_those_before_it_with_it(worker: Worker) -> None:
    worker.load()
    asked = work(worker)
    worker.send("warmup", **asked)
    worker.end()
    worker.send("warmup", **{**asked, "parameters": {"top_k": 3}})
    assert worker.end()["code"] == "bad_parameter"
    assert [mark["name"] for mark in measured(worker, asked)["marks"]] == ["measure_start", "measure_end"]


def test_a_closed_loop_leaves_what_is_in_flight_unfinished(worker: Worker) -> None:
    worker.load(step_ms=1)
    lengths = [{"input_ids": [1, 2], "output_tokens": 3 if place % 2 else 9} for place in range(4)]
    asked = work(worker, {"kind": "closed_loop", "concurrency": 3}, prompts=lengths)
    record = measured(worker, asked, min_requests=4)
    start, end = marks(record)
    assert len(record["requests"]) == 4
    # Three are in flight at any time; those that finished in the last step are no more.
    assert len(record["unfinished"]) in (1, 2)
    started = [one["prompt"] for one in [*record["requests"], *record["unfinished"]]]
    assert sorted(started) == sorted(place % 4 for place in range(len(started)))
    for one in record["unfinished"]:
        made = 0 if one["first_token_ns"] is None else len(one["token_gaps_ns"]) + 1
        assert made < lengths[one["prompt"]]["output_tokens"]
        assert start <= one["queued_ns"] <= end
        assert one["first_token_ns"] is None or one["first_token_ns"] + sum(one["token_gaps_ns"]) <= end


def test_an_open_loop_keeps_to_its_schedule(worker: Worker) -> None:
    worker.load()
    arrivals = [0, 20_000_000, 20_000_000, 60_000_000, 90_000_000]
    asked = work(worker, {"kind": "open_loop", "drain_seconds": 5}, file={"arrivals_ns": arrivals})
    record = measured(worker, asked, min_requests=5)
    start, _ = marks(record)
    assert [one["due_ns"] for one in record["requests"]] == [start + at for at in arrivals]
    assert all(one["queued_ns"] >= one["due_ns"] for one in record["requests"])
    assert [one["prompt"] for one in record["requests"]] == [0, 1, 2, 0, 1]


def test_an_open_loop_gives_up_after_the_drain(worker: Worker) -> None:
    worker.load(mode="hangs")
    asked = work(worker, {"kind": "open_loop", "drain_seconds": 0}, file={"arrivals_ns": [0, 0, 500_000_000]})
    record = measured(worker, asked, min_requests=0)
    assert len(record["unfinished"]) == 3
    assert {one["first_token_ns"] is None for one in record["unfinished"]} == {True, False}


def test_chunks_are_told_and_gaps_within_them_estimated(worker: Worker) -> None:
    worker.load(chunk=4, step_ms=2)
    record = measured(worker, work(worker, prompts=prompts(2, 10)))
    assert record["token_timing"] == "estimated"
    for request in record["requests"]:
        assert request["chunk_tokens"] == [1, 4, 4, 1]
        gaps = request["token_gaps_ns"]
        assert len(gaps) == 9
        assert max(gaps[0:4]) - min(gaps[0:4]) <= 1


def test_a_natural_output_may_end_early(worker: Worker) -> None:
    worker.load()
    natural = [{"input_ids": [1], "output_tokens": 9, "natural": True}, {"input_ids": [1], "output_tokens": 4}]
    record = measured(worker, work(worker, prompts=natural), min_requests=2)
    first, second = record["requests"]
    assert (first["output_tokens"], first["ended_early"]) == (2, True)
    assert second["output_tokens"] == 4
    assert "ended_early" not in second


def test_a_request_of_the_wrong_length_is_not_recorded(worker: Worker) -> None:
    worker.load(mode="short")
    worker.send("warmup", **work(worker))
    end = worker.end()
    assert (end["code"], "3 of 4 output tokens" in end["message"]) == ("engine_failed", True)


def test_a_cancel_is_honoured_and_the_worker_lives_on(worker: Worker) -> None:
    worker.load(step_ms=5)
    asked = work(worker)
    forever = {"min_seconds": 1000.0, "min_requests": 0}
    worker.send("measure", "a", work=asked, measure=forever)
    worker.until("ready")
    # One for another attempt comes late.
    worker.send("cancel", "b")
    worker.send("go", "a")
    worker.until("mark")
    worker.send("ping")
    worker.until("done")
    worker.send("warmup", **asked)
    busy = worker.end()
    assert busy["code"] == "busy"
    worker.send("cancel", "a")
    assert worker.end()["code"] == "cancelled"
    assert not (worker.folder / "outbox" / "a").exists()
    measured(worker, asked)


def test_a_cancel_before_go_and_while_loading(worker: Worker) -> None:
    worker.send("load", parameters={"mode": "slow_load"}, model={"source": "random", "seed": 1}, gpus=[])
    worker.until("mark")
    worker.send("cancel")
    assert worker.end()["code"] == "cancelled"
    assert worker.load()["code"] == "not_loaded"


def test_progress_is_told_but_not_too_often(worker: Worker) -> None:
    worker.load(step_ms=1)
    worker.send("measure", "a", work=work(worker), measure={"min_seconds": 0.5, "min_requests": 1})
    worker.until("ready")
    worker.send("go", "a")
    _, before = worker.until("done")
    told = [line["event"]["completed_requests"] for line in before if line["event"]["type"] == "progress"]
    start, end = marks(worker.record("a"))
    assert 2 <= len(told) <= (end - start) // PROGRESS_PAUSE_NS + 1
    assert told == sorted(told)


def test_shutdown_stops_what_runs(worker: Worker) -> None:
    worker.load(step_ms=5)
    worker.send("measure", "a", work=work(worker), measure={"min_seconds": 1000.0, "min_requests": 0})
    worker.until("ready")
    worker.send("go", "a")
    worker.send("shutdown")
    assert worker.end()["code"] == "cancelled"
    assert worker.end()["outcome"]["of"] == "shutdown"
    assert worker.wait() == 0


def test_the_end_of_stdin_ends_the_worker(worker: Worker) -> None:
    worker.load()
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    assert worker.wait() == 0


def test_an_engine_that_dies_ends_the_worker(worker: Worker) -> None:
    worker.load(mode="dies")
    worker.send("measure", "a", work=work(worker), measure={"min_seconds": 1.0, "min_requests": 0})
    worker.until("ready")
    worker.send("go", "a")
    end = worker.end()
    assert end["code"] == "engine_died"
    assert end["hint"]
    assert worker.wait() == 1


@pytest.mark.parametrize(
    ("parameters", "code"),
    [({"mode": "no_memory"}, "out_of_memory"), ({"mode": "core_failed"}, "out_of_memory"), ({"x": 1}, "bad_parameter")],
)
def test_a_load_that_fails_has_a_code_and_a_hint(worker: Worker, parameters: dict[str, Any], code: str) -> None:
    end = worker.load(**parameters)
    assert (end["type"], end["code"]) == ("error", code)
    assert "\n" not in end["message"]
    assert end["hint"]
    worker.send("warmup", **work(worker))
    assert worker.end()["code"] == "not_loaded"
    worker.send("shutdown")
    worker.until("done")
    assert worker.wait() == 0


def test_work_before_load_and_a_second_load_are_refused(worker: Worker) -> None:
    worker.send("warmup", **work(worker))
    assert worker.end()["code"] == "not_loaded"
    worker.load()
    assert worker.load()["code"] == "already_loaded"


def test_a_gpu_that_is_not_there_is_refused_before_loading(worker: Worker) -> None:
    worker.send("load", parameters={}, model={"source": "random", "seed": 1}, gpus=["GPU-1"])
    assert worker.end()["code"] == "gpu_unavailable"
    assert worker.load()["type"] == "done"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"id":7,"request":{"type":"sing"}}\n', 7),
        (b'{"id":7,"request":{"type":"ping","x":1}}\n', 7),
        (b'{"id":7,"request":{"type":"ping"},"y":1}\n', 7),
        (b'{"id":true,"request":{"type":"ping"}}\n', 0),
        (b'{"id":-7}\n', 0),
        (b"{\n", 0),
        (b"\xff\n", 0),
        (b"[" * 100_000 + b"\n", 0),
        (b"x" * 1_000_000 + b"\n", 0),
    ],
)
def test_bad_lines_are_refused_and_the_next_one_is_heard(worker: Worker, line: bytes, found: int) -> None:
    worker.write(line)
    refused = worker.event()
    assert (refused["id"], refused["event"]["code"]) == (found, "bad_request")
    worker.send("ping")
    assert worker.end()["outcome"]["of"] == "ping"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"prompts": [{"input_ids": [100], "output_tokens": 1}]}, "workload_invalid"),
        ({"prompts": [{"input_ids": [1], "output_tokens": 64}]}, "context_exceeded"),
        ({"prompts": [{"input_ids": [1], "output_tokens": 0}]}, "workload_invalid"),
        ({"prompts": []}, "workload_invalid"),
        ({"prompts": [{"input_ids": [1], "text": "x", "output_tokens": 1}]}, "workload_invalid"),
        ({"prompts": [{"text": "x", "output_tokens": 1}]}, "model_unavailable"),
        ({"file": {"arrivals_ns": [2, 1]}}, "workload_invalid"),
        ({"top_k": 3}, "bad_parameter"),
        ({"arrival": {"kind": "closed_loop", "concurrency": 0}}, "bad_parameter"),
        ({"arrival": {"kind": "open_loop", "drain_seconds": 1}}, "workload_invalid"),
    ],
)
def test_work_that_does_not_fit_is_refused_before_ready(worker: Worker, change: dict[str, Any], code: str) -> None:
    worker.load()
    worker.send("measure", "a", work=work(worker, **change), measure={"min_seconds": 0.0, "min_requests": 1})
    assert worker.end()["code"] == code


def test_a_workload_is_what_its_name_says(worker: Worker) -> None:
    worker.load()
    asked = work(worker)
    path = worker.folder / "workloads" / f"{asked['workload']}.json"
    path.write_bytes(path.read_bytes() + b" ")
    worker.send("warmup", **asked)
    assert worker.end()["code"] == "workload_mismatch"
    for name, code in (("0" * 64, "workload_missing"), ("../../x", "bad_request")):
        worker.send("warmup", **{**asked, "workload": name})
        assert worker.end()["code"] == code


@pytest.mark.parametrize("attempt", [None, "../x", ".x", "", "a/b"])
def test_an_attempt_is_a_name(worker: Worker, attempt: str | None) -> None:
    worker.load()
    worker.send("measure", attempt, work=work(worker), measure={"min_seconds": 0.0, "min_requests": 1})
    assert worker.end()["code"] == "bad_request"


def test_prompts_are_assessed_and_profiled(worker: Worker) -> None:
    worker.load()
    worker.send("assess", "a", workload=work(worker)["workload"])
    assert worker.end()["outcome"]["of"] == "assess"
    record = worker.record("a", "quality.json")
    assert record["outputs"][0] == {
        "input_ids": [1, 2, 0],
        "input_logprobs": [-0.5, -0.5],
        "output_ids": [1] * 4,
        "output_logprobs": [None] * 4,
    }
    worker.send("measure", "a", work=work(worker), measure={"min_seconds": 0.0, "min_requests": 1}, profile=True)
    worker.until("ready")
    worker.send("go", "a")
    worker.until("done")
    assert worker.record("a")["profile"]["profiler"] == "fake 1"
