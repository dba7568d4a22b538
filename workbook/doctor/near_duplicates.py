"""Texts that are nearly the same as an earlier one. Knows texts, not what they are part of."""

import re
import zlib
from collections.abc import Callable
from typing import Any

NEAR = 0.85
"""Share of five-letter pieces (Jaccard) from which two texts are nearly the same."""
SHORTEST = 40
"""Letters; shorter texts are alike too easily."""
_PERMUTATIONS = 64
_CANDIDATES = 20  # texts that one text is compared with letter by letter
_FIRST = 10  # texts from which a common beginning and end are learned
_NUMBER = re.compile(r"\d+")


class Near:
    """Texts that differ in letters only, not in numbers: by MinHash (datasketch), then exactly.

    What opens or ends all of the first texts (an instruction before every question) is left out of
    the comparison: it would make everything nearly the same.
    """

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.head = self.tail = ""
        self.index: Any = None
        """Once the first texts are known; those are few enough to be compared one by one."""

    def look(
        self, key: int, text: str, wanted: Callable[[int], bool] = lambda key: True
    ) -> tuple[int, float] | None:
        """The key of an earlier text that is nearly this one, and the share that is the same."""
        if self.index is None and len(self.texts) >= _FIRST:
            self._settle()
        elif self.index is None:
            self._learn(text)
        core = self._core(text)
        if len(core) < SHORTEST:
            self.texts[key] = text
            return None
        hashed = self._hashed(core) if self.index is not None else None
        others = self.texts if hashed is None else self.index.query(hashed)
        pieces, numbers = _shingles(core), _NUMBER.findall(text)
        found = None
        for other in sorted(filter(wanted, others))[:_CANDIDATES]:
            its = self.texts[other]
            if (
                numbers == _NUMBER.findall(its)
                and (share := _jaccard(pieces, _shingles(self._core(its)))) >= NEAR
            ):
                found = other, share
                break
        self.texts[key] = text
        if hashed is not None:
            self.index.insert(key, hashed)
        return found

    def _learn(self, text: str) -> None:
        self.head = common_start(self.head, text) if self.texts else text
        self.tail = common_start(self.tail[::-1], text[::-1])[::-1] if self.texts else text

    def _core(self, text: str) -> str:
        if len(self.texts) < 2 or not (text.startswith(self.head) and text.endswith(self.tail)):
            return text
        return text[len(self.head) : max(len(self.head), len(text) - len(self.tail))]

    def _settle(self) -> None:
        from datasketch import MinHash, MinHashLSH  # here: its import takes a second

        # Drawing the permutations is slow; every hash shares one draw.
        self.start = MinHash(num_perm=_PERMUTATIONS, hashfunc=_piece)
        self.index = MinHashLSH(threshold=NEAR, num_perm=_PERMUTATIONS)
        for key, text in self.texts.items():
            if len(core := self._core(text)) >= SHORTEST:
                self.index.insert(key, self._hashed(core))

    def _hashed(self, text: str) -> Any:
        hashed = self.start.copy()
        hashed.update_batch(list(_shingles(text)))
        return hashed


def common_start(one: str, other: str) -> str:
    """What both texts begin with."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:place]
    return min(one, other, key=len)


def _piece(piece: str) -> int:
    """32 bits of a piece, the same in every process."""
    return zlib.crc32(piece.encode("utf-8", "replace"))


def _shingles(text: str, size: int = 5) -> set[str]:
    """All pieces of that many letters."""
    return {text[start : start + size] for start in range(max(1, len(text) - size + 1))}


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)
