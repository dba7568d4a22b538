"""Texts that are nearly the same as an earlier one. Knows texts, not what they are part of."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from workbook.doctor.common_text import common_end, common_start

NEAR = 0.85
"""Share of five-letter pieces, or shingles (Jaccard), from which two texts are nearly the same."""
SHORTEST = 40
"""Letters; shorter texts are alike too easily."""
_LONGEST = 20_000  # letters; of longer texts so many are compared
_SHINGLE = 5  # letters
_PERMUTATIONS = 64
_BANDS = (6, 10)
"""Bands, and hashes in each: of pairs that are 0.85, 0.9 or 0.95 the same, 73, 92 and 99.6 % are
compared; of those that are 0.7 the same, 16 %."""
_CANDIDATES = 20  # texts that one text is compared with letter by letter
_FIRST = 10  # texts from which a common beginning and end are learned
_NUMBER = re.compile(r"\d+")


class NearIndex:
    """Texts that differ in letters only, not in numbers: by MinHash (datasketch), then exactly.

    What opens or ends all of the first texts (an instruction before every question) is left out of
    the comparison: it would make everything nearly the same.
    """

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._head = self._tail = ""
        self._index: Any = None  # once the first texts are known; those are compared one by one

    def match(
        self, key: int, text: str, is_candidate: Callable[[int], bool] = lambda key: True
    ) -> tuple[int, float] | None:
        """(the key of an earlier text that is nearly this one, the share that is the same).

        key: under which this text is remembered.
        is_candidate: says of an earlier key whether it counts.
        """
        text = text[:_LONGEST]
        if self._index is None and len(self._texts) >= _FIRST:
            self._settle()
        elif self._index is None:
            self._learn(text)
        core = self._core(text)
        if len(core) < SHORTEST:
            self._texts[key] = text
            return None
        minhash = self._minhash(core) if self._index is not None else None
        others = self._texts if minhash is None else self._index.query(minhash)
        nearest = self._nearest(text, core, sorted(filter(is_candidate, others)))
        self._texts[key] = text
        if minhash is not None:
            self._index.insert(key, minhash)
        return nearest

    def _nearest(self, text: str, core: str, keys: list[int]) -> tuple[int, float] | None:
        """The first of these earlier texts that is near enough."""
        if not keys:
            return None
        shingles, numbers = _shingles(core), _NUMBER.findall(text)
        for key in keys[:_CANDIDATES]:
            other = self._texts[key]
            if (
                numbers == _NUMBER.findall(other)
                and (share := _jaccard(shingles, _shingles(self._core(other)))) >= NEAR
            ):
                return key, share
        return None

    def _learn(self, text: str) -> None:
        self._head = common_start(self._head, text) if self._texts else text
        self._tail = common_end(self._tail, text) if self._texts else text

    def _core(self, text: str) -> str:
        """The text without what opens and ends all of the first ones."""
        head, tail = self._head, self._tail
        if len(self._texts) < 2 or not (text.startswith(head) and text.endswith(tail)):
            return text
        return text[len(head) : max(len(head), len(text) - len(tail))]

    def _settle(self) -> None:
        from datasketch import MinHash, MinHashLSH  # here: its import takes a second

        # Drawing the permutations is slow; every hash shares one draw.
        self._empty = MinHash(num_perm=_PERMUTATIONS)
        self._factors = (self._empty.permutations[0] | 1).astype(np.uint32)[:, None]
        self._index = MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)
        for key, text in self._texts.items():
            if len(core := self._core(text)) >= SHORTEST:
                self._index.insert(key, self._minhash(core))

    def _minhash(self, text: str) -> Any:
        """As datasketch's `update_batch`, for all shingles at once."""
        letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        hashes = np.zeros(len(letters) - _SHINGLE + 1, np.uint32)
        for place in range(_SHINGLE):  # what is too large falls off at the top: modulo 2^32
            hashes = hashes * _PRIME + letters[place : place + len(hashes)]
        hashes ^= hashes >> np.uint32(15)
        minhash = self._empty.copy()
        minhash.hashvalues = (self._factors * hashes).min(axis=1).astype(np.uint64)
        return minhash


_PRIME = np.uint32(0x9E3779B1)


def _shingles(text: str) -> set[str]:
    """All pieces of that many letters."""
    return {text[start : start + _SHINGLE] for start in range(max(1, len(text) - _SHINGLE + 1))}


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)
