"""Answers many requests at once: every step runs one packed row of tokens through the model.

A step carries the next token of each answer being written and chunks of the prompts being read
(continuous batching). Prompts that begin alike are read once. The engine knows token ids and
models; it knows nothing of HTTP, chat messages or jobs.

Shapes: S slots (answers in progress), T positions, L layers, K key/value heads, D head width.
"""

import bisect
import contextlib
import ctypes
import itertools
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from workbook.lab.model import device as devices
from workbook.lab.model import lora as adapters
from workbook.lab.model.llama import LINEARS, Block, Dense, Llama, Packed, gflops, load_blocks
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.serving.cache import Attention, Prefix, Prefixes, common
from workbook.lab.serving.sampler import Chooser, Grammars, Rules

SLOTS = 32  # answers written at the same time
ROWS = 64  # logits of a prompt at a time: a row is as long as the vocabulary
CHUNK = 1024  # prompt tokens read in one step, so that answers in progress do not stall
TOTAL_TOKENS = 16384  # bound on slots times the longest sequence, of all models together
WORTH_SHARING = 32  # a shared beginning shorter than this is not worth waiting for
MODELS = 2  # tuned models kept in memory beside the base


@dataclass
class Request(Rules):
    """What to continue, and how. `adapter` is a tuned model's folder; None is the base."""

    prompt: list[int]
    max_tokens: int
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    prompt_logprobs: bool = False  # name those of the prompt, too
    adapter: Path | None = None
    # Called from the engine's thread with each piece of text and the logprobs of its tokens.
    on_text: Callable[[str, list["TokenLogprob"]], None] | None = None


@dataclass
class TokenLogprob:
    """A token, its natural-log probability, and the likeliest tokens in its place."""

    text: str
    raw: bytes  # of which text can show no half characters
    logprob: float | None  # None: nothing stands before it
    top: list["TokenLogprob"] = field(default_factory=list)


@dataclass
class Completion:
    """An answer. `logprobs`: its own, after the prompt's where they are wanted. `cached_tokens`: how
    much of the prompt had been read before."""

    text: str
    tokens: list[int]
    finish_reason: Literal["stop", "length"]
    logprobs: list[TokenLogprob] | None
    cached_tokens: int = 0


