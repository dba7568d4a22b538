"""How alike two texts are, from 0 to 1, by the metrics that OpenAI's text graders name.

OpenAI documents their names, not their settings; those chosen here are said with each. Knows
nothing of graders, templates or HTTP.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

MAX_LENGTH = 100_000  # characters of a text: the work grows with the square of it

# Why a metric is missing.
MISSING = {
    "cosine": "it compares embeddings, and the lab has no embedding model",
    "meteor": "it needs a dictionary of synonyms (WordNet), which the lab does not have",
}


def score(metric: str, text: str, reference: str) -> float:
    """The similarity by one of METRICS."""
    return METRICS[metric](text, reference)


def _fuzzy(text: str, reference: str) -> float:
    """Characters in common, in order, of all there are: rapidfuzz's `fuzz.ratio`, as a share."""
    if not text and not reference:
        return 1.0
    return _share(2 * _common(text, reference), len(text) + len(reference))


def _bleu(text: str, reference: str) -> float:
    """Papineni et al. 2002 up to 4 words, for one sentence.

    One is added to counts above single words, so that one missing length does not make it 0
    (Lin and Och 2004).
    """
    said, meant = _words(text), _words(reference)
    if not said or not meant:
        return float(said == meant)
    logarithms = []
    for size in range(1, min(4, len(said)) + 1):
        mine, known = _grams(said, size), _grams(meant, size)
        extra = size > 1
        found = (mine & known).total() + extra
        if not found:
            return 0.0
        logarithms.append(math.log(found / (mine.total() + extra)))
    brevity = min(0.0, 1 - len(meant) / len(said))
    return math.exp(brevity + sum(logarithms) / len(logarithms))


def _gleu(text: str, reference: str) -> float:
    """Wu et al. 2016: the smaller of precision and recall over all runs of 1 to 4 words."""
    mine, known = Counter(), Counter()
    for size in range(1, 5):
        mine += _grams(_words(text), size)
        known += _grams(_words(reference), size)
    return _share((mine & known).total(), max(mine.total(), known.total()))


def _rouge(size: int) -> Callable[[str, str], float]:
    """Lin 2004: F1 over runs of `size` words, without regard to case or punctuation."""

    def rouge(text: str, reference: str) -> float:
        mine = _grams(_bare_words(text), size)
        known = _grams(_bare_words(reference), size)
        return _share(2 * (mine & known).total(), mine.total() + known.total())

    return rouge


def _rouge_l(text: str, reference: str) -> float:
    """Lin 2004: F1 over the longest common subsequence of words."""
    said, meant = _bare_words(text), _bare_words(reference)
    return _share(2 * _common(said, meant), len(said) + len(meant))


METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": _fuzzy,
    "bleu": _bleu,
    "gleu": _gleu,
    **{f"rouge_{size}": _rouge(size) for size in range(1, 6)},
    "rouge_l": _rouge_l,
}


def _words(text: str) -> list[str]:
    """Words and punctuation marks."""
    return re.findall(r"\w+|[^\w\s]", text)


def _bare_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _grams(words: list[str], size: int) -> Counter:
    return Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def _share(found: int, of: int) -> float:
    return found / of if of else 0.0


def _common(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence, a whole row at a time in the bits of one number.

    Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[Hashable, int] = {}
    for i, item in enumerate(a):
        places[item] = places.get(item, 0) | 1 << i
    everything = row = (1 << len(a)) - 1
    for item in b:
        hits = row & places.get(item, 0)
        row = ((row + hits) | (row - hits)) & everything
    return len(a) - row.bit_count()
