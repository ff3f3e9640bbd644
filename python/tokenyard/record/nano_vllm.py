"""What nano-vLLM decides, as a Tokenyard trace:

    from tokenyard.record.nano_vllm import record
    llm = LLM(path)
    record(llm, "run.trace")

Every generate() from then on is recorded. For nano-vLLM since April 2026 (bb823b3), which is what the policy nano_vllm
models; what came before schedules otherwise and is refused. A fault of the recorder's ends the recording with one line in the
log, never the engine.
"""

from __future__ import annotations

import atexit
import logging
import os
from typing import Any

from tokenyard.record._writer import Step, TraceFile, squeeze

logger = logging.getLogger("tokenyard.record")


def record(llm: Any, path: str | os.PathLike[str]) -> Recording:
    """Starts recording; REQUIRES: nothing is waiting or running. The trace is whole after close(), or when Python ends."""
    return Recording(llm.scheduler, os.fspath(path))


class _Live:
    """What is kept of a request: enough to say which rows sample."""

    __slots__ = ("computed", "known", "number", "of", "running")

    def __init__(self, number: int, known: int, of: Any) -> None:
        self.number = number
        self.known = known  # tokens, with those that the step in flight samples
        self.computed = 0
        self.running = False
        self.of = of  # the engine's own object


