"""A real vLLM without a GPU, recording itself: python run_vllm.py '{"num_gpu_blocks_override": 40, ...}', TOKENYARD_TRACE set."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

os.environ.update(VLLM_CPU_KVCACHE_SPACE="1", HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", VLLM_ENABLE_V1_MULTIPROCESSING="0")


def main() -> None:
    from vllm import LLM, SamplingParams

    llm = LLM(
        str(Path(__file__).parents[2] / "scenarios" / "models" / "story"),
        enforce_eager=True,
        dtype="bfloat16",
        max_model_len=512,
        scheduler_cls="tokenyard.record.vllm.RecordingScheduler",
        **json.loads(sys.argv[1]),
    )
    dice = random.Random(5)
    shared = [dice.randrange(5, 2000) for _ in range(200)]
    prompts, sampling = [], []
    for _ in range(40):
        own = [dice.randrange(5, 2000) for _ in range(dice.randrange(1, 150))]
        prompts.append({"prompt_token_ids": shared[: dice.randrange(180)] + own})
        sampling.append(SamplingParams(temperature=0.8, max_tokens=dice.randrange(1, 100), ignore_eos=dice.random() < 0.5))
    llm.generate(prompts, sampling, use_tqdm=False)
    # Ended by the client, which has found its stop string.
    llm.generate(["Once upon a time"] * 3, SamplingParams(temperature=0, max_tokens=60, stop=["named"]), use_tqdm=False)
    llm.llm_engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
