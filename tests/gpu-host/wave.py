"""A torch load with a known shape, for tests on GPU hosts: wave.py ON_MS PERIOD_MS SECONDS (ON_MS = PERIOD_MS: steady).

Prints "ready" once the GPU is warm and the shape has begun.
"""

import sys
import time

import torch

on, period, seconds = (float(argument) for argument in sys.argv[1:4])
steady = on >= period
# Steady: sums over memory, queued back to back, below the power cap, whose controller would move the power by itself.
a = torch.randn(2048, 2048, device="cuda", dtype=torch.bfloat16)
memory = torch.zeros(1 << 30, device="cuda", dtype=torch.float32) if steady else None


def work():
    if steady:
        for _ in range(64):
            memory.add_(1.0)
    else:
        torch.mm(a, a)
    torch.cuda.synchronize()


start = time.monotonic()
while time.monotonic() - start < (20 if steady else 3):
    work()
print("ready", flush=True)
start = time.monotonic()
if steady:
    while time.monotonic() - start < seconds:
        work()
burst = 0
while not steady and (begin := start + burst * period / 1e3) < start + seconds:
    time.sleep(max(0.0, begin - time.monotonic()))
    while time.monotonic() < begin + on / 1e3:
        work()
    burst += 1
