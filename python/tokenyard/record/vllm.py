"""What a running vLLM decides, as a Tokenyard trace:

    vllm serve MODEL --scheduler-cls tokenyard.record.vllm.RecordingScheduler

TOKENYARD_TRACE names the file; else it is vllm-PID.trace in the working folder. Decisions are vLLM's own: this class asks it
after it has decided. A fault of the recorder's ends the recording with one line in vLLM's log, never the engine.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Iterable
from typing import Any

import vllm
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler

from tokenyard.record._writer import Step, TraceFile, squeeze

TESTED = ("0.24", "0.26", "0.32")  # releases whose recordings were replayed decision for decision

logger = logging.getLogger("vllm.tokenyard")


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


class _Unable(Exception):
    """This configuration or request has what a trace cannot tell."""


class _Live:
    """What is kept of a request besides vLLM's own object."""

    __slots__ = ("computed", "limit", "number", "of", "running")

    def __init__(self, number: int, limit: int, of: Any) -> None:
        self.number = number
        self.limit = limit  # known tokens at which it ends by length
        self.computed = 0  # while it is in _Recorder._prefilling
        self.running = False
        self.of = of


class _Flying:
    """A step that runs: vLLM's plan, its rows' ids and those of them that sample nothing."""

    __slots__ = ("ids", "output", "silent", "step")

    def __init__(self, output: Any, step: Step, ids: list[str], silent: set[str]) -> None:
        self.output = output
        self.step = step
        self.ids = ids
        self.silent = silent

    def samples(self, id: str) -> bool:
        return id in self.output.num_scheduled_tokens and id not in self.silent


class RecordingScheduler(Scheduler):  # type: ignore[misc]
    """vLLM's scheduler, which writes a trace besides. With asynchronous scheduling it is AsyncRecordingScheduler."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        config = kwargs.get("vllm_config", args[0] if args else None)
        if cls is RecordingScheduler and config is not None and config.scheduler_config.async_scheduling:
            cls = AsyncRecordingScheduler
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._recorder: _Recorder | None = None
        try:
            self._recorder = _Recorder(self)
        except Exception as error:
            logger.warning("Tokenyard records nothing: %s", error)

    def _note(self, what: str, *args: Any) -> Any:
        if self._recorder is None:
            return None
        try:
            return getattr(self._recorder, what)(*args)
        except Exception as error:
            logger.warning("Tokenyard's recording ends here: %s: %s", type(error).__name__, error)
            recorder, self._recorder = self._recorder, None
            recorder.stop()
            return None

    def add_request(self, request: Any) -> None:
        self._note("add", request)
        super().add_request(request)

    def finish_requests(self, request_ids: str | Iterable[str] | None, finished_status: Any) -> Any:
        finished = super().finish_requests(request_ids, finished_status)
        self._note("cancel")
        return finished

    def schedule(self, *args: Any, **kwargs: Any) -> Any:
        self._note("begin")
        output = super().schedule(*args, **kwargs)
        self._note("plan", output)
        return output

    def _preempt_request(self, request: Any, *args: Any, **kwargs: Any) -> None:
        self._note("preempt", request)
        super()._preempt_request(request, *args, **kwargs)

    def update_from_output(self, scheduler_output: Any, model_runner_output: Any) -> Any:
        step = self._note("ran", scheduler_output)
        outputs = super().update_from_output(scheduler_output, model_runner_output)
        if step is not None:
            self._note("commit", step, model_runner_output)
        return outputs

    def shutdown(self) -> None:
        self._note("end")
        super().shutdown()


class AsyncRecordingScheduler(RecordingScheduler, AsyncScheduler):  # type: ignore[misc]
    """The same over vLLM's asynchronous scheduler."""


