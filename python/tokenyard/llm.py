"""nano-vLLM's interface: LLM, SamplingParams, generate. Besides it chat, stream, an async stream."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Union

from tokenyard import _arguments, _tokenyard

Prompt = Union[str, Sequence[int]]
Message = Mapping[str, str]

# How often a waiting call looks whether Ctrl-C was pressed, seconds.
_LOOK = 0.05


@dataclass(frozen=True)
class SamplingParams:
    """Of one answer. temperature 0: always the most likely token. seed None: another text every time."""

    temperature: float = 1.0
    max_tokens: int = 64
    ignore_eos: bool = False
    min_tokens: int = 0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: str | Sequence[str] = ()
    stop_token_ids: Sequence[int] = ()
    logprobs: int | None = None
    priority: int = 0

    def __post_init__(self) -> None:
        for name in ("temperature", "top_p", "min_p", "repetition_penalty"):
            self._expect(name, (int, float), "a number")
        for name in ("max_tokens", "min_tokens", "top_k", "priority"):
            self._expect(name, int, "a whole number")
        for name in ("seed", "logprobs"):
            if getattr(self, name) is not None:
                self._expect(name, int, "a whole number or None")
        if not isinstance(self.ignore_eos, bool):
            raise _arguments.wrong_type("SamplingParams: ignore_eos", "True or False", self.ignore_eos)
        if not isinstance(self.stop, str) and not all(isinstance(text, str) for text in self.stop):
            raise _arguments.wrong_type("SamplingParams: stop", "a text or a list of texts", self.stop)
        _tokenyard.check_sampling(self._json())

    def _expect(self, name: str, types: type | tuple[type, ...], expected: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, types):
            raise _arguments.wrong_type(f"SamplingParams: {name}", expected, value)

    def _json(self) -> str:
        values = asdict(self)
        values["seed"] = -1 if self.seed is None else self.seed
        values["stop"] = [self.stop] if isinstance(self.stop, str) else list(self.stop)
        values["stop_token_ids"] = list(self.stop_token_ids)
        if self.logprobs is None:
            del values["logprobs"]
        try:
            return json.dumps(values, allow_nan=False)
        except ValueError as error:
            raise ValueError(f"SamplingParams: expected finite numbers: {error}") from None


@dataclass(frozen=True)
class Completion:
    """An answer. completion["text"] works as well as completion.text, as nano-vLLM's users have it."""

    text: str
    token_ids: list[int]
    finish_reason: str  # stop, length, cancelled
    prompt_tokens: int
    cached_tokens: int
    seed: int
    ttft_ms: float
    e2el_ms: float
    logprobs: list[tuple[tuple[int, float], list[tuple[int, float]]]]  # a token: (id, logprob) and the most likely ones

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


def _completion(pending: _tokenyard.Pending) -> Completion:
    text, tokens, reason, why, prompt_tokens, cached, seed, ttft, e2el, logprobs = pending.result()
    if reason == "refused":
        raise ValueError(why)
    if reason == "error":
        raise RuntimeError(why)
    reason = "length" if reason == "kv_capacity" else reason
    return Completion(text, tokens, reason, prompt_tokens, cached, seed, ttft / 1e6, e2el / 1e6, logprobs)


