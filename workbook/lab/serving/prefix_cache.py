"""Prompts that were read lately, kept because others may begin alike (prefix caching).

Knows keys and values of whole prompts; nothing of answers in progress, sampling or text.

Shapes: L layers, K key/value heads, T tokens of a prompt, D head width.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

CACHED_TOKENS = 4096  # prompt tokens kept, of all models together (about 23 KB each)


@dataclass(eq=False)
class Prefix:
    """The beginning of a prompt as one model has read it.

    reader: who has read it; another's keys and values are of no use to it.
    owner: for whom; nobody else is to learn that it was asked.
    """

    reader: object
    owner: str
    tokens: np.ndarray  # (T,)
    k: Tensor  # (L, K, T, D)
    v: Tensor  # (L, K, T, D)


class PrefixCache:
    """Beginnings of prompts, of any model; what was not used for longest makes room."""

    def __init__(self) -> None:
        self._entries: list[Prefix] = []  # in order of use: the one used last is the last

    def longest(self, reader: object, owner: str, tokens: np.ndarray) -> tuple[int, Prefix | None]:
        """How many tokens of a prompt are there already, and the entry that begins with them.

        At most all but the last token: from that one comes the first logits.
        """
        best, best_entry = 0, None
        for entry in self._entries:
            if entry.reader is reader and entry.owner == owner:
                length = min(shared_length(tokens, entry.tokens), len(tokens) - 1)
                if length > best:
                    best, best_entry = length, entry
        if best_entry:
            self._entries.remove(best_entry)
            self._entries.append(best_entry)
        return best, best_entry

    def add(self, prefix: Prefix) -> None:
        """Keep a beginning, unless it is longer than the whole cache."""
        if len(prefix.tokens) > CACHED_TOKENS:
            return
        self._entries.append(prefix)
        while sum(len(entry.tokens) for entry in self._entries) > CACHED_TOKENS:
            self._entries.pop(0)

    def drop(self, reader: object) -> None:
        """Drop all that a model has read."""
        self._entries = [entry for entry in self._entries if entry.reader is not reader]


def shared_length(a: np.ndarray, b: np.ndarray) -> int:
    """How many tokens two sequences share at their beginning."""
    n = min(len(a), len(b))
    differences = np.flatnonzero(a[:n] != b[:n])
    return int(differences[0]) if len(differences) else n
