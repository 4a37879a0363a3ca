"""A torch load with a known shape, for tests on GPU hosts: wave.py ON_MS PERIOD_MS SECONDS (ON_MS = PERIOD_MS: steady).

Prints "ready" once the GPU is warm and the shape has begun.
"""

import sys
import time

import torch

on, period, seconds = (float(argument) for argument in sys.argv[1:4])
a = torch.randn(2048, 2048, device="cuda", dtype=torch.bfloat16)
torch.mm(a, a)
torch.cuda.synchronize()
start = time.monotonic()
while time.monotonic() - start < 3:
    torch.mm(a, a)
    torch.cuda.synchronize()
print("ready", flush=True)
start = time.monotonic()
burst = 0
while (begin := start + burst * period / 1e3) < start + seconds:
    time.sleep(max(0.0, begin - time.monotonic()))
    while time.monotonic() < begin + on / 1e3:
        torch.mm(a, a)
        torch.cuda.synchronize()
    burst += 1
