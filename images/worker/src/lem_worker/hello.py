"""Who this worker is. Versions come from the packages' metadata: nothing is imported for them."""

import time
from importlib import metadata

from lem_worker import gpus
from lem_worker.answers import HelloOutcome
from lem_worker.engines.base import Engine
from lem_worker.requests import PROTOCOL_VERSION

# What can change energy or speed without the backend's own version changing.
PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "accelerate",
    "vllm",
    "tensorrt_llm",
    "tensorrt",
    "triton",
    "flash-attn",
    "flashinfer-python",
    "flashinfer-cubin",
    "xformers",
    "bitsandbytes",
    "compressed-tensors",
    "kernels",
    "nvidia-cublas",
    "nvidia-cublas-cu12",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "nvidia-nccl-cu12",
    "nvidia-nccl-cu13",
    "numpy",
)


def version(distribution: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def hello(engine: type[Engine]) -> HelloOutcome:
    """The answer to `hello`."""
    seen = gpus.visible()
    return HelloOutcome(
        protocol_version=PROTOCOL_VERSION,
        backend=engine.NAME,
        backend_version=version(engine.DISTRIBUTION) or "not installed",
        packages={name: found for name in PACKAGES if (found := version(name)) is not None},
        gpus=seen,
        device="cuda" if seen else "cpu",
        monotonic_ns=time.monotonic_ns(),
    )