class _Progress:
    """tqdm where it is installed, else a line on a terminal."""

    def __init__(self, total: int, shown: bool) -> None:
        self._bar: Any = None
        self._total = total
        self._done = 0
        self._line = False
        if not shown:
            return
        try:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, desc="Generating", dynamic_ncols=True)
        except ImportError:
            self._line = sys.stderr.isatty()

    def one_done(self) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
        elif self._line:
            print(f"\rGenerating: {self._done} of {self._total}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line:
            print(file=sys.stderr)


class LLM:
    """A model and the engine that serves it.

    model: a Hugging Face folder of Qwen3, Qwen2.5, Llama 3 or SmolLM2; None: the small storyteller that comes along.
    The engine's options have nano-vLLM's and vLLM's names. enforce_eager is accepted and changes nothing: whether steps run as
    CUDA graphs is the backend's choice. tensor_parallel_size: ranks that share the model, 1, 2, 4 or 8: GPUs, or groups of the
    CPU's threads. kv_cache_dtype: "fp8" keeps K and V in eight bits a number.
    """

    def __init__(
        self,
        model: _arguments.PathLike | None = None,
        *,
        enforce_eager: bool = False,
        tensor_parallel_size: int = 1,
        kv_cache_dtype: str = "auto",
        max_model_len: int | None = None,
        max_num_seqs: int | None = None,
        max_num_batched_tokens: int | None = None,
        kvcache_block_size: int | None = None,
        num_kvcache_blocks: int | None = None,
        policy: str | None = None,
        enable_prefix_caching: bool | None = None,
        backend: str = "auto",
        threads: int = 0,
        trace: _arguments.PathLike | None = None,
    ) -> None:
        if type(tensor_parallel_size) is not int:
            raise _arguments.wrong_type("tensor_parallel_size", "a whole number", tensor_parallel_size)
        if tensor_parallel_size not in (1, 2, 4, 8):
            raise ValueError(f"tensor_parallel_size: expected 1, 2, 4 or 8, found {tensor_parallel_size}")
        if kv_cache_dtype not in ("auto", "fp8"):
            raise ValueError(f"kv_cache_dtype: expected auto or fp8, found {kv_cache_dtype!r}")
        if not isinstance(enforce_eager, bool):
            raise _arguments.wrong_type("enforce_eager", "True or False", enforce_eager)
        if backend not in ("auto", "cpu", "cuda"):
            raise ValueError(f"backend: expected auto, cpu or cuda, found {backend!r}")
        if isinstance(threads, bool) or not isinstance(threads, int):
            raise _arguments.wrong_type("threads", "a whole number", threads)
        if not 0 <= threads <= 1024:
            raise ValueError(f"threads: expected a whole number from 0 to 1024, found {threads}")
        given = {
            "policy": policy,
            "max_model_len": max_model_len,
            "max_num_seqs": max_num_seqs,
            "max_num_batched_tokens": max_num_batched_tokens,
            "block_size": kvcache_block_size,
            "num_blocks": num_kvcache_blocks,
            "enable_prefix_caching": enable_prefix_caching,
        }
        for name, value in given.items():
            known = str if name == "policy" else bool if name == "enable_prefix_caching" else int
            if value is not None and (type(value) is not known):
                raise _arguments.wrong_type(name, f"of type {known.__name__}", value)
        folder = str(_arguments.PACKAGED_SCENARIOS / "models" / "story")
        if model is not None:
            folder = _arguments.path_text("model", model)
        engine = json.dumps({name: value for name, value in given.items() if value is not None})
        file = "" if trace is None else _arguments.path_text("trace", trace)
        self._engine = _tokenyard.Engine(folder, engine, backend, threads, tensor_parallel_size, kv_cache_dtype, file)

    @property
    def config(self) -> dict[str, Any]:
        """The engine's, as it was resolved."""
        return json.loads(self._engine.config())  # type: ignore[no-any-return]

    @property
    def backend(self) -> str:
        return self._engine.backend()

    @property
    def notes(self) -> list[str]:
        """What was passed over in the model's files."""
        return self._engine.notes()

    def encode(self, text: str) -> list[int]:
        if not isinstance(text, str):
            raise _arguments.wrong_type("text", "a text", text)
        return self._engine.encode(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._engine.decode(_token_ids(token_ids))

    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        sampling_params: SamplingParams | Sequence[SamplingParams] | None = None,
        use_tqdm: bool = True,
    ) -> list[Completion]:
        """Continues texts or lists of token ids, all at once; answers in the prompts' order.

        Ctrl-C cancels what still runs and returns what is there, with the finish_reason "cancelled".
        """
        many = _prompts(prompts)
        return self._all([(self._start, prompt) for prompt in many], sampling_params, use_tqdm)

    def chat(
        self,
        messages: Sequence[Message] | Sequence[Sequence[Message]],
        sampling_params: SamplingParams | Sequence[SamplingParams] | None = None,
        use_tqdm: bool = True,
    ) -> list[Completion]:
        """Answers a conversation, or several: lists of {"role": ..., "content": ...}."""
        if isinstance(messages, (str, Mapping)) or not isinstance(messages, Sequence) or not messages:
            raise _arguments.wrong_type("messages", 'a list of {"role": ..., "content": ...}', messages)
        several: Any = [messages] if isinstance(messages[0], Mapping) else messages
        return self._all([(self._start_chat, _messages(one)) for one in several], sampling_params, use_tqdm)

    def stream(self, prompt: Prompt, sampling_params: SamplingParams | None = None) -> Iterator[str]:
        """The answer piece by piece. Leaving the loop cancels it."""
        pending = self._start(_prompts(prompt)[0], _sampling(sampling_params, 1)[0], True)
        return self._pieces(pending)

    async def astream(self, prompt: Prompt, sampling_params: SamplingParams | None = None) -> AsyncIterator[str]:
        """As stream(), for `async for`; other tasks run meanwhile."""
        pending = self._start(_prompts(prompt)[0], _sampling(sampling_params, 1)[0], True)
        try:
            while not pending.ready():
                if text := await asyncio.to_thread(pending.take, 1.0):
                    yield text
            if text := pending.take(0):
                yield text
            _completion(pending)
        finally:
            pending.cancel()

    def close(self) -> None:
        """Waits for what runs and ends the trace. Nothing can be asked afterwards."""
        self._engine.close()

    def __enter__(self) -> LLM:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @staticmethod
    def _pieces(pending: _tokenyard.Pending) -> Iterator[str]:
        try:
            while not pending.ready():
                if text := pending.take(_LOOK):
                    yield text
            if text := pending.take(0):
                yield text
            _completion(pending)
        finally:
            pending.cancel()

    def _start(self, prompt: Prompt, sampling: SamplingParams, streams: bool) -> _tokenyard.Pending:
        if isinstance(prompt, str):
            return self._engine.submit(prompt, sampling._json(), streams)
        return self._engine.submit_tokens(_token_ids(prompt), sampling._json(), streams)

    def _start_chat(self, messages: list[tuple[str, str]], sampling: SamplingParams, streams: bool) -> _tokenyard.Pending:
        return self._engine.chat(messages, sampling._json(), streams)

    def _all(
        self,
        asked: Sequence[tuple[Any, Any]],
        sampling_params: SamplingParams | Sequence[SamplingParams] | None,
        use_tqdm: bool,
    ) -> list[Completion]:
        sampling = _sampling(sampling_params, len(asked))
        pendings: list[_tokenyard.Pending] = []
        progress = _Progress(len(asked), use_tqdm)
        try:
            for (start, what), params in zip(asked, sampling):
                pendings.append(start(what, params, False))
            for pending in pendings:
                while not pending.wait(_LOOK):
                    pass
                progress.one_done()
        except KeyboardInterrupt:
            for pending in pendings:
                pending.cancel()
        except BaseException:
            for pending in pendings:
                pending.cancel()
            raise
        finally:
            with suppress(Exception):
                progress.close()
        return [_completion(pending) for pending in pendings]


def _token_ids(ids: object) -> list[int]:
    try:
        out = [int(i) for i in ids if not isinstance(i, (str, float, bool))]  # type: ignore[attr-defined]
        if len(out) == len(ids) and all(-(2**31) <= i < 2**31 for i in out):  # type: ignore[arg-type]
            return out
    except (TypeError, ValueError):
        pass
    raise _arguments.wrong_type("prompt", "a text or a list of token ids", ids)


def _prompts(prompts: object) -> list[Prompt]:
    """One prompt or several. A list of numbers is one."""
    if isinstance(prompts, str):
        return [prompts]
    if isinstance(prompts, Mapping) or not hasattr(prompts, "__len__") or not hasattr(prompts, "__getitem__"):
        raise _arguments.wrong_type("prompts", "texts or lists of token ids", prompts)
    if len(prompts) == 0:
        return []
    if isinstance(prompts[0], str) or hasattr(prompts[0], "__len__"):
        return [one if isinstance(one, str) else _token_ids(one) for one in prompts]  # type: ignore[attr-defined]
    return [_token_ids(prompts)]


def _messages(conversation: object) -> list[tuple[str, str]]:
    out = []
    for message in conversation if isinstance(conversation, Sequence) else [conversation]:
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise _arguments.wrong_type("messages", '{"role": ..., "content": ...}', message)
        if not isinstance(message["role"], str) or not isinstance(message["content"], str):
            raise _arguments.wrong_type("messages", "texts for role and content", message)
        out.append((message["role"], message["content"]))
    return out


def _sampling(params: SamplingParams | Sequence[SamplingParams] | None, count: int) -> list[SamplingParams]:
    if params is None:
        return [SamplingParams()] * count
    if isinstance(params, SamplingParams):
        return [params] * count
    if not isinstance(params, Sequence) or not all(isinstance(one, SamplingParams) for one in params):
        raise _arguments.wrong_type("sampling_params", "SamplingParams or a list of them", params)
    if len(params) != count:
        raise ValueError(f"sampling_params: expected {count}, one a prompt, found {len(params)}")
    return list(params)
