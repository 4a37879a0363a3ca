"""A torch load with a known shape, for tests on GPU hosts: wave.py ON_MS PERIOD_MS SECONDS (ON_MS = PERIOD_MS: steady).

Prints "ready" once the GPU is warm and the shape has begun.
"""

import sys
import time

import torch

on, period, seconds = (float(argument) for argument in sys.argv[1:4])
steady = on >= period
# Steady: long products back to back, never waiting for the host, so that the GPU sits at one power.
size = 8192 if steady else 2048
a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
out = torch.empty_like(a)


def work():
    for _ in range(16 if steady else 1):
        torch.mm(a, a, out=out)
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