class Engine:
    """The base model and its tuned variants, answering from one background thread."""

    def __init__(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        self.folder, self.device = Path(folder), devices.choose()
        self.dtype = dtype or devices.dtype(self.device)
        self._gflops = gflops(self.dtype, self.device)
        self.tokenizer = Tokenizer(folder)
        self._packs = self.device.type == "cpu" and Packed.works(self.dtype)
        base = Llama.load(self.folder, self.dtype, self.device)
        self._pack(base.blocks)
        base.head = self._packed(base.head)
        self.context = base.config.context
        self._grammars = Grammars(
            self.folder / "tokenizer.json", base.config.vocabulary, self.tokenizer.end
        )
        self._prefixes = Prefixes()
        self._batches: dict[Path | None, _Batch] = {}
        self._batches[None] = self._batch(base)
        self._loading: dict[Path, list[_Sequence]] = {}  # who waits for a tuned model
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="tuned-model")
        self._inbox: queue.SimpleQueue[_Sequence | _Loaded | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[Completion]:
        """Queue a request from any thread. `cancel()` on the result stops the work on it."""
        sequence = _Sequence(request)
        self._inbox.put(sequence)
        return sequence.future

    def close(self) -> None:
        """Stop the thread; unfinished requests are cancelled."""
        self._loader.shutdown(cancel_futures=True)
        self._inbox.put(None)
        self._thread.join()

    def info(self) -> dict[str, str | float]:
        """The device and number format chosen at start, and its matrix-multiply speed."""
        return {
            "device": self.device.type,
            "dtype": str(self.dtype).removeprefix("torch."),
            "gflops": round(self._gflops),
        }

    def _run(self) -> None:
        while True:
            busy = any(batch.busy for batch in self._batches.values())
            if not busy:
                self._forget_idle()
                _give_back_memory()
            try:
                while True:
                    came = self._inbox.get(block=not busy)
                    if came is None:
                        return self._drop_all()
                    self._place(came) if isinstance(came, _Sequence) else self._welcome(came)
                    busy = any(batch.busy for batch in self._batches.values())
            except queue.Empty:
                pass
            for batch in list(self._batches.values()):
                if batch.busy:
                    with torch.inference_mode():
                        batch.step()

    def _drop_all(self) -> None:
        for batch in self._batches.values():
            batch.drop_all()
        for sequence in itertools.chain(*self._loading.values()):
            sequence.future.cancel()

    def _place(self, sequence: "_Sequence") -> None:
        """Hand a new request to the batch of its model, or let it wait until that is loaded."""
        request = sequence.request
        try:
            sequence.chooser = Chooser(request, self._grammars)
        except Exception as error:
            return _deliver(sequence, error)
        if request.adapter in self._batches:
            batch = self._batches.pop(request.adapter)
            self._batches[request.adapter] = batch  # last in the dict: most recently used
            batch.waiting.append(sequence)
        elif request.adapter in self._loading:
            self._loading[request.adapter].append(sequence)
        else:
            self._loading[request.adapter] = [sequence]
            self._loader.submit(self._load, request.adapter)

    def _load(self, folder: Path) -> None:
        """Load a tuned model beside the engine's thread: answers in progress go on meanwhile."""
        try:
            with torch.inference_mode(), _apart():
                self._inbox.put(_Loaded(folder, self._tuned(folder)))
        except Exception as error:
            self._inbox.put(_Loaded(folder, error))

    def _welcome(self, loaded: "_Loaded") -> None:
        waiting = self._loading.pop(loaded.folder)
        if isinstance(loaded.model, Exception):
            for sequence in waiting:
                _deliver(sequence, loaded.model)
            return
        batch = self._batches[loaded.folder] = self._batch(loaded.model)
        batch.waiting += waiting
        self._forget_idle()

    def _batch(self, model: Llama) -> "_Batch":
        return _Batch(model, self.tokenizer, self._prefixes, self._batches)

    def _forget_idle(self) -> None:
        """Of the tuned models that have nothing to do, keep those that were used last."""
        tuned = [key for key in self._batches if key is not None]
        for key in tuned[:-MODELS]:
            if not self._batches[key].busy:
                self._prefixes.forget(self._batches.pop(key))

    def _tuned(self, folder: Path) -> Llama:
        """The base with an adapter merged in; layers it does not touch are shared."""
        base, adapter = self._batches[None].model, adapters.load(folder)
        changed = load_blocks(self.folder, self.dtype, self.device, adapters.layers(adapter))
        adapters.merge(changed, adapter)
        self._pack(changed.values())
        blocks = [changed.get(i, block) for i, block in enumerate(base.blocks)]
        return Llama(base.config, base.embedding, blocks, base.norm, base.head)

    def _pack(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            for name in LINEARS:
                setattr(block, name, self._packed(getattr(block, name)))

    def _packed(self, linear: Dense) -> Dense | Packed:
        return Packed(linear.weight) if self._packs else linear


@dataclass(eq=False)
class _Sequence:
    """One answer in progress: its tokens, of which the first `done` are in the cache."""

    request: Request
    future: Future = field(default_factory=Future)
    chooser: Chooser | None = None  # from when it is placed
    tokens: list[int] = field(default_factory=list)
    done: int = 0
    cached: int = 0
    sent: int = 0  # characters already handed to on_text
    asked: list[TokenLogprob] = field(default_factory=list)  # the prompt, where that is wanted
    logprobs: list[TokenLogprob] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # characters of text after each of these tokens
    told: int = 0  # logprobs already handed to on_text

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt)

    @property
    def generated(self) -> list[int]:
        return self.tokens[len(self.request.prompt) :]


@dataclass(frozen=True)
class _Loaded:
    """A tuned model, or why it could not be loaded."""

    folder: Path
    model: Llama | Exception


class _Batch:
    """The sequences of one model, with their keys and values in slots of one cache."""

    def __init__(
        self,
        model: Llama,
        tokenizer: Tokenizer,
        prefixes: Prefixes,
        batches: dict[Path | None, "_Batch"],
    ) -> None:
        """batches: those of all models, which share the memory; this one will be among them."""
        self.model, self.tokenizer = model, tokenizer
        self._prefixes, self._batches = prefixes, batches
        self.waiting: list[_Sequence] = []
        self.active: list[_Sequence] = []  # the index is the slot
        self._k = self._v = self._new_cache(0, 0)

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.active)

    @property
    def _longest(self) -> int:
        return max((len(sequence.tokens) for sequence in self.active), default=0)

    def drop_all(self) -> None:
        for sequence in self.waiting + self.active:
            sequence.future.cancel()

    def step(self) -> None:
        """Admit what fits, run one packed row, sample a token for each sequence that is ready."""
        self._retire([s for s in self.active if s.future.cancelled()])
        self._admit()
        if not self.active:
            return
        try:
            ready, logits = self._forward()
            finished = [s for s, row in zip(ready, logits, strict=True) if self._extend(s, row)]
        except Exception as error:
            for sequence in self.active:
                _deliver(sequence, error)
            finished = list(self.active)
        self._retire(finished)

    def _admit(self) -> None:
        later: list[_Sequence] = []
        arriving: list[np.ndarray] = []
        for sequence in self.waiting:
            if not sequence.future.cancelled() and not self._take(sequence, arriving):
                later.append(sequence)
        self.waiting = later

    def _take(self, sequence: _Sequence, arriving: list[np.ndarray]) -> bool:
        """Give the sequence a slot, unless there is none or a neighbour is reading its beginning."""
        tokens, slot = np.array(sequence.tokens), len(self.active)
        if slot and (slot >= SLOTS or not self._fits(len(tokens))):
            return False
        known, prefix = 0, None
        if not sequence.request.prompt_logprobs:  # those must be read in full
            known, prefix = self._prefixes.longest(self, tokens)
            reading = arriving + [
                np.array(s.tokens) for s in self.active if s.done < len(s.request.prompt)
            ]
            if any(common(tokens, other) >= known + WORTH_SHARING for other in reading):
                return False
        self._reserve(slot + 1, len(tokens) + 1)
        if prefix:
            self._k[:, slot, :, :known] = prefix.k[:, :, :known]
            self._v[:, slot, :, :known] = prefix.v[:, :, :known]
        sequence.done = sequence.cached = known
        self.active.append(sequence)
        arriving.append(tokens)
        return True

    def _fits(self, length: int) -> bool:
        """Whether one more sequence has room beside those of all models."""
        others = sum(len(b.active) * b._longest for b in self._batches.values() if b is not self)
        own = (len(self.active) + 1) * max(length, self._longest)
        return own + others <= TOTAL_TOKENS

    def _forward(self) -> tuple[list[_Sequence], Tensor]:
        """One packed row through the model. Sequences read to their end, and their logits (n, V)."""
        chunks = self._chunks()
        writing = [slot for slot, n in enumerate(chunks) if n == 1]
        reading = [slot for slot, n in enumerate(chunks) if n > 1]
        order = writing + reading
        pieces = [self.active[s].tokens[self.active[s].done :][: chunks[s]] for s in order]
        starts = [self.active[s].done for s in order]
        self._reserve(len(self.active), max(a + len(p) for a, p in zip(starts, pieces)))
        positions = np.concatenate([np.arange(a, a + len(p)) for a, p in zip(starts, pieces)])
        x = self.model.embed(torch.tensor(np.concatenate(pieces)))
        angles = self.model.angles(torch.from_numpy(positions))
        attend = Attention(
            self._k,
            self._v,
            writing,
            starts[: len(writing)],
            [(s, self.active[s].done, chunks[s]) for s in reading],
        )
        for layer in range(self.model.config.layers):
            x = self.model.block(layer, x, angles, attend)
        ends = np.cumsum([len(p) for p in pieces]) - 1
        ready, rows = [], []
        for slot, end in zip(order, ends):
            sequence = self.active[slot]
            if sequence.request.prompt_logprobs:
                self._look_back(sequence, x[end + 1 - chunks[slot] : end + 1])
            sequence.done += chunks[slot]
            if sequence.done == len(sequence.tokens):
                ready.append(sequence)
                rows.append(int(end))
            if sequence.done == len(sequence.request.prompt):
                k, v = (cache[:, slot, :, : sequence.done].clone() for cache in (self._k, self._v))
                self._prefixes.remember(Prefix(self, np.array(sequence.request.prompt), k, v))
        return ready, self.model.logits(x[rows]).cpu() if rows else torch.empty(0, 0)

    def _chunks(self) -> list[int]:
        """How many tokens of each slot go into this step."""
        room, chunks = CHUNK, []
        for sequence in self.active:
            pending = len(sequence.tokens) - sequence.done
            chunks.append(1 if pending == 1 else min(pending, room))
            room -= chunks[-1] if pending > 1 else 0
        return chunks

    def _extend(self, sequence: _Sequence, logits: Tensor) -> bool:
        """Sample the next token (V,); True when the answer is finished."""
        request = sequence.request
        if not request.max_tokens:  # only the prompt's logprobs are wanted
            self._finish(sequence, "", "length")
            return True
        token = sequence.chooser.choose(logits, sequence.generated)
        if request.top_logprobs is not None and token not in self.tokenizer.stops:
            named = self._named(token, logits.log_softmax(-1), request.top_logprobs)
            sequence.logprobs.append(named)
        sequence.tokens.append(token)
        ended = token in self.tokenizer.stops
        full = (
            len(sequence.generated) >= request.max_tokens
            or len(sequence.tokens) >= self.model.config.context
        )
        constrained = sequence.chooser.finished
        if not (ended or full or constrained or request.stop or request.on_text):
            return False
        text = self.tokenizer.decode(sequence.generated)
        sequence.ends.append(len(text.rstrip("\ufffd")))
        cut = min((at for s in request.stop if (at := text.find(s)) >= 0), default=None)
        stopped = ended or constrained or cut is not None
        finished = stopped or full
        if cut is not None:
            text = text[:cut]
            del sequence.logprobs[bisect.bisect_left([0, *sequence.ends[:-1]], cut) :]
        if request.on_text:
            self._stream(sequence, text, finished)
        if finished:
            self._finish(sequence, text, "stop" if stopped else "length")
        return finished

    def _finish(self, sequence: _Sequence, text: str, reason: Literal["stop", "length"]) -> None:
        """Deliver the answer."""
        logprobs = None
        if sequence.request.top_logprobs is not None:
            logprobs = sequence.asked + sequence.logprobs
        _deliver(sequence, Completion(text, sequence.generated, reason, logprobs, sequence.cached))

    def _stream(self, sequence: _Sequence, text: str, finished: bool) -> None:
        """Hand on what is certain: no half character, nothing that may become a stop string."""
        certain = len(text)
        if not finished:
            text = text.rstrip("\ufffd")
            held = max((len(stop) - 1 for stop in sequence.request.stop), default=0)
            certain = max(sequence.sent, len(text) - held)
        known = len(sequence.logprobs) if finished else bisect.bisect_right(sequence.ends, certain)
        logprobs = sequence.logprobs[sequence.told : known]
        if certain > sequence.sent or logprobs:
            sequence.request.on_text(text[sequence.sent : certain], logprobs)
            sequence.sent, sequence.told = certain, known

    def _look_back(self, sequence: _Sequence, x: Tensor) -> None:
        """Name the prompt's tokens that follow the next rows x (n, C) of it."""
        prompt, top = sequence.request.prompt, sequence.request.top_logprobs or 0
        if not sequence.done:
            sequence.asked.append(self._token(prompt[0], None))
        followers = prompt[sequence.done + 1 :]
        for first in range(0, min(len(x), len(followers)), ROWS):
            some = followers[first : first + min(ROWS, len(x) - first)]
            logits = self.model.logits(x[first : first + len(some)]).cpu()
            for token, row in zip(some, logits.log_softmax(-1), strict=True):
                sequence.asked.append(self._named(token, row, top))

    def _token(self, token: int, logprob: float | None) -> TokenLogprob:
        return TokenLogprob(self.tokenizer.piece(token), self.tokenizer.raw(token), logprob)

    def _named(self, token: int, logprobs: Tensor, top: int) -> TokenLogprob:
        def named(i: int) -> TokenLogprob:
            return self._token(i, float(logprobs[i]))

        chosen = named(token)
        chosen.top = [named(i) for i in logprobs.topk(top).indices.tolist()]
        return chosen

    def _retire(self, finished: list[_Sequence]) -> None:
        """Free slots; the last sequence moves into the hole, so that slots stay contiguous."""
        for sequence in finished:
            slot, last = self.active.index(sequence), len(self.active) - 1
            if slot != last:
                done = self.active[last].done
                self._k[:, slot, :, :done] = self._k[:, last, :, :done]
                self._v[:, slot, :, :done] = self._v[:, last, :, :done]
                self.active[slot] = self.active[last]
            self.active.pop()
        if not self.busy:  # several models may lie idle: they keep no room for answers
            self._k = self._v = self._new_cache(0, 0)

    def _reserve(self, slots: int, length: int) -> None:
        """Make room for so many slots of so many positions, and for some more."""
        have_slots, have_length = self._k.shape[1], self._k.shape[3]
        if slots <= have_slots and length <= have_length:
            return
        if length > have_length:
            have_length = -(-length * 5 // 4 // 64) * 64
        slots = max(slots, min(SLOTS, 2 * slots, TOTAL_TOKENS // have_length))
        self._k = self._moved(self._k, slots, have_length)
        self._v = self._moved(self._v, slots, have_length)

    def _moved(self, cache: Tensor, slots: int, length: int) -> Tensor:
        """What the sequences have in a cache, in a new one of that size."""
        used, longest = len(self.active), max([s.done for s in self.active], default=0)
        room = self._new_cache(slots, length)
        room[:, :used, :, :longest] = cache[:, :used, :, :longest]
        return room

    def _new_cache(self, slots: int, length: int) -> Tensor:
        c = self.model.config
        shape = (c.layers, slots, c.kv_heads, length, c.head_width)
        return torch.zeros(shape, dtype=self.model.dtype, device=self.model.device)


def _deliver(sequence: _Sequence, result: Completion | Exception) -> None:
    """Give the caller the result, unless the caller has gone."""
    if sequence.future.set_running_or_notify_cancel():
        if isinstance(result, Exception):
            sequence.future.set_exception(result)
        else:
            sequence.future.set_result(result)


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Give large blocks pages of their own meanwhile: a model that goes then leaves no holes between
    other things, which glibc could not return (measured: a peak 210 MB lower when six models were
    asked in turn)."""
    try:
        _mallopt(2**20)
        yield
    finally:
        _mallopt(2**25)  # glibc's most: what comes and goes in each step is better kept


def _mallopt(threshold: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(-3, threshold)  # M_MMAP_THRESHOLD


def _give_back_memory() -> None:
    """Return what was freed to the system; glibc would keep hundreds of megabytes."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
