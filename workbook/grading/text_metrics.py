"""How alike two texts are, from 0 to 1, by the metrics that OpenAI's text graders name.

OpenAI documents their names, not their settings; those used here are named with each. Knows
nothing of graders, templates or HTTP.
"""

import math
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise

import snowballstemmer

MAX_LENGTH = 100_000  # characters of a text: the work grows with the square of it


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
    words, reference_words = _words(text), _words(reference)
    if not words or not reference_words:
        return float(words == reference_words)
    logarithms = []
    for size in range(1, min(4, len(words)) + 1):
        grams, reference_grams = _grams(words, size), _grams(reference_words, size)
        extra = size > 1
        matches = (grams & reference_grams).total() + extra
        if not matches:
            return 0.0
        logarithms.append(math.log(matches / (grams.total() + extra)))
    brevity = min(0.0, 1 - len(reference_words) / len(words))
    return math.exp(brevity + sum(logarithms) / len(logarithms))


def _gleu(text: str, reference: str) -> float:
    """Wu et al. 2016: the smaller of precision and recall over all runs of 1 to 4 words."""
    grams: Counter[tuple[str, ...]] = Counter()
    reference_grams: Counter[tuple[str, ...]] = Counter()
    for size in range(1, 5):
        grams += _grams(_words(text), size)
        reference_grams += _grams(_words(reference), size)
    matches = (grams & reference_grams).total()
    return _share(matches, max(grams.total(), reference_grams.total()))


def _rouge(size: int) -> Callable[[str, str], float]:
    """Lin 2004: F1 over runs of `size` words, without regard to case or punctuation."""

    def rouge(text: str, reference: str) -> float:
        grams = _grams(_bare_words(text), size)
        reference_grams = _grams(_bare_words(reference), size)
        matches = (grams & reference_grams).total()
        return _share(2 * matches, grams.total() + reference_grams.total())

    return rouge


def _rouge_l(text: str, reference: str) -> float:
    """Lin 2004: F1 over the longest common subsequence of words."""
    words, reference_words = _bare_words(text), _bare_words(reference)
    common = _common(words, reference_words)
    return _share(2 * common, len(words) + len(reference_words))


def _meteor(text: str, reference: str) -> float:
    """Banerjee and Lavie 2005: recall counts nine times as much as precision, less a penalty for
    words that stand in another order.

    Words are matched by their letters, then by their stems (Porter's, for English). The third
    stage, synonyms, is left out: it needs WordNet.
    """
    words, reference_words = _bare_words(text), _bare_words(reference)
    places = _aligned(words, reference_words)
    if not places:
        return float(not words and not reference_words)
    precision, recall = len(places) / len(words), len(places) / len(reference_words)
    mean = 10 * precision * recall / (recall + 9 * precision)
    order = sorted(places.items())
    breaks = sum((i + 1, j + 1) != following for (i, j), following in pairwise(order))
    return mean * (1 - 0.5 * ((breaks + 1) / len(places)) ** 3)


def _aligned(words: list[str], reference: list[str]) -> dict[int, int]:
    """The place of each word's partner, as many as there can be; a word goes on where the one
    before it stopped, if it can."""
    partners: dict[int, int] = {}
    taken: set[int] = set()
    for form in (list[str], _stems):
        forms = form(reference)
        waiting: dict[str, deque[int]] = defaultdict(deque)
        for place, word in enumerate(forms):
            waiting[word].append(place)
        for place, word in enumerate(form(words)):
            if place in partners:
                continue
            partner = partners.get(place - 1, -1) + 1
            if partner in taken or forms[partner : partner + 1] != [word]:
                while waiting[word] and waiting[word][0] in taken:
                    waiting[word].popleft()
                if not waiting[word]:
                    continue
                partner = waiting[word][0]
            partners[place] = partner
            taken.add(partner)
    return partners


def _stems(words: list[str]) -> list[str]:
    """Each word is looked at once: the stemmer is slow."""
    different = sorted(set(words))
    stems = dict(zip(different, _stemmer.stemWords(different), strict=True))
    return [stems[word] for word in words]


def cosine(text: str, reference: str, vectors: Mapping[str, Sequence[float]]) -> float:
    """Of the angle between two texts' vectors, which have length 1; an obtuse one counts 0.

    vectors: by their texts; an empty text needs none.
    """
    if not text or not reference:
        return float(text == reference)
    product = sum(a * b for a, b in zip(vectors[text], vectors[reference], strict=True))
    return min(1.0, max(0.0, product))


_stemmer = snowballstemmer.stemmer("porter")

METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": _fuzzy,
    "bleu": _bleu,
    "gleu": _gleu,
    "meteor": _meteor,
    **{f"rouge_{size}": _rouge(size) for size in range(1, 6)},
    "rouge_l": _rouge_l,
}


def _words(text: str) -> list[str]:
    """Words and punctuation marks."""
    return re.findall(r"\w+|[^\w\s]", text)


def _bare_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _grams(words: list[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


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
