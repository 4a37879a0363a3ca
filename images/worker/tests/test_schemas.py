"""The worker's own types against the schemas that are generated from lemctl's."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lem_worker import answers, requests
from lem_worker.strict import Refused, decode, encode

SCHEMAS = Path(__file__).parents[3] / "schemas"
ARRIVALS: list[dict[str, Any]] = [
    {"kind": "batch"},
    {"kind": "closed_loop", "concurrency": 8},
    {"kind": "open_loop", "drain_seconds": 9},
]
MODELS: list[dict[str, Any]] = [
    {"source": "random", "seed": 2**64 - 1},
    {"source": "random", "seed": 1, "config": "aa"},
    {"source": "dummy", "config": "aa"},
    {"source": "local", "name": "x", "config": "aa", "weights": "real"},
    {"source": "hub", "id": "a/b", "revision": "main"},
]
WORK: dict[str, Any] = {"workload": "aa", "arrival": ARRIVALS[1], "parameters": {"temperature": 0.5, "x": [None, {}]}}
REQUESTS: list[dict[str, Any]] = [
    {"type": "hello"},
    *({"type": "load", "parameters": {"a": 1}, "model": model, "gpus": ["GPU-1"]} for model in MODELS),
    *({"type": "warmup", **WORK, "arrival": arrival} for arrival in ARRIVALS),
    {"type": "measure", "work": WORK, "measure": {"min_seconds": 1.5, "min_requests": 3}},
    {"type": "measure", "work": WORK, "measure": {"min_seconds": 1.5, "min_requests": 3}, "profile": True},
    {"type": "assess", "workload": "aa"},
    {"type": "go"},
    {"type": "ping"},
    {"type": "cancel"},
    {"type": "shutdown"},
]


def schema(name: str) -> jsonschema.protocols.Validator:
    found = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: str(one["type"]))
@pytest.mark.parametrize("attempt", [None, "e.c1.a1"])
def test_requests_are_read_as_the_schema_has_them(request_: dict[str, Any], attempt: str | None) -> None:
    line: dict[str, Any] = {"id": 7, "request": request_}
    if attempt is not None:
        line["attempt"] = attempt
    schema("protocol-request").validate(line)
    assert encode(decode(requests.RequestLine, line)) == line


def test_every_request_of_the_schema_is_known() -> None:
    found = json.loads((SCHEMAS / "protocol-request.schema.json").read_text())
    variants = found["$defs"]["Request"]["oneOf"]
    kinds = {variant["properties"]["type"]["const"] for variant in variants}
    assert kinds == {kind.TAG[1] for kind in requests.Request.__args__}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"id": 1, "request": {"type": "ping", "x": 1}}, "unknown field 'x'"),
        ({"id": 1, "request": {"type": "ping"}, "x": 1}, "unknown field 'x'"),
        ({"id": -1, "request": {"type": "ping"}}, "id: -1 is not from 0"),
        ({"id": True, "request": {"type": "ping"}}, "id: expected int"),
        ({"request": {"type": "ping"}}, "id is missing"),
        ({"id": 1, "request": {"type": "assess"}}, "workload is missing"),
        ({"id": 1, "request": {"type": "warmup", **WORK, "arrival": {"kind": "batch", "x": 1}}}, "unknown field 'x'"),
        ({"id": 1, "request": {"type": "warmup", **WORK, "arrival": {"kind": "flood"}}}, "expected one of batch"),
        ({"id": 1, "request": {"type": "load", "parameters": {}, "model": MODELS[0], "gpus": [1]}}, "gpus[0]"),
    ],
)
def test_what_the_schema_does_not_have_is_refused(line: dict[str, Any], words: str) -> None:
    assert not schema("protocol-request").is_valid(line)
    with pytest.raises(Refused) as refused:
        decode(requests.RequestLine, line)
    assert words in str(refused.value)


MARK = answers.Mark("load_start", 5)
OUTCOMES: list[answers.Outcome] = [
    answers.HelloOutcome(2, "vllm", "0.26.0", {"torch": "2.11"}, ["GPU-1"], "cuda", 9),
    answers.LoadOutcome({"dtype": "bfloat16"}, 8, [MARK]),
    answers.LoadOutcome({}, 8, [MARK, answers.Mark("load_end", 6)], 100, 4),
    answers.WarmupOutcome(3, 4),
    answers.MeasureOutcome(3, "aa"),
    answers.AssessOutcome(3, "aa"),
    answers.PingOutcome(3),
    answers.ShutdownOutcome(),
]
EVENTS: list[answers.Event] = [
    answers.Ready(),
    answers.MarkEvent("measure_end", 2**63),
    answers.Progress(4),
    answers.Error("out_of_memory", "No."),
    answers.Error("out_of_memory", "No.", "Buy more."),
    *(answers.Done(outcome) for outcome in OUTCOMES),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: type(getattr(one, "outcome", one)).__name__)
def test_events_are_written_as_the_schema_has_them(event: answers.Event) -> None:
    line = encode(answers.EventLine(1, event, "a"))
    schema("protocol-event").validate(line)
    assert decode(answers.EventLine, line) == answers.EventLine(1, event, "a")


def record() -> answers.Record:
    return answers.Record(
        schema_version=answers.RECORD_SCHEMA_VERSION,
        attempt="a",
        backend="vllm",
        backend_version="0.26.0",
        device="cuda",
        weights="dummy",
        requested={"x": 1},
        effective={"x": None},
        workload="aa",
        arrival=requests.ClosedLoopArrival(3),
        marks=[answers.Mark("measure_start", 1), answers.Mark("measure_end", 9)],
        token_timing="estimated",
        requests=[
            answers.RequestRecord(0, 3, 3, 1, 2, 3, [1, 2]),
            answers.RequestRecord(0, 3, 3, 1, 2, 3, [1, 2], 1, 2, [1, 2], True),
        ],
        unfinished=[
            answers.UnfinishedRequest(0, 3, 1, None, None, []),
            answers.UnfinishedRequest(0, 3, 1, 2, 3, [1], 1),
        ],
        tokens_sha256="aa",
        chat_template_sha256="bb",
        profile=answers.Profile("torch 2", None, 1, 2, 3),
    )


def test_records_are_written_as_the_schema_has_them() -> None:
    value = encode(record())
    schema("record").validate(value)
    assert decode(answers.Record, value) == record()
    plain = encode(answers.RequestRecord(0, 3, 3, 1, 2, 3, [1, 2]))
    assert set(plain) == {
        "prompt",
        "input_tokens",
        "output_tokens",
        "queued_ns",
        "prefill_ns",
        "first_token_ns",
        "token_gaps_ns",
    }


def test_quality_records_are_written_as_the_schema_has_them() -> None:
    output = answers.QualityOutput([1, 2], [None], [3], [-0.5])
    value = encode(answers.QualityRecord(answers.QUALITY_SCHEMA_VERSION, "a", "aa", [output]))
    schema("quality").validate(value)


@pytest.mark.parametrize(
    "prompt",
    [
        {"input_ids": [1, 2**32 - 1], "output_tokens": 3},
        {"text": "x", "output_tokens": 3, "natural": True},
        {"messages": [{"role": "user", "content": "x"}], "output_tokens": 3},
    ],
)
def test_workload_files_are_read_as_the_schema_has_them(prompt: dict[str, Any]) -> None:
    value = {"vocab_size": 9, "prompts": [prompt], "arrivals_ns": [1, 2], "chat_template": "t"}
    schema("workload").validate(value)
    assert encode(decode(requests.WorkloadFile, value)) == value
    with pytest.raises(Refused):
        decode(requests.WorkloadFile, {**value, "prompts": [{**prompt, "input_ids": [2**32]}]})
    with pytest.raises(Refused):
        decode(requests.WorkloadFile, {**value, "prompts": [{**prompt, "input_ids": [True]}]})


def test_limits_and_versions_are_those_of_the_protocol() -> None:
    source = (Path(__file__).parents[2] / "protocol" / "src" / "lib.rs").read_text()
    for line in (
        f"pub const PROTOCOL_VERSION: u32 = {requests.PROTOCOL_VERSION};",
        f"pub const RECORD_SCHEMA_VERSION: u32 = {answers.RECORD_SCHEMA_VERSION};",
        f"pub const QUALITY_SCHEMA_VERSION: u32 = {answers.QUALITY_SCHEMA_VERSION};",
        f"pub const MAX_LINE_BYTES: usize = {requests.MAX_LINE_BYTES // 1024} * 1024;",
        f"pub const MAX_RECORD_BYTES: u64 = {requests.MAX_RECORD_BYTES >> 20} * 1024 * 1024;",
        f"pub const MAX_QUALITY_BYTES: u64 = {requests.MAX_QUALITY_BYTES >> 20} * 1024 * 1024;",
        f"pub const MAX_WORKLOAD_BYTES: u64 = {requests.MAX_WORKLOAD_BYTES >> 20} * 1024 * 1024;",
    ):
        assert line in source, line
