"""What is loaded is what was asked for, and what cannot be had is refused with a code and a hint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lem_worker.engines.pytorch import loading
from lem_worker.engines.pytorch.parameters import EngineParameters
from lem_worker.fault import Code, Fault
from tiny_llama import DUMMY, LOCAL, SHAPE, Loader


def load(folder: Path, model: Any = LOCAL, gpus: tuple[str, ...] = (), **parameters: Any) -> loading.Loaded:
    return loading.load(EngineParameters.read(parameters, list(gpus)), model, folder, lambda: None)


def refused(call: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as raised:
        call()
    return raised.value


def test_facts_are_those_of_the_config(folder: Path) -> None:
    facts = load(folder).facts
    hidden, layers, vocabulary = SHAPE["hidden_size"], SHAPE["num_hidden_layers"], SHAPE["vocab_size"]
    kv = hidden // SHAPE["num_attention_heads"] * SHAPE["num_key_value_heads"]
    layer = 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * SHAPE["intermediate_size"] + 2 * hidden
    assert facts.model_parameters == layers * layer + hidden + 2 * hidden * vocabulary
    assert facts.active_parameters is None
    assert (facts.vocab_size, facts.context_length, facts.device) == (300, 128, "cpu")
    assert facts.effective == {
        "dtype": "float32",
        "attn_implementation": "sdpa",
        "quantization": None,
        "device_map": None,
        "tf32": False,
        "compile": "off",
        "use_kernels": False,
    }


def test_asked_is_what_is_had(folder: Path) -> None:
    loaded = load(folder, dtype="bfloat16", attn_implementation="eager")
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.bfloat16}
    assert loaded.facts.effective["attn_implementation"] == "eager"


def test_weights_are_those_of_the_folder(folder: Path) -> None:
    from safetensors.torch import load_file  # type: ignore[import-not-found,unused-ignore]

    stored = load_file(folder / "model.safetensors")
    model = load(folder).model
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, stored[name]), name


def test_placeholder_weights_are_the_same_each_time_and_need_no_files(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "config.json", tmp_path)
    one, other = load(tmp_path, DUMMY).model.state_dict(), load(tmp_path, DUMMY).model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.isfinite(weight).all() for weight in one.values())


def test_a_mixture_of_experts_uses_a_part_of_its_weights(tmp_path: Path) -> None:
    import transformers

    shape = {**SHAPE, "num_local_experts": 4, "num_experts_per_tok": 1}
    transformers.MixtralConfig(**shape, dtype="float32").save_pretrained(tmp_path)
    facts = load(tmp_path, DUMMY).facts
    expert = 3 * SHAPE["hidden_size"] * SHAPE["intermediate_size"]
    assert facts.active_parameters == facts.model_parameters - SHAPE["num_hidden_layers"] * 3 * expert


def test_a_folder_without_a_config_or_without_weights(folder: Path, tmp_path: Path) -> None:
    assert refused(lambda: load(tmp_path)).code is Code.MODEL_NOT_FOUND
    shutil.copy(folder / "config.json", tmp_path)
    fault = refused(lambda: load(tmp_path))
    assert fault.code is Code.MODEL_UNAVAILABLE
    assert fault.hint
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "of-next-year"}))
    fault = refused(lambda: load(tmp_path))
    assert fault.code is Code.MODEL_UNAVAILABLE
    assert "of-next-year" in fault.message


def test_a_type_of_number_in_the_config_that_torch_does_not_have(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "dtype": "float12"}))
    fault = refused(lambda: load(tmp_path, DUMMY))
    assert fault.code is Code.BAD_DTYPE
    assert "float12" in fault.message


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"dtype": "float12"}, Code.BAD_DTYPE),
        ({"compile": True}, Code.BAD_PARAMETER),
        ({"tf32": "yes"}, Code.BAD_PARAMETER),
        ({"tf32": True}, Code.UNSUPPORTED),
        ({"quantization": "bitsandbytes_nf4"}, Code.UNSUPPORTED),
        ({"attn_implementation": "flash_attention_2"}, Code.UNSUPPORTED),
        ({"attn_implementation": "quick"}, Code.BAD_PARAMETER),
        ({"not_a_parameter": 1}, Code.BAD_PARAMETER),
        ({"use_kernels": True}, Code.UNSUPPORTED),
        ({"token": "x"}, Code.BAD_PARAMETER),
        ({"tp_plan": "auto"}, Code.UNSUPPORTED),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused(folder: Path, parameters: dict[str, Any], code: Code) -> None:
    assert refused(lambda: load(folder, **parameters)).code is code


def test_a_gpu_that_torch_does_not_see(folder: Path) -> None:
    assert refused(lambda: load(folder, gpus=("GPU-0",))).code is Code.CUDA_UNAVAILABLE
    assert refused(lambda: load(folder, gpus=("GPU-0", "GPU-1"))).code is Code.BAD_PARAMETER


def test_placeholders_are_never_quantised(folder: Path) -> None:
    assert refused(lambda: load(folder, DUMMY, quantization="bitsandbytes_int8")).code is Code.UNSUPPORTED


def test_placeholders_take_every_parameter_at_its_default(folder: Path) -> None:
    defaults: dict[str, Any] = {"attn_implementation": None, "quantization": None, "device_map": None}
    loaded = load(folder, DUMMY, dtype="auto", tf32=False, compile="off", use_kernels=False, **defaults)
    assert loaded.facts.effective["dtype"] == "float32"


def test_a_cancel_is_seen_while_loading(folder: Path) -> None:
    def stop() -> None:
        raise Fault(Code.CANCELLED, "cancelled")

    read = EngineParameters.read({}, [])
    assert refused(lambda: loading.load(read, LOCAL, folder, stop)).code is Code.CANCELLED


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"temperatur": 1.0}, Code.BAD_PARAMETER),
        ({"batch_size": 0}, Code.BAD_PARAMETER),
        ({"batch_size": True}, Code.BAD_PARAMETER),
        ({"num_beams": 4}, Code.UNSUPPORTED),
        ({"do_sample": True, "temperature": 0}, Code.BAD_PARAMETER),
        ({"cache_implementation": "quantized"}, Code.UNSUPPORTED),
        ({"cache_implementation": "elastic"}, Code.BAD_PARAMETER),
        ({"prefill_chunk_size": 0}, Code.BAD_PARAMETER),
        ({"do_sample": True, "top_k": -1}, Code.BAD_PARAMETER),
    ],
    ids=str,
)
def test_requests_that_cannot_be_are_refused(loaded: Loader, parameters: dict[str, Any], code: Code) -> None:
    engine = loaded()
    assert refused(lambda: engine.settings(parameters)).code is code


def test_a_whole_number_is_taken_where_a_float_is_meant(loaded: Loader) -> None:
    asked = {"do_sample": True, "temperature": 1, "repetition_penalty": 2, "top_p": 1}
    effective = loaded().settings(asked).effective
    assert effective == asked
    assert type(effective["temperature"]) is int, "what was asked for is not told as something else"


def test_what_is_not_said_is_the_librarys_default_and_is_told(loaded: Loader) -> None:
    engine = loaded()
    asked = {"do_sample": True, "top_k": None, "temperature": None, "cache_implementation": None, "batch_size": 4}
    settings = engine.settings(asked)
    assert settings.batch_size == 4
    assert settings.effective == {
        "do_sample": True,
        "top_k": 50,
        "temperature": 1.0,
        "cache_implementation": "dynamic",
        "batch_size": 4,
    }
