"""The answers that one model writes at the same time (continuous batching).

A step carries the next token of each answer being written and chunks of the prompts being read, all
in one packed row. Prompts that begin alike are read once. Knows slots and tensors; what a token
means, where an answer ends and who waits for it, `sequence` knows.

Shapes: N tokens of a step, C model width, V vocabulary, n answers that get their next token.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbook.lab.model.llama import Llama
from workbook.lab.serving.kv_cache import SLOTS, TOTAL_TOKENS, CachedAttention, Chunk, KVCache
from workbook.lab.serving.prefix_cache import Prefix, PrefixCache, shared_length
from workbook.lab.serving.sequence import Sequence, deliver

CHUNK = 1024  # prompt tokens read in one step, so that answers in progress do not stall
HEADROOM = 64  # tokens that a sequence may grow by before it is in the way of the others
LOGIT_ROWS = 64  # a prompt's logits at a time: a row is as long as the vocabulary (200 KB)
WORTH_SHARING = 32  # tokens: a shorter shared beginning is not worth waiting for


class Batch:
    """The sequences of one model, with their keys and values in slots of one cache."""

    def __init__(
        self, model: Llama, prefixes: PrefixCache, batches: Mapping[Path | None, "Batch"]
    ) -> None:
        """batches: those of all models, which share the memory; this one will be among them."""
        self.model = model
        self.waiting: list[Sequence] = []
        self._prefixes, self._batches = prefixes, batches
        self._active: list[Sequence] = []  # the index is the slot
        self._cache = KVCache(model)

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self._active)

    def cancel_all(self) -> None:
        for sequence in self.waiting + self._active:
            sequence.future.cancel()

    def fail_all(self, error: Exception) -> None:
        """End every answer with an error."""
        for sequence in self.waiting + self._active:
            if not sequence.future.done():  # where admission has failed, one may stand in both
                deliver(sequence.future, error)

    def step(self) -> None:
        """Admit what fits, run one packed row, sample a token for each sequence that is ready."""
        self._retire([s for s in self._active if s.future.cancelled()])
        self._make_room()
        self._admit()
        if not self._active:
            return
        try:
            ready, logits = self._forward()
        except Exception as error:
            for sequence in self._active:
                deliver(sequence.future, error)
            self._retire(list(self._active))
            return
        self._retire([s for s, row in zip(ready, logits, strict=True) if s.extend(row)])

    # Admission

    def _admit(self) -> None:
        arriving: list[tuple[str, np.ndarray]] = []  # owners and prompts that get a slot now
        self.waiting = [
            sequence
            for sequence in self.waiting
            if not sequence.future.cancelled() and not self._start(sequence, arriving)
        ]

    def _start(self, sequence: Sequence, arriving: list[tuple[str, np.ndarray]]) -> bool:
        """Give it a slot, unless there is none, or a neighbour is reading its beginning."""
        tokens, slot = np.array(sequence.tokens), len(self._active)
        owner = sequence.request.owner
        if slot and (slot >= SLOTS or not self._fits(slot + 1, len(tokens) + HEADROOM)):
            return False
        n_cached, prefix = 0, None
        if not sequence.wants_prompt_logprobs:  # those must be read in full
            n_cached, prefix = self._prefixes.longest(self, owner, tokens)
            reading = arriving + [
                (s.request.owner, np.array(s.tokens)) for s in self._active if s.reads_prompt
            ]
            if any(
                shared_length(tokens, other) >= n_cached + WORTH_SHARING
                for their, other in reading
                if their == owner
            ):
                return False
        self._reserve(slot + 1, len(tokens) + 1)
        if prefix:
            self._cache.write(slot, prefix.k[:, :, :n_cached], prefix.v[:, :, :n_cached])
        sequence.begin(n_cached)
        self._active.append(sequence)
        arriving.append((owner, tokens))
        return True

    def _fits(self, slots: int, length: int = 0) -> bool:
        """Whether so many sequences, the longest as long or longer, fit beside other models'."""
        others = sum(b._cache.positions for b in self._batches.values() if b is not self)
        return slots * max(length, self._longest) + others <= TOTAL_TOKENS

    def _make_room(self) -> None:
        """Put the youngest back into the queue, as often as the answers have outgrown the memory.

        What they have read is read again when it is their turn; what they have written stays. One
        is always left, so that there is an end.
        """
        while len(self._active) > 1 and not self._fits(len(self._active)):
            youngest = max(self._active, key=lambda sequence: sequence.number)
            self._retire([youngest])
            youngest.restart()
            self.waiting.insert(0, youngest)
        used = len(self._active) * self._longest
        if self._cache.positions > 4 * max(used, CHUNK):  # other models may need it
            states = [self._cache.read(i, s.n_computed) for i, s in enumerate(self._active)]
            self._cache.clear()
            if states:  # none: all that were answered have ended, others wait
                self._cache.reserve(len(self._active), self._longest + 1, [])
            for slot, (k, v) in enumerate(states):
                self._cache.write(slot, k, v)

    @property
    def _longest(self) -> int:
        return max((len(sequence.tokens) for sequence in self._active), default=0)

    def _reserve(self, slots: int, length: int) -> None:
        self._cache.reserve(slots, length, [sequence.n_computed for sequence in self._active])

    def _retire(self, finished: list[Sequence]) -> None:
        """Free slots; the last sequence moves into the hole, so that slots stay contiguous."""
        for sequence in finished:
            slot, last = self._active.index(sequence), len(self._active) - 1
            if slot != last:
                self._cache.move(last, slot, self._active[last].n_computed)
                self._active[slot] = self._active[last]
            self._active.pop()
        if not self.busy:  # several models may lie idle: they keep no room for answers
            self._cache.clear()

    # The forward pass

    def _forward(self) -> tuple[list[Sequence], Tensor]:
        """One packed row through the model: the sequences that are read to their end, and the
        logits (n, V) for their next tokens."""
        decoding, prefilling = self._chunks()
        chunks = decoding + prefilling
        self._reserve(len(self._active), max(chunk.start + chunk.size for chunk in chunks))
        tokens = np.concatenate([self._tokens(chunk) for chunk in chunks])  # (N,)
        positions = np.concatenate([np.arange(c.start, c.start + c.size) for c in chunks])  # (N,)
        x = self.model.embed(torch.tensor(tokens))  # (N, C)
        angles = self.model.angles(torch.from_numpy(positions))
        attend = CachedAttention(self._cache, decoding, prefilling)
        for layer in range(self.model.config.layers):
            x = self.model.block(layer, x, angles, attend)
        ready: list[Sequence] = []
        rows: list[int] = []  # of x: the last token of each ready sequence
        end = 0
        for chunk in chunks:
            sequence, end = self._active[chunk.slot], end + chunk.size
            if sequence.wants_prompt_logprobs:
                self._score_prompt(sequence, x[end - chunk.size : end])
            sequence.n_computed += chunk.size
            if not sequence.pending:
                ready.append(sequence)
                rows.append(end - 1)
            if sequence.n_computed == len(sequence.request.prompt):
                k, v = self._cache.read(chunk.slot, sequence.n_computed)
                self._prefixes.add(
                    Prefix(self, sequence.request.owner, np.array(sequence.request.prompt), k, v)
                )
        return ready, self.model.logits(x[rows]).cpu() if rows else torch.empty(0, 0)

    def _chunks(self) -> tuple[list[Chunk], list[Chunk]]:
        """What goes into this step: slots with one new token, and longer chunks of prompts."""
        decoding: list[Chunk] = []
        prefilling: list[Chunk] = []
        room = CHUNK
        for slot, sequence in enumerate(self._active):
            size = sequence.pending
            if size > 1:
                size = min(size, room)
                room -= size
            if size:
                chunk = Chunk(slot, sequence.n_computed, size)
                (decoding if size == 1 else prefilling).append(chunk)
        return decoding, prefilling

    def _tokens(self, chunk: Chunk) -> list[int]:
        return self._active[chunk.slot].tokens[chunk.start : chunk.start + chunk.size]

    def _score_prompt(self, sequence: Sequence, x: Tensor) -> None:
        """Name the prompt's tokens that follow the next rows x (rows, C) of it."""
        followers = sequence.request.prompt[sequence.n_computed + 1 :]
        for first in range(0, min(len(x), len(followers)), LOGIT_ROWS):
            rows = x[first : first + LOGIT_ROWS]
            tokens = followers[first : first + len(rows)]
            logits = self.model.logits(rows[: len(tokens)]).cpu()  # (len(tokens), V)
            sequence.add_prompt_logprobs(tokens, logits)
