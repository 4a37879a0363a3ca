#!/usr/bin/env python3
"""A worker that speaks lemctl's protocol and burns a real GPU with matrix products: for tests on GPU hosts.

Its tokens are made up; the power, the memory and the processes are real. Engine parameter `leak_mib` plants a
leak: with each measurement a process of another session is left behind that holds that much GPU memory.
"""

import hashlib
import json
import os
import subprocess
import sys
import time

LEAK = "import torch,sys,time; x=torch.ones(int(sys.argv[1])<<20,dtype=torch.uint8,device='cuda'); torch.cuda.synchronize(); print(1,flush=True); time.sleep(3600)"


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Worker:
    def __init__(self):
        self.wire = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # stdout is the protocol's alone

    def say(self, line, event):
        answer = {"id": line["id"], "event": event}
        if line.get("attempt") is not None:
            answer["attempt"] = line["attempt"]
        self.wire.write(json.dumps(answer) + "\n")

    def done(self, line, **outcome):
        self.say(line, {"type": "done", "outcome": outcome})

    def hello(self, line):
        import torch

        self.torch = torch
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        self.done(line, of="hello", protocol_version=2, backend="burner", backend_version="1.0.0",
                  packages={"torch": torch.__version__}, gpus=[uuid], device="cuda", monotonic_ns=now())

    def load(self, line, request):
        torch, start = self.torch, now()
        self.engine = request["parameters"]
        self.held = torch.ones(self.engine["hold_mib"] << 20, dtype=torch.uint8, device="cuda")
        size = self.engine["matrix"]
        self.a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
        self.b = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
        self.step()
        marks = [{"name": "load_start", "monotonic_ns": start}, {"name": "load_end", "monotonic_ns": now()}]
        self.done(line, of="load", effective=self.engine, model_parameters=size * size, marks=marks)

    def step(self):
        """One made-up token: about 5 ms of matrix products at size 8192."""
        for _ in range(4):
            self.torch.mm(self.a, self.b)
        self.torch.cuda.synchronize()

    def batch(self, prompts, first, size):
        queued = prefill = now()
        chosen = [(first + i) % len(prompts) for i in range(size)]
        stamps = []
        for _ in range(max(prompts[i]["output_tokens"] for i in chosen)):
            self.step()
            stamps.append(now())
        requests = []
        for index in chosen:
            times = stamps[: prompts[index]["output_tokens"]]
            requests.append({
                "prompt": index, "input_tokens": len(prompts[index]["input_ids"]), "output_tokens": len(times),
                "queued_ns": queued, "prefill_ns": prefill, "first_token_ns": times[0],
                "token_gaps_ns": [b - a for a, b in zip(times, times[1:])]})
        return requests, stamps[-1]

    def prompts(self, work):
        with open(f"/run/lem/workloads/{work['workload']}.json", "rb") as file:
            return json.load(file)["prompts"]

    def warmup(self, line, work):
        start = now()
        requests, end = self.batch(self.prompts(work), 0, work["parameters"]["batch_size"])
        self.done(line, of="warmup", output_tokens=sum(r["output_tokens"] for r in requests), elapsed_ns=end - start)

    def measure(self, line, request):
        work, until = request["work"], request["measure"]
        prompts, size = self.prompts(work), work["parameters"]["batch_size"]
        self.say(line, {"type": "ready"})
        go = json.loads(sys.stdin.readline())
        assert go["request"]["type"] == "go", go
        start, requests = now(), []
        while True:
            more, end = self.batch(prompts, len(requests), size)
            requests += more
            if end - start >= until["min_seconds"] * 1e9 and len(requests) >= until["min_requests"]:
                break
        if self.engine["leak_mib"]:
            child = subprocess.Popen([sys.executable, "-c", LEAK, str(self.engine["leak_mib"])],
                                     stdout=subprocess.PIPE, start_new_session=True)
            child.stdout.readline()
        both = dict(self.engine, **work["parameters"])
        record = {
            "schema_version": 2, "attempt": line["attempt"], "backend": "burner", "backend_version": "1.0.0",
            "device": "cuda", "weights": "random", "requested": both, "effective": both,
            "workload": work["workload"], "arrival": work["arrival"], "token_timing": "measured",
            "marks": [{"name": "measure_start", "monotonic_ns": start}, {"name": "measure_end", "monotonic_ns": end}],
            "requests": requests}
        data = json.dumps(record).encode()
        folder = f"/outbox/{line['attempt']}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/.record.json.new", "wb") as file:
            file.write(data)
        os.rename(f"{folder}/.record.json.new", f"{folder}/record.json")
        self.done(line, of="measure", bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def serve(self):
        for text in iter(sys.stdin.readline, ""):
            line = json.loads(text)
            request = dict(line["request"])
            kind = request.pop("type")
            try:
                if kind == "hello":
                    self.hello(line)
                elif kind == "load":
                    self.load(line, request)
                elif kind == "warmup":
                    self.warmup(line, request)
                elif kind == "measure":
                    self.measure(line, request)
                elif kind == "ping":
                    self.done(line, of="ping", monotonic_ns=now())
                elif kind == "shutdown":
                    self.done(line, of="shutdown")
                    return
            except Exception as error:  # the campaign goes on with a cause
                code = "out_of_memory" if "out of memory" in str(error) else "engine_failed"
                self.say(line, {"type": "error", "code": code, "message": str(error)[:400]})


Worker().serve()
