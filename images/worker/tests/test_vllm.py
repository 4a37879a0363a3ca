"""The vLLM adapter against the recorded shapes of vLLM 0.26.0, through the whole conversation."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conversing import HERE, Worker
from lem_worker.engines.vllm import arguments, effective
from lem_worker.fault import Fault
from lem_worker.requests import DummyModel, RandomModel
from shapes import CATALOGUES, Shapes, catalogue

SHAPES = Shapes("vllm-0.26.0")
ENGINE_FIELDS = SHAPES.fields("AsyncEngineArgs")
SAMPLING_FIELDS = SHAPES.fields("SamplingParams")
DUMMY: dict[str, Any] = {"source": "dummy", "config": "0" * 64}


@pytest.fixture
def vllm(tmp_path: Path) -> Iterator[Worker]:
    one = Worker(tmp_path, HERE / "vllm_worker.py", "vllm")
    # 3 by 4 weights, of which the header alone is read.
    header = json.dumps({"w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}).encode()
    weights = len(header).to_bytes(8, "little") + header + bytes(48)
    (tmp_path / "model" / "model.safetensors").write_bytes(weights)
    yield one
    one.process.kill()
    one.process.wait()


def load(worker: Worker, **parameters: Any) -> dict[str, Any]:
    worker.send("load", parameters=parameters, model=DUMMY, gpus=[])
    return worker.end()


def measure(worker: Worker, arrival: dict[str, Any], prompts: list[dict[str, Any]], **parameters: Any) -> Any:
    work: dict[str, Any] = {"workload": worker.workload(prompts), "arrival": arrival, "parameters": parameters}
    worker.send("warmup", **work)
    assert worker.end()["type"] == "done"
    worker.send("measure", "a", work=work, measure={"min_seconds": 0.0, "min_requests": 4})
    worker.until("ready")
    worker.send("go", "a")
    end = worker.end()
    assert end["type"] == "done", end
    return worker.record("a")


def test_a_campaign_runs_through_the_adapter(vllm: Worker) -> None:
    asked: dict[str, Any] = {
        "dtype": "auto",
        "max_num_seqs": 8,
        "enable_prefix_caching": False,
        "kv_cache_dtype": "auto",
        "gpu_memory_utilization": 0.5,
        "compilation_config.mode": 3,
        "speculative_config.method": None,
        "attention_backend": None,
        "cpu_offload_gb": 0,
        "block_size": None,
    }
    loaded = load(vllm, **asked)["outcome"]
    # What the engine chose where it was asked to: also what only its workers know.
    chosen = {"dtype": "bfloat16", "block_size": 16, "attention_backend": "FLASH_ATTN"}
    assert loaded["effective"] == {**asked, **chosen}
    assert (loaded["vocab_size"], loaded["model_parameters"]) == (100, 12)
    prompts = [{"input_ids": [1, 2, 3], "output_tokens": 6}]
    record = measure(
        vllm, {"kind": "closed_loop", "concurrency": 3}, prompts, temperature=0.0, top_p=0.9, sampling_seed=None
    )
    assert record["weights"] == "dummy"
    assert record["token_timing"] == "measured"
    # What greedy decoding makes of them is told, and so is a tokenizer that is not there.
    assert {name: record["effective"][name] for name in ("temperature", "top_p")} == {"temperature": 0.0, "top_p": 1.0}
    for request in record["requests"]:
        assert (request["output_tokens"], request["cached_tokens"]) == (6, 1)
        # The core's own time, and neither the wall clock's nor the queue's.
        waited = request["prefill_ns"] - request["queued_ns"]
        assert waited >= 500_000
        assert request["prefill_ns"] <= request["first_token_ns"]
    vllm.send("shutdown")
    vllm.until("done")
    assert vllm.wait() == 0
    assert "vllm stub: shut down" in vllm.log()


def test_an_engine_that_does_not_say_what_it_chose_is_loaded_all_the_same(vllm: Worker) -> None:
    loaded = load(vllm, seed=15, attention_backend=None)["outcome"]
    assert loaded["effective"] == {"seed": 15, "attention_backend": None}
    assert "does not say which attention" in vllm.log()


def test_every_variable_that_is_set_for_the_engine_is_one_of_its_own() -> None:
    root = CATALOGUES.parent
    text = "".join((root / path).read_text() for path in ("compose/vllm.yaml", "images/vllm/Dockerfile"))
    found = set(re.findall(r"\bVLLM_[A-Z_]+", text))
    assert found
    assert found <= set(SHAPES.variables())


def test_batches_have_the_size_that_the_campaign_says(vllm: Worker) -> None:
    load(vllm)
    record = measure(vllm, {"kind": "batch"}, [{"input_ids": [1], "output_tokens": 3}], batch_size=3)
    queued = [request["queued_ns"] for request in record["requests"]]
    assert len(queued) == 6
    assert len(set(queued)) == 2
    assert record["effective"]["batch_size"] == 3


def test_chunks_of_several_tokens_are_told(vllm: Worker) -> None:
    load(vllm, stream_interval=2)
    record = measure(vllm, {"kind": "batch"}, [{"input_ids": [1], "output_tokens": 4}], batch_size=4)
    assert record["token_timing"] == "estimated"
    assert record["requests"][0]["chunk_tokens"] == [1, 2, 1]


def test_natural_outputs_end_where_the_model_ends_them(vllm: Worker) -> None:
    load(vllm)
    prompts = [{"input_ids": [1], "output_tokens": 9, "natural": True}, {"input_ids": [1], "output_tokens": 9}]
    record = measure(vllm, {"kind": "batch"}, prompts, batch_size=4)
    assert [request["output_tokens"] for request in record["requests"]] == [3, 9, 3, 9]
    assert [request.get("ended_early", False) for request in record["requests"]] == [True, False, True, False]


def test_quality_is_assessed_with_log_probabilities(vllm: Worker) -> None:
    load(vllm)
    vllm.send("assess", "a", workload=vllm.workload([{"input_ids": [1, 2, 3], "output_tokens": 2}]))
    assert vllm.end()["outcome"]["of"] == "assess"
    assert vllm.record("a", "quality.json")["outputs"] == [
        {
            "input_ids": [1, 2, 3],
            "input_logprobs": [-0.25, -0.25],
            "output_ids": [5, 5],
            "output_logprobs": [-0.25, -0.25],
        }
    ]


def test_a_core_that_dies_ends_the_worker(vllm: Worker) -> None:
    load(vllm, seed=13)
    work: dict[str, Any] = {
        "workload": vllm.workload([{"input_ids": [1], "output_tokens": 9}]),
        "arrival": {"kind": "closed_loop", "concurrency": 2},
        "parameters": {},
    }
    vllm.send("measure", "a", work=work, measure={"min_seconds": 9.0, "min_requests": 4})
    vllm.until("ready")
    vllm.send("go", "a")
    assert vllm.end()["code"] == "engine_died"
    assert vllm.wait() == 1


def test_an_engine_that_starts_is_not_waited_for(vllm: Worker) -> None:
    vllm.send("load", parameters={"seed": 14}, model=DUMMY, gpus=[])
    vllm.until("mark")
    vllm.send("ping")
    assert vllm.end()["outcome"]["of"] == "ping"
    vllm.send("cancel")
    assert vllm.end()["code"] == "cancelled"
    vllm.send("shutdown")
    assert vllm.end()["outcome"]["of"] == "shutdown"
    assert vllm.wait() == 0


def test_a_cancelled_window_leaves_the_engine_fit(vllm: Worker) -> None:
    load(vllm)
    prompts = [{"input_ids": [1], "output_tokens": 50}]
    work: dict[str, Any] = {
        "workload": vllm.workload(prompts),
        "arrival": {"kind": "closed_loop", "concurrency": 4},
        "parameters": {},
    }
    vllm.send("measure", "b", work=work, measure={"min_seconds": 900.0, "min_requests": 4})
    vllm.until("ready")
    vllm.send("go", "b")
    vllm.until("mark")
    vllm.send("cancel", "b")
    assert vllm.end()["code"] == "cancelled"
    measure(vllm, {"kind": "closed_loop", "concurrency": 4}, prompts)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"max_seq_len_to_capture": 1}, "no engine argument `max_seq_len_to_capture`"),
        ({"gpu_memory_utilization": 1.5}, "less than"),
        ({"model": "x/y"}, "`model` cannot be set"),
        ({"disable_log_stats": True}, "`disable_log_stats` cannot be set"),
        ({"trust_remote_code": True}, "`trust_remote_code` cannot be set"),
    ],
)
def test_what_the_engine_does_not_take_is_a_bad_parameter(vllm: Worker, parameters: dict[str, Any], words: str) -> None:
    end = load(vllm, **parameters)
    assert end["code"] == "bad_parameter"
    assert words in end["message"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"best_of": 2}, "no sampling parameter `best_of`"),
        ({"_eos_token_id": 2}, "no sampling parameter"),
        ({"n": 2}, "`n` is 2"),
        ({"max_tokens": 5}, "`max_tokens` is 5"),
        ({"temperature": 3.0}, "temperature must be in"),
        ({"batch_size": 0}, "`batch_size` is 0"),
    ],
)
def test_what_sampling_does_not_take_is_a_bad_parameter(vllm: Worker, parameters: dict[str, Any], words: str) -> None:
    load(vllm)
    digest = vllm.workload([{"input_ids": [1], "output_tokens": 2}])
    vllm.send("warmup", workload=digest, arrival={"kind": "batch"}, parameters=parameters)
    end = vllm.end()
    assert (end["code"], words in end["message"]) == ("bad_parameter", True), end


def test_keywords_are_those_of_the_pinned_version(tmp_path: Path) -> None:
    everything = {name: 1 for name in ENGINE_FIELDS if name not in arguments.REASONS and name not in arguments.SETS}
    found = arguments.engine(everything, DummyModel("0"), tmp_path, ENGINE_FIELDS)
    assert set(found) <= set(ENGINE_FIELDS)
    assert found["load_format"] == "dummy"
    assert found["skip_tokenizer_init"] is True
    (tmp_path / "tokenizer.json").write_text("{}")
    with_tokenizer = arguments.engine({}, RandomModel(1), tmp_path, ENGINE_FIELDS)
    own = {"model", "tokenizer", "disable_log_stats", "enable_log_requests", "worker_extension_cls"}
    assert set(with_tokenizer) == own
    assert set(arguments.REASONS) <= set(ENGINE_FIELDS)
    known = {
        *arguments.BY_WORKLOAD,
        *arguments.BY_WORKER,
        *arguments.for_assessment(1, False),
        *arguments.of_request({}, 1, True),
    }
    assert known <= set(SAMPLING_FIELDS)


def test_members_of_config_objects_come_together(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "compilation_config.mode": 3,
        "compilation_config.pass_config.fuse_norm_quant": True,
        "speculative_config.method": None,
        "offload_params": ["w"],
    }
    found = arguments.engine(asked, RandomModel(1), tmp_path, ENGINE_FIELDS)
    assert found["compilation_config"] == {"mode": 3, "pass_config": {"fuse_norm_quant": True}}
    assert "speculative_config" not in found
    assert found["offload_params"] == {"w"}
    with pytest.raises(Fault, match="given whole"):
        arguments.engine(
            {"speculative_config": "x", "speculative_config.method": "y"}, RandomModel(1), tmp_path, ENGINE_FIELDS
        )


def test_places_of_effective_values_are_in_the_configuration() -> None:
    kinds = {
        "cache_config": "CacheConfig",
        "scheduler_config": "SchedulerConfig",
        "attention_config": "AttentionConfig",
        "mamba_config": "MambaConfig",
        "offload_config": "OffloadConfig",
        "uva": "UVAOffloadConfig",
        "prefetch": "PrefetchOffloadConfig",
    }
    for name, path in effective.PLACES.items():
        assert name in ENGINE_FIELDS
        holder = "VllmConfig"
        for step in path.split("."):
            assert step in SHAPES.fields(holder), path
            holder = kinds.get(step, holder)
    assert set(effective.HOLDERS) <= set(SHAPES.fields("VllmConfig"))


def test_the_recorded_shapes_are_those_of_the_catalogue() -> None:
    extracted = catalogue("vllm")
    if extracted is None:
        pytest.skip("there is no catalogue of vLLM yet")
    flat = [one for one in extracted if "." not in one["name"]]
    engine = {one["name"] for one in flat if one["level"] == "engine"}
    public = {name for name in ENGINE_FIELDS if not name.startswith("_")}
    assert engine == public
    request = {one["member"] for one in flat if one["level"] == "request"}
    assert request == {name for name in SAMPLING_FIELDS if not name.startswith("_")}


def curated() -> list[dict[str, Any]]:
    path = next(CATALOGUES.glob("vllm-0.26.0.curated.json"), None)
    found: list[dict[str, Any]] = [] if path is None else json.loads(path.read_text())["parameters"]
    return found


def test_every_curated_parameter_has_its_keyword_and_its_place(tmp_path: Path) -> None:
    kinds = {
        "compilation_config": "CompilationConfig",
        "speculative_config": "SpeculativeConfig",
        "attention_config": "AttentionConfig",
        "kernel_config": "KernelConfig",
    }
    holders = {name: HELD[name] for name in effective.HOLDERS}
    for one in curated():
        name = one["name"]
        if one["level"] == "request":
            if one["from"] != "worker":
                assert arguments.sampling({name: 1}, SAMPLING_FIELDS), name
            continue
        assert arguments.engine({name: 1}, RandomModel(1), tmp_path, ENGINE_FIELDS), name
        head, _, member = name.partition(".")
        if member:
            assert member in SHAPES.fields(kinds[head]), name
        else:
            found = any(name in SHAPES.fields(kind) for kind in holders.values())
            assert found or name in effective.PLACES or name in SHAPES.fields("VllmConfig"), name


HELD = {
    "model_config": "ModelConfig",
    "cache_config": "CacheConfig",
    "parallel_config": "ParallelConfig",
    "scheduler_config": "SchedulerConfig",
    "load_config": "LoadConfig",
    "compilation_config": "CompilationConfig",
    "offload_config": "OffloadConfig",
    "kernel_config": "KernelConfig",
    "attention_config": "AttentionConfig",
    "observability_config": "ObservabilityConfig",
    "lora_config": "LoRAConfig",
}