class Recording:
    def __init__(self, scheduler: Any, path: str) -> None:
        blocks = scheduler.block_manager
        if not hasattr(blocks, "hash_blocks"):
            raise ValueError("expected nano-vLLM since April 2026 (bb823b3), found an older one, which schedules otherwise")
        if scheduler.waiting or scheduler.running:
            raise ValueError("expected an engine with nothing to do, found one that has requests")
        self._scheduler = scheduler
        self._blocks = blocks
        self._live: dict[int, _Live] = {}
        self._held: dict[int, int] = {}  # blocks of a request's table that were told
        self._step: Step | None = None
        self._rows: list[tuple[_Live, bool]] = []  # of that step, and whether each samples
        self._needy: Any = None
        self._asked: tuple[Any, int, int, int] | None = None  # the head, cached blocks or -1, blocks needed, free ones
        self._began = 0
        self._preempted: list[list[Any]] = []
        self._overwritten: list[int] = []
        self._on = True
        self._file = TraceFile(path)
        self.path = self._file.path
        self._file.header(
            "nano-vllm",
            "cuda",
            {
                "policy": "nano_vllm",
                "max_num_seqs": scheduler.max_num_seqs,
                "max_num_batched_tokens": scheduler.max_num_batched_tokens,
                "max_model_len": 0,
                "block_size": blocks.block_size,
                "num_blocks": len(blocks.blocks),
                "enable_prefix_caching": True,
                "eos_token_id": scheduler.eos,
                "strict_peer": True,
            },
        )
        self._watch()
        atexit.register(self.close)

    def close(self) -> None:
        self._on = False
        self._file.end()

    def _note(self, what: Any, *args: Any) -> None:
        if not self._on:
            return
        try:
            what(*args)
        except Exception as error:
            logger.warning("Tokenyard's recording ends here: %s: %s", type(error).__name__, error)
            self._on = False
            self._file.close()

    def _watch(self) -> None:
        scheduler, blocks = self._scheduler, self._blocks
        add, schedule, preempt, postprocess = scheduler.add, scheduler.schedule, scheduler.preempt, scheduler.postprocess
        can_allocate, can_append = blocks.can_allocate, blocks.can_append
        recording = self

        def noted_add(seq: Any) -> None:
            recording._note(recording._add, seq)
            add(seq)

        def noted_can_allocate(seq: Any) -> Any:
            cached = can_allocate(seq)
            recording._note(recording._ask, seq, cached)
            return cached

        def noted_can_append(seq: Any) -> Any:
            recording._needy = seq
            return can_append(seq)

        def noted_preempt(seq: Any) -> None:
            recording._note(recording._preempt, seq)
            preempt(seq)

        def noted_schedule() -> Any:
            recording._note(recording._begin)
            plan = schedule()
            recording._note(recording._plan, *plan)
            return plan

        def noted_postprocess(seqs: Any, token_ids: Any, *args: Any) -> Any:
            recording._overwritten.clear()
            result = postprocess(seqs, token_ids, *args)
            recording._note(recording._commit, token_ids)
            return result

        class Index(dict):  # type: ignore[type-arg]
            """The prefix index, which says whose place a newer duplicate takes."""

            def __setitem__(self, key: Any, block: Any) -> None:
                older = self.get(key)
                if older is not None and older != block:
                    recording._overwritten.append(older)
                super().__setitem__(key, block)

        scheduler.add, scheduler.schedule = noted_add, noted_schedule
        scheduler.preempt, scheduler.postprocess = noted_preempt, noted_postprocess
        blocks.can_allocate, blocks.can_append = noted_can_allocate, noted_can_append
        blocks.hash_to_block_id = Index(blocks.hash_to_block_id)

    def _add(self, seq: Any) -> None:
        prompt = [int(token) for token in seq.token_ids]
        number = self._file.join(
            str(seq.seq_id), prompt, self._file.now(), False, max_tokens=seq.max_tokens, ignore_eos=bool(seq.ignore_eos)
        )
        self._live[seq.seq_id] = _Live(number, len(prompt), seq)

    def _begin(self) -> None:
        self._began = self._file.now()
        self._asked = None
        self._preempted.clear()

    def _ask(self, seq: Any, cached: int) -> None:
        needed = self._needed(seq) if cached < 0 else 0
        self._asked = (seq, cached, needed, len(self._blocks.free_block_ids))

    def _preempt(self, seq: Any) -> None:
        freed = sum(1 for block in seq.block_table if self._blocks.blocks[block].ref_count == 1)
        victim, needy = self._live[seq.seq_id], self._live[self._needy.seq_id]
        self._preempted.append([victim.number, needy.number, "blocks", 1, len(self._blocks.free_block_ids), freed])
        victim.running = False
        victim.computed = 0
        self._held.pop(seq.seq_id, None)

    def _plan(self, seqs: Any, is_prefill: bool) -> None:
        step = self._file.plan(self._began)
        self._rows = rows = []
        admit, chunk, grow = [], [], []
        for seq in seqs:
            request = self._live[seq.seq_id]
            told, table = self._held.get(seq.seq_id, 0), seq.block_table
            tokens = seq.num_scheduled_tokens
            if not request.running:
                request.running = True
                request.computed = seq.num_cached_tokens
                admit.append([request.number, seq.num_cached_tokens, tokens, squeeze(table)])
            elif is_prefill:
                chunk.append([request.number, tokens])
            elif len(table) > told:
                grow.append([request.number, squeeze(table[told:])])
            self._held[seq.seq_id] = len(table)
            request.computed += tokens
            samples = request.computed == request.known
            request.known += samples
            rows.append((request, samples))
        step.fields.update(prefill=is_prefill, admit=admit, chunk=chunk, grow=grow, preempt=list(self._preempted))
        self._refusals(step, seqs, is_prefill)
        self._step = step

    def _refusals(self, step: Step, seqs: Any, is_prefill: bool) -> None:
        scheduler = self._scheduler
        seats = scheduler.max_num_seqs
        used = sum(seq.num_scheduled_tokens for seq in seqs) if is_prefill else 0
        left = scheduler.max_num_batched_tokens - used
        head = self._asked[0] if self._asked else None
        if is_prefill and scheduler.waiting and scheduler.waiting[0] is not seqs[-1]:
            waiting = scheduler.waiting[0]
            number = self._live[waiting.seq_id].number
            asked = self._asked if head is waiting else None
            if len(seqs) >= seats:
                step.refusals.append((number, "seats", len(seqs) + 1, seats))
            elif left == 0:
                step.refusals.append((number, "token_budget", 1, 0))
            elif asked is not None and asked[1] < 0:
                step.refusals.append((number, "blocks", asked[2], asked[3]))
            elif asked is not None:
                step.refusals.append((number, "token_budget", waiting.num_tokens - asked[1] * self._blocks.block_size, left))
        if not is_prefill:
            if self._asked is not None:
                step.refusals.append((self._live[self._asked[0].seq_id].number, "blocks", *self._asked[2:]))
            row_ids = {seq.seq_id for seq in seqs}
            without = [seq for seq in scheduler.running if seq.seq_id not in row_ids]
            step.fields["skip"] = [self._live[seq.seq_id].number for seq in without]
            if without:
                step.refusals.append((self._live[without[0].seq_id].number, "seats", len(seqs) + 1, seats))

    def _needed(self, seq: Any) -> int:
        """Blocks that its admission takes from the free ones; hits that nobody holds are among these."""
        blocks = self._blocks
        hash, needed = -1, seq.num_blocks
        for i in range(seq.num_blocks - 1):
            hash = blocks.compute_hash(seq.block(i), hash)
            block = blocks.hash_to_block_id.get(hash, -1)
            if block == -1 or blocks.blocks[block].token_ids != seq.block(i):
                break
            needed -= blocks.blocks[block].ref_count > 0
        return int(needed)

    def _commit(self, token_ids: Any) -> None:
        step, self._step = self._step, None
        if step is None:
            return
        tokens = [int(token) for token, (_, samples) in zip(token_ids, self._rows) if samples]
        finish = []
        for request, _ in self._rows:
            if request.of.is_finished:
                reason = "length" if request.of.num_completion_tokens >= request.of.max_tokens else "stop"
                if not request.of.ignore_eos and int(request.of.last_token) == self._scheduler.eos:
                    reason = "stop"
                finish.append((request.number, reason))
                del self._live[request.of.seq_id]
                self._held.pop(request.of.seq_id, None)
        step.fields["unfindable"] = list(self._overwritten)
        self._file.ran(step, finish, tokens)
