"""Which GPUs this container has, without initialising CUDA: an engine must find it untouched.

NVML says it where its library is there; else the driver's own files, restricted to the device nodes that the
container was given.
"""

import ctypes
import os
import re
import sys
from pathlib import Path

PROC = Path("/proc/driver/nvidia/gpus")
DEVICES = Path("/dev")
_UUID_BYTES = 96
_MAX_GPUS = 64


def visible() -> list[str]:
    """UUIDs in the order in which they were given to the container, if that is known, else in the driver's."""
    found = _by_nvml()
    if found is None:
        found = by_driver_files(PROC, DEVICES)
    return in_order(found, os.environ.get("NVIDIA_VISIBLE_DEVICES", ""))


def in_order(found: list[str], given: str) -> list[str]:
    """`found` in the order of the list `given`, if that names exactly them."""
    named = [name.strip() for name in given.split(",")]
    return named if sorted(named) == sorted(found) else found


def by_driver_files(proc: Path, devices: Path) -> list[str]:
    """What the driver writes about each GPU, for those whose device node is here."""
    found: list[tuple[int, str]] = []
    for path in sorted(proc.glob("*/information"))[:_MAX_GPUS]:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        uuid = re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)\s*$", text, re.MULTILINE)
        minor = re.search(r"^Device Minor:\s*(\d+)\s*$", text, re.MULTILINE)
        if uuid and minor and (devices / f"nvidia{minor[1]}").exists():
            found.append((int(minor[1]), uuid[1]))
    return [uuid for _, uuid in sorted(found)]


def _by_nvml() -> list[str] | None:
    """None where NVML is not there or does not start."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        if nvml.nvmlInit_v2() != 0:
            return None
    except (OSError, AttributeError):
        return None
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return None
        found = []
        for index in range(min(count.value, _MAX_GPUS)):
            device, name = ctypes.c_void_p(), ctypes.create_string_buffer(_UUID_BYTES)
            # One that this container may not open is not one that it has.
            if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) == 0 and (
                nvml.nvmlDeviceGetUUID(device, name, _UUID_BYTES) == 0
            ):
                found.append(name.value.decode("ascii", "replace"))
        return found
    except AttributeError as error:
        print(f"lem_worker: this NVML lacks a symbol: {error}", file=sys.stderr)  # noqa: T201
        return None
    finally:
        nvml.nvmlShutdown()
