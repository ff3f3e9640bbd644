#!/usr/bin/env python3
"""Writes scenarios/nano-vllm-bench.json: the requests of nano-vLLM's bench.py, whose lengths Python's generator draws with seed 0.

    python3 scripts/nano_vllm_workload.py > scenarios/nano-vllm-bench.json
"""
import json
from random import randint, seed

seed(0)
NUM_SEQS, MAX_INPUT, MAX_OUTPUT = 256, 1024, 1024
# The ids are drawn too, since they move the generator on; that they are random is all that matters of them.
prompts = [len([randint(0, 10000) for _ in range(randint(100, MAX_INPUT))]) for _ in range(NUM_SEQS)]
outputs = [randint(100, MAX_OUTPUT) for _ in range(NUM_SEQS)]
assert (sum(prompts), sum(outputs)) == (142827, 133966)

requests = [{"id": f"{i:03}", "prompt_tokens": p, "max_tokens": o} for i, (p, o) in enumerate(zip(prompts, outputs))]
print("""{
  "tokenyard_scenario": 1,
  "name": "nano-vllm-bench",
  "title": "nano-vLLM's benchmark: 256 requests at once",
  "teaches": "What decoding costs: almost all of the time goes into reading K/V, and the batch shrinks as requests end.",
  "look_for": "The nine prefill steps at the beginning, and how the time of a step follows the tokens whose K/V it reads.",
  "model": "qwen3-0.6b",
  "hardware": "h100-sxm",
  "engine": {"policy": "nano_vllm", "block_size": 256, "max_num_seqs": 512, "max_num_batched_tokens": 16384, "max_model_len": 4096},
  "workload": [{"type": "requests", "requests": [""")
print(",\n".join("    " + json.dumps(r) for r in requests))
print("  ]}]\n}")
