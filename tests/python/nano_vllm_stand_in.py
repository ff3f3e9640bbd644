"""nano-vLLM's scheduler (bb823b3) after its description, with the names that a recorder meets, and a model that makes up tokens."""

from __future__ import annotations

import itertools
import random
from collections import deque
from typing import Any

EOS = 7


class Sequence:
    block_size = 4
    counter = itertools.count()

    def __init__(self, token_ids: list[int], max_tokens: int, ignore_eos: bool) -> None:
        self.seq_id = next(Sequence.counter)
        self.token_ids = list(token_ids)
        self.num_tokens = self.num_prompt_tokens = len(token_ids)
        self.num_cached_tokens = self.num_scheduled_tokens = 0
        self.block_table: list[int] = []
        self.max_tokens, self.ignore_eos = max_tokens, ignore_eos
        self.is_finished = False

    @property
    def num_blocks(self) -> int:
        return -(-self.num_tokens // self.block_size)

    @property
    def num_completion_tokens(self) -> int:
        return self.num_tokens - self.num_prompt_tokens

    @property
    def last_token(self) -> int:
        return self.token_ids[-1]

    def block(self, i: int) -> list[int]:
        return self.token_ids[i * self.block_size : (i + 1) * self.block_size]


class Block:
    def __init__(self) -> None:
        self.ref_count, self.hash = 0, -1
        self.token_ids: list[int] = []


class BlockManager:
    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.block_size = block_size
        self.blocks = [Block() for _ in range(num_blocks)]
        self.free_block_ids = deque(range(num_blocks))
        self.hash_to_block_id: dict[int, int] = {}

    @staticmethod
    def compute_hash(tokens: list[int], before: int) -> int:
        return hash((before, *tokens))

    def find(self, seq: Sequence) -> list[int]:
        """The last block is never looked up."""
        found, h = [], -1
        for i in range(seq.num_blocks - 1):
            h = self.compute_hash(seq.block(i), h)
            block = self.hash_to_block_id.get(h, -1)
            if block == -1 or self.blocks[block].token_ids != seq.block(i):
                break
            found.append(block)
        return found

    def can_allocate(self, seq: Sequence) -> int:
        found = self.find(seq)
        fresh = seq.num_blocks - sum(self.blocks[b].ref_count > 0 for b in found)
        return -1 if len(self.free_block_ids) < fresh else len(found)

    def take(self) -> int:
        id = self.free_block_ids.popleft()
        block = self.blocks[id]
        if block.hash != -1 and self.hash_to_block_id.get(block.hash) == id:
            del self.hash_to_block_id[block.hash]
        block.ref_count, block.hash, block.token_ids = 1, -1, []
        return id

    def allocate(self, seq: Sequence, cached: int) -> None:
        for block in self.find(seq)[:cached]:
            if self.blocks[block].ref_count == 0:
                self.free_block_ids.remove(block)
            self.blocks[block].ref_count += 1
            seq.block_table.append(block)
        while len(seq.block_table) < seq.num_blocks:
            seq.block_table.append(self.take())
        seq.num_cached_tokens = cached * self.block_size

    def deallocate(self, seq: Sequence) -> None:
        for block in reversed(seq.block_table):
            self.blocks[block].ref_count -= 1
            if self.blocks[block].ref_count == 0:
                self.free_block_ids.append(block)
        seq.num_cached_tokens = 0
        seq.block_table.clear()

    def can_append(self, seq: Sequence) -> bool:
        return len(self.free_block_ids) >= (seq.num_tokens % self.block_size == 1)

    def hash_blocks(self, seq: Sequence) -> None:
        start = seq.num_cached_tokens // self.block_size
        h = self.blocks[seq.block_table[start - 1]].hash if start else -1
        for i in range(start, (seq.num_cached_tokens + seq.num_scheduled_tokens) // self.block_size):
            h = self.compute_hash(seq.block(i), h)
            block = self.blocks[seq.block_table[i]]
            block.hash, block.token_ids = h, seq.block(i)
            self.hash_to_block_id[h] = seq.block_table[i]


class Scheduler:
    def __init__(self, num_blocks: int, max_num_seqs: int, max_num_batched_tokens: int) -> None:
        self.max_num_seqs, self.max_num_batched_tokens, self.eos = max_num_seqs, max_num_batched_tokens, EOS
        self.block_manager = BlockManager(num_blocks, Sequence.block_size)
        self.waiting: deque[Sequence] = deque()
        self.running: deque[Sequence] = deque()

    def add(self, seq: Sequence) -> None:
        self.waiting.append(seq)

    def schedule(self) -> tuple[list[Sequence], bool]:
        batch: list[Sequence] = []
        left = self.max_num_batched_tokens
        while self.waiting and len(batch) < self.max_num_seqs and left > 0:
            seq = self.waiting[0]
            if fresh := not seq.block_table:
                cached = self.block_manager.can_allocate(seq)
                if cached == -1:
                    break
                tokens = seq.num_tokens - cached * self.block_manager.block_size
            else:
                tokens = seq.num_tokens - seq.num_cached_tokens
            if tokens > left and batch:
                break
            if fresh:
                self.block_manager.allocate(seq, cached)
            seq.num_scheduled_tokens = min(tokens, left)
            left -= seq.num_scheduled_tokens
            if seq.num_cached_tokens + seq.num_scheduled_tokens == seq.num_tokens:
                self.running.append(self.waiting.popleft())
            batch.append(seq)
        if batch:
            return batch, True
        while self.running and len(batch) < self.max_num_seqs:
            seq = self.running.popleft()
            while not self.block_manager.can_append(seq):
                if not self.running:
                    self.preempt(seq)
                    break
                self.preempt(self.running.pop())
            else:
                seq.num_scheduled_tokens = 1
                if seq.num_tokens % self.block_manager.block_size == 1:
                    seq.block_table.append(self.block_manager.take())
                batch.append(seq)
        assert batch
        self.running.extendleft(reversed(batch))
        return batch, False

    def preempt(self, seq: Sequence) -> None:
        self.block_manager.deallocate(seq)
        self.waiting.appendleft(seq)

    def postprocess(self, seqs: list[Sequence], token_ids: list[int], is_prefill: bool) -> None:
        for seq, token in zip(seqs, token_ids):
            self.block_manager.hash_blocks(seq)
            seq.num_cached_tokens += seq.num_scheduled_tokens
            seq.num_scheduled_tokens = 0
            if is_prefill and seq.num_cached_tokens < seq.num_tokens:
                continue
            seq.token_ids.append(token)
            seq.num_tokens += 1
            if (token == EOS and not seq.ignore_eos) or seq.num_completion_tokens == seq.max_tokens:
                seq.is_finished = True
                self.block_manager.deallocate(seq)
                self.running.remove(seq)


class LLM:
    def __init__(self, **limits: Any) -> None:
        self.scheduler = Scheduler(**limits)

    def generate(self, prompts: list[list[int]], max_tokens: list[int], dice: random.Random) -> None:
        for prompt, most in zip(prompts, max_tokens):
            self.scheduler.add(Sequence(prompt, most, dice.random() < 0.5))
        while self.scheduler.waiting or self.scheduler.running:
            seqs, is_prefill = self.scheduler.schedule()
            self.scheduler.postprocess(seqs, [dice.randrange(5, 60) for _ in seqs], is_prefill)