class _Recorder:
    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        config = scheduler.vllm_config
        self._refuse_what_cannot_be_told(config)
        release = _release(vllm.__version__)
        if not any(release == _release(tested) for tested in TESTED):
            logger.warning("Tokenyard's recorder was tested with vLLM %s, this is %s", ", ".join(TESTED), vllm.__version__)
        self._manager = scheduler.kv_cache_manager
        self._pool = self._manager.block_pool
        self._block_size: int = scheduler.block_size
        self._async = bool(scheduler.scheduler_config.async_scheduling)
        self._live: dict[str, _Live] = {}
        self._prefilling: set[str] = set()  # running, and not all known tokens are computed
        self._steps: list[_Flying] = []
        self._preempted: list[list[Any]] = []
        self._allocating: tuple[Any, int] | None = None
        self._prefix: tuple[str, list[Any], int] = ("", [], 0)
        self._seen_finished: set[str] = set()
        self._has_header = False
        self._eos = -1
        self._began = 0
        self._watch()
        self._file = TraceFile(os.environ.get("TOKENYARD_TRACE") or f"vllm-{os.getpid()}.trace")
        logger.info("Tokenyard records to %s", self._file.path)

    @staticmethod
    def _refuse_what_cannot_be_told(config: Any) -> None:
        if config.speculative_config is not None:
            raise _Unable("speculative decoding has more than one token a row, which a trace cannot tell")
        if config.kv_transfer_config is not None:
            raise _Unable("a KV connector brings tokens that nobody here computes, which a trace cannot tell")
        if config.parallel_config.pipeline_parallel_size > 1:
            raise _Unable("pipeline parallelism has several steps in flight, which a trace cannot tell")
        if getattr(config.parallel_config, "decode_context_parallel_size", 1) > 1:
            raise _Unable("context parallelism spreads a block over GPUs, which a trace cannot tell")
        if config.model_config.is_encoder_decoder:
            raise _Unable("an encoder-decoder model has a second cache, which a trace cannot tell")
        if config.model_config.runner_type != "generate":
            raise _Unable("this model generates no text")

    def _watch(self) -> None:
        """Whose blocks are asked for, and which prefix was found: what a refusal's numbers come from."""
        manager = self._manager
        if len(self._scheduler.kv_cache_config.kv_cache_groups) != 1:
            raise _Unable("this model has several KV-cache groups, and a trace has one block table a request")
        allocate, find = manager.allocate_slots, manager.get_computed_blocks

        def allocate_slots(request: Any, num_new_tokens: int, *args: Any, **kwargs: Any) -> Any:
            self._allocating = (request, num_new_tokens)
            return allocate(request, num_new_tokens, *args, **kwargs)

        def get_computed_blocks(request: Any) -> Any:
            found = find(request)
            self._prefix = (request.request_id, found[0].blocks[0], found[1])
            return found

        manager.allocate_slots = allocate_slots
        manager.get_computed_blocks = get_computed_blocks

    def stop(self) -> None:
        self._file.close()

    def end(self) -> None:
        self._file.end()

    # Requests

    def add(self, request: Any) -> None:
        id = request.request_id
        params = request.sampling_params
        if id in self._live or getattr(request, "resumable", False):
            raise _Unable(f"request {id} is a session that goes on, which a trace cannot tell")
        if params is None or request.prompt_token_ids is None:
            raise _Unable(f"request {id} has no token ids, which a trace cannot tell")
        for what in ("lora_request", "cache_salt", "mm_features", "structured_output_request"):
            if getattr(request, what, None):
                raise _Unable(f"request {id} has a {what}, which a trace cannot tell")
        if not self._has_header:
            self._write_header(params)
        prompt = list(request.prompt_token_ids)
        stop = set(params.stop_token_ids or ())
        eos = getattr(params, "eos_token_id", None)
        if eos is not None and eos != self._eos and not params.ignore_eos:
            stop.add(eos)
        arrival = self._file.now() - int((time.time() - request.arrival_time) * 1e9)
        number = self._file.join(
            id,
            prompt,
            arrival,
            self._async and self._file.in_flight > 0,
            max_tokens=request.max_tokens,
            min_tokens=params.min_tokens,
            priority=request.priority,
            ignore_eos=params.ignore_eos,
            stop=sorted(stop),
        )
        limit = min(len(prompt) + request.max_tokens, self._scheduler.max_model_len)
        self._live[id] = _Live(number, limit, request)

    def _pending(self, id: str) -> bool:
        """Whether a step in flight samples this request's last token."""
        return any(step.samples(id) for step in self._steps)

    def _known(self, id: str) -> int:
        """Its tokens, with the one that a step in flight samples."""
        return int(self._live[id].of.num_tokens) + self._pending(id)

    def cancel(self) -> None:
        """Whoever is finished now, without a step having said so."""
        for id in [id for id, live in self._live.items() if live.of.is_finished()]:
            live = self._live.pop(id)
            self._prefilling.discard(id)
            stopped = live.of.status.name == "FINISHED_STOPPED"
            ahead = self._async and self._file.in_flight > 0
            self._file.cancel(live.number, "stop" if stopped else "cancelled", ahead)

    def _write_header(self, params: Any) -> None:
        self._has_header = True
        scheduler = self._scheduler
        config = scheduler.vllm_config
        release = _release(vllm.__version__)
        self._eos = self._eos_of(params, config)
        priority = scheduler.policy.name == "PRIORITY"
        engine: dict[str, Any] = {
            "policy": "vllm_v1",
            "max_num_seqs": scheduler.max_num_running_reqs,
            "max_num_batched_tokens": scheduler.max_num_scheduled_tokens,
            "max_model_len": scheduler.max_model_len,
            "block_size": self._block_size,
            "num_blocks": scheduler.kv_cache_config.num_blocks,
            "enable_prefix_caching": bool(self._manager.enable_caching),
            "eos_token_id": self._eos,
            "enable_chunked_prefill": bool(scheduler.scheduler_config.enable_chunked_prefill),
            "queue_order": "priority" if priority else "fcfs",
            "free_order": "unhashed_first" if release >= (0, 24) else "lru_all",
            "long_prefill_token_threshold": scheduler.scheduler_config.long_prefill_token_threshold,
            "watermark_blocks": int(getattr(self._manager, "watermark_blocks", 0)),
            "admission_gate": bool(getattr(scheduler, "scheduler_reserve_full_isl", False)),
            "strict_peer": True,
        }
        if self._async:
            engine["async_scheduling"] = True
        rules = "0.33" if release >= (0, 33) else "0.31" if release >= (0, 31) else "0.29" if release >= (0, 29) else None
        if rules is not None:
            engine["vllm_version"] = rules
        device = config.device_config.device_type
        # The model's and the GPU's names only: a trace's own `model` and `hardware` are what simulates them.
        model = os.path.basename(str(config.model_config.model).rstrip("/"))
        dtype = str(config.model_config.dtype).removeprefix("torch.")
        self._file.header(
            f"vllm {vllm.__version__}: {model}, {dtype}, {_device_name(device)}", "cuda" if device == "cuda" else "cpu", engine
        )

    @staticmethod
    def _eos_of(params: Any, config: Any) -> int:
        """The tokenizer's, which a request that ignores it does not say; then the model's."""
        said = getattr(params, "eos_token_id", None)
        if said is None:
            said = getattr(config.model_config.hf_config, "eos_token_id", None)
        if isinstance(said, list):
            said = said[0] if said else None
        return said if isinstance(said, int) else -1

    # Steps

    def begin(self) -> None:
        self._began = self._file.now()
        self._preempted.clear()
        self._prefix = ("", [], 0)

    def preempt(self, request: Any) -> None:
        victim = self._live[request.request_id]
        if self._allocating is None:
            raise _Unable("a preemption outside of a step (reset_prefix_cache), which a trace cannot tell")
        asking, tokens = self._allocating
        table = self._manager.get_block_ids(asking.request_id)[0]
        needed = -(-(asking.num_computed_tokens + tokens) // self._block_size) - len(table)
        freed = sum(1 for block in self._manager.get_blocks(request.request_id).blocks[0] if block.ref_cnt == 1)
        beneficiary = self._live[asking.request_id]
        free = self._pool.get_num_free_blocks()
        self._preempted.append([victim.number, beneficiary.number, "blocks", needed, free, freed])
        victim.running = False
        self._prefilling.discard(request.request_id)

    def plan(self, output: Any) -> None:
        self._allocating = None
        rows = output.num_scheduled_tokens
        if not rows and not self._preempted:
            return
        # Most rows are decodes, in batches of hundreds: these cost a few list comprehensions, and only the rest is looked at.
        step = self._file.plan(self._began)
        fields = step.fields
        live, prefilling = self._live, self._prefilling
        tables: dict[str, tuple[list[int], int]] = {}
        for new in output.scheduled_new_reqs:
            tables[new.req_id] = (new.block_ids[0], new.num_computed_tokens)
        cached = output.scheduled_cached_reqs
        grow = []
        for i, blocks in [(i, b) for i, b in enumerate(cached.new_block_ids) if b]:
            id = cached.req_ids[i]
            if not live[id].running:
                tables[id] = (blocks[0], cached.num_computed_tokens[i])
            elif blocks[0]:
                grow.append([live[id].number, squeeze(blocks[0])])
        ids = list(rows)
        silent: set[str] = set()
        admit, chunk = [], []
        for id in [id for id in ids if id in tables or id in prefilling] if tables or prefilling else []:
            request, tokens, known = live[id], rows[id], self._known(id)
            if not request.running:
                table, request.computed = tables[id]
                admit.append([request.number, request.computed, tokens, squeeze(table)])
                request.running = True
                prefilling.add(id)
            elif tokens != 1 or known - request.computed != 1:
                chunk.append([request.number, tokens])
            request.computed += tokens
            if request.computed < known:
                silent.add(id)
            else:
                prefilling.discard(id)
        running = self._scheduler.running
        if len(rows) < len(running):
            left = self._scheduler.max_num_scheduled_tokens - output.total_num_scheduled_tokens
            self._left_out(step, rows, running[: len(running) - len(admit)], left)
        if self._scheduler.waiting or getattr(self._scheduler, "skipped_waiting", None):
            self._waiting_head(step, output.total_num_scheduled_tokens)
        fields["admit"] = admit
        fields["chunk"] = chunk
        fields["grow"] = grow
        fields["preempt"] = list(self._preempted)
        self._steps.append(_Flying(output, step, ids, silent))

    def _left_out(self, step: Step, rows: dict[str, int], running: list[Any], budget: int) -> None:
        without = [(i, request.request_id) for i, request in enumerate(running) if request.request_id not in rows]
        step.fields["skip"] = [self._live[id].number for _, id in without if id not in self._prefilling]
        if budget > 0:
            return
        last = next((i for i in range(len(running) - 1, -1, -1) if running[i].request_id in rows), -1)
        for i, id in without:
            of = self._live[id]
            if i > last and not (self._pending(id) and self._known(id) >= of.limit):
                step.refusals.append((of.number, "token_budget", 1, 0))
                break

    def _waiting_head(self, step: Step, tokens: int) -> None:
        """Why the head of the queue was not admitted: the conditions in the order in which vLLM asks them."""
        scheduler = self._scheduler
        request = scheduler.waiting.peek_request() if scheduler.waiting else scheduler.skipped_waiting.peek_request()
        of = self._live[request.request_id]
        seats = len(scheduler.running) + 1
        budget = scheduler.max_num_scheduled_tokens - tokens

        def refuse(cause: str, needed: int, available: int) -> None:
            step.refusals.append((of.number, cause, needed, available))

        if self._preempted:
            return refuse("preemption", len(self._preempted), 0)
        if seats > scheduler.max_num_running_reqs:
            return refuse("seats", seats, scheduler.max_num_running_reqs)
        if budget == 0:
            return refuse("token_budget", 1, 0)
        id, blocks, hit = self._prefix
        if id != request.request_id:
            blocks, hit = [], 0
        known = self._known(request.request_id)
        wanted = known - hit
        threshold = scheduler.scheduler_config.long_prefill_token_threshold
        if 0 < threshold < wanted:
            wanted = threshold
        if not scheduler.scheduler_config.enable_chunked_prefill and wanted > budget:
            return refuse("token_budget", wanted, budget)
        free = self._pool.get_num_free_blocks()
        revived = sum(1 for block in blocks if block.ref_cnt == 0)

        def fresh(length: int) -> int:
            return int(-(-min(length, scheduler.max_model_len) // self._block_size)) - len(blocks) + revived

        headroom = getattr(self._manager, "watermark_blocks", 0) if scheduler.running else 0
        if getattr(scheduler, "scheduler_reserve_full_isl", False):
            whole = fresh(known)
            if whole > free:
                return refuse("admission_gate", whole, free)
            if whole + headroom > free:
                return refuse("watermark", whole + headroom, free)
        needed = fresh(hit + min(wanted, budget))
        if needed > free:
            return refuse("blocks", needed, free)
        if needed + headroom > free:
            return refuse("watermark", needed + headroom, free)
        raise _Unable(f"request {request.request_id} waits for a reason that a trace cannot tell")

    def ran(self, output: Any) -> _Flying | None:
        """The device has run a step; its tokens are not taken yet."""
        if not self._steps or self._steps[0].output is not output:
            return None
        self._seen_finished = set(self._scheduler.finished_req_ids)
        return self._steps.pop(0)

    def commit(self, flying: _Flying, output: Any) -> None:
        index, sampled, silent = output.req_id_to_index, output.sampled_token_ids, flying.silent
        ids = [id for id in flying.ids if id not in silent] if silent else flying.ids
        rows = [sampled[index[id]] for id in ids] if sampled else [[]] * len(ids)
        tokens = [row[0] if row else -1 for row in rows]
        finish = []
        if len(self._scheduler.finished_req_ids) > len(self._seen_finished):
            for id in flying.ids:
                request = self._live.get(id)
                if request is not None and request.of.is_finished():
                    del self._live[id]
                    self._prefilling.discard(id)
                    finish.append((request.number, "length" if request.of.status.name == "FINISHED_LENGTH_CAPPED" else "stop"))
        self._file.ran(flying.step, finish, tokens)


def _device_name(device: str) -> str:
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    return platform.processor() or platform.machine()
