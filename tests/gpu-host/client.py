#!/usr/bin/env python3
"""An independent client for the workload of campaigns/known-answers.yaml: vLLM driven directly, energy by NVML's counter.

    client.py MODEL WORKLOAD.json CONCURRENCY…

It shares nothing with lemctl or its worker but the prompts (a workload file of the campaign, results/…/inputs or the control
folder). Run it on the same host and in the same hour as the campaign: figures of different hosts differ by their CPUs.
Steady state is from the moment at which every place has had its first token to the end of sending; every figure is of it,
and latencies are those of the requests that finished in it, as lemctl's are: the first of each place waited for the others.
A short window before the first one is thrown away.
"""

import asyncio
import ctypes
import json
import sys
import time

SECONDS = 40


class Counter:
    """The GPU's energy counter, in mJ."""

    def __init__(self) -> None:
        self.nvml = ctypes.CDLL("libnvidia-ml.so.1")
        assert self.nvml.nvmlInit_v2() == 0
        self.device = ctypes.c_void_p()
        assert self.nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self.device)) == 0

    def joules(self) -> float:
        value = ctypes.c_ulonglong()
        assert self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.device, ctypes.byref(value)) == 0
        return value.value / 1e3


async def window(llm, prompts: list[dict], concurrency: int, counter: Counter, length: float, told: bool) -> None:
    from vllm import SamplingParams
    from vllm.inputs import TokensPrompt
    from vllm.sampling_params import RequestOutputKind

    tokens: list[float] = []
    finished: list[tuple[float, float, list[float]]] = []
    ramped: dict[int, float] = {}
    energy: list[tuple[float, float]] = []
    begin = time.monotonic()
    turn = iter(range(10**9))

    async def place(own: int) -> None:
        while time.monotonic() - begin < length:
            number = next(turn)
            prompt = prompts[number % len(prompts)]
            params = SamplingParams(
                temperature=0.0, max_tokens=prompt["output_tokens"], ignore_eos=True, detokenize=False,
                output_kind=RequestOutputKind.DELTA,
            )
            sent, last, ttft, gaps = time.monotonic(), 0.0, 0.0, []
            request = TokensPrompt(prompt_token_ids=prompt["input_ids"])
            async for output in llm.generate(request, params, f"{concurrency}-{told}-{number}"):
                now, new = time.monotonic(), len(output.outputs[0].token_ids)
                if new == 0:
                    continue
                tokens.extend([now] * new)
                if ttft == 0.0:
                    ttft = now - sent
                    ramped.setdefault(own, now)
                else:
                    gaps.extend([(now - last) / new] * new)
                last = now
            finished.append((last, ttft, gaps))

    async def watch() -> None:
        while time.monotonic() - begin < length:
            energy.append((time.monotonic(), counter.joules()))
            await asyncio.sleep(0.5)

    await asyncio.gather(watch(), *(place(own) for own in range(concurrency)))
    if not told:
        return
    inside = [one for one in energy if max(ramped.values()) <= one[0] <= begin + length]
    (start, low), (end, high) = inside[0], inside[-1]
    made = sum(start < at <= end for at in tokens)
    judged = [one for one in finished if start < one[0] <= end]
    ttft = sorted(value for _, value, _ in judged)
    itl = sorted(value for _, _, values in judged for value in values)
    print(
        f"{concurrency:4} in flight: {end - start:.1f} s, {made / (end - start):.0f} tokens/s, {(high - low) / made:.4f} J/token, "
        f"{(high - low) / (end - start):.0f} W, TTFT p50 {ttft[len(ttft) // 2] * 1e3:.1f} ms, ITL p50 {itl[len(itl) // 2] * 1e3:.2f} ms",
        flush=True,
    )


async def main(model: str, workload: str, levels: list[int]) -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    with open(workload) as file:
        prompts = json.load(file)["prompts"]
    arguments = AsyncEngineArgs(
        model=model, dtype="bfloat16", max_model_len=8192, max_num_seqs=256, max_num_batched_tokens=8192,
        enable_prefix_caching=False, skip_tokenizer_init=True,
    )
    began = time.monotonic()
    llm = AsyncLLM.from_engine_args(arguments, usage_context=UsageContext.OPENAI_API_SERVER)
    print(f"loaded in {time.monotonic() - began:.1f} s", flush=True)
    counter = Counter()
    await window(llm, prompts, levels[0], counter, 5, told=False)
    for level in levels:
        await window(llm, prompts, level, counter, SECONDS, told=True)
    llm.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], [int(level) for level in sys.argv[3:]]))
