"""A real vLLM's scheduler, recording itself, with a model that makes up tokens; in the order of vLLM's own engine loop:

python run_vllm_scheduler.py TRACE '{"async_scheduling": true, "num_blocks": 30, "max_num_seqs": 8, ...}'

So the asynchronous one runs without a GPU, whose platform for the CPU turns it off. Prints what recording costs a step.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", VLLM_CPU_KVCACHE_SPACE="1", VLLM_LOGGING_LEVEL="WARNING")
STORY = Path(__file__).parents[2] / "scenarios" / "models" / "story"
BLOCK = 16


def make(recorded: bool, num_blocks: int, async_scheduling: bool, **limits: Any) -> Any:
    import torch
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
    from vllm.v1.structured_output import StructuredOutputManager

    config = EngineArgs(model=str(STORY), max_model_len=512, block_size=BLOCK, enforce_eager=True, **limits).create_engine_config()
    config.scheduler_config.async_scheduling = async_scheduling
    config.cache_config.num_gpu_blocks = num_blocks
    spec = FullAttentionSpec(block_size=BLOCK, num_kv_heads=1, head_size=8, dtype=torch.float32)
    caches = KVCacheConfig(num_blocks=num_blocks, kv_cache_tensors=[], kv_cache_groups=[KVCacheGroupSpec(["layer"], spec)])
    if recorded:
        from tokenyard.record.vllm import RecordingScheduler as Class
    else:
        Class = AsyncScheduler if async_scheduling else Scheduler
    return Class(
        vllm_config=config,
        kv_cache_config=caches,
        structured_output_manager=StructuredOutputManager(config),
        block_size=BLOCK,
        log_stats=False,
    )


def make_request(id: str, prompt: list[int], max_tokens: int, ignore_eos: bool, priority: int) -> Any:
    from vllm import SamplingParams
    from vllm.utils.hashing import sha256
    from vllm.v1.core.kv_cache_utils import get_request_block_hasher
    from vllm.v1.request import Request

    params = SamplingParams(max_tokens=max_tokens, ignore_eos=ignore_eos)
    params.update_from_generation_config({}, 2)
    more: dict[str, Any] = {"eos_token_id": 2} if "eos_token_id" in inspect.signature(Request).parameters else {}
    return Request(
        request_id=id,
        prompt_token_ids=prompt,
        sampling_params=params,
        pooling_params=None,
        arrival_time=time.time(),
        priority=priority,
        block_hasher=get_request_block_hasher(BLOCK, sha256),
        **more,
    )


def run(scheduler: Any, requests: list[Any], dice: random.Random, asynchronous: bool, aborts: bool = True) -> int:
    from vllm.v1.outputs import ModelRunnerOutput
    from vllm.v1.request import RequestStatus

    waiting, flying, steps = deque(requests), deque[Any](), 0

    def finish() -> None:
        plan, samples = flying.popleft()
        ids = list(plan.num_scheduled_tokens)
        tokens = [[dice.choice([2, *range(5, 60)])] if sampled else [] for sampled in samples]
        said = ModelRunnerOutput(ids, {id: i for i, id in enumerate(ids)}, sampled_token_ids=tokens)
        scheduler.update_from_output(plan, said)

    while waiting or flying or scheduler.has_requests():
        while waiting and dice.random() < 0.4:
            scheduler.add_request(waiting.popleft())
        if aborts and dice.random() < 0.02 and scheduler.requests:
            scheduler.finish_requests(dice.choice(sorted(scheduler.requests)), RequestStatus.FINISHED_ABORTED)
        if scheduler.has_requests():
            plan = scheduler.schedule()
            steps += bool(plan.num_scheduled_tokens)
            samples = [not scheduler.requests[id].is_prefill_chunk for id in plan.num_scheduled_tokens]
            flying.append((plan, samples))
            if asynchronous and len(flying) < 2:
                continue
        if flying:
            finish()
    return steps


def main() -> None:
    from vllm.utils.hashing import sha256
    from vllm.v1.core.kv_cache_utils import init_none_hash

    init_none_hash(sha256)  # once: it draws what all hashes begin with
    trace, settings = sys.argv[1], json.loads(sys.argv[2])
    os.environ["TOKENYARD_TRACE"] = trace
    count, seed = settings.pop("requests", 60), settings.pop("seed", 1)
    seconds = {}
    for recorded in (False, True):
        dice = random.Random(seed)
        shared = [dice.randrange(5, 2000) for _ in range(160)]
        requests = [
            make_request(
                f"r{i}",
                shared[: dice.randrange(160)] + [dice.randrange(5, 2000) for _ in range(dice.randrange(1, 120))],
                dice.randrange(1, 60),
                dice.random() < 0.5,
                dice.randrange(3) if settings.get("scheduling_policy") == "priority" else 0,
            )
            for i in range(count)
        ]
        scheduler = make(recorded, **settings)
        began = time.perf_counter()
        steps = run(scheduler, requests, dice, settings["async_scheduling"])
        seconds[recorded] = (time.perf_counter() - began) / steps
        scheduler.shutdown()
    print(f"{steps} steps; a step {seconds[False] * 1e6:.0f} us, recorded {seconds[True] * 1e6:.0f} us")


if __name__ == "__main__":
    main()
