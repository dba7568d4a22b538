"""The stars that an answer names, whatever it looks like: a digit, a word, a sentence, JSON.

Knows English and Spanish wordings. Knows nothing of who answered and of what would be right.
"""

import json
import re

_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_UNIT = r"(?:stars?|estrellas?)\b"
_RATING = re.compile(
    rf"(?P<scale>[-\d.,]+)\s*(?:/|out\s+of)\s*(?:5|five)\b(?:[\s-]*{_UNIT})?"
    rf"|(?P<number>[-\d.,]*\d|\b(?:{'|'.join(_WORDS)}))[\s*_-]*{_UNIT}",
    re.IGNORECASE,
)
_RANGE = re.compile(rf"\d\s*(?:-|–|to|or|and)\s*\d\s*{_UNIT}", re.IGNORECASE)
_ALONE = re.compile(rf"(?:rating|stars?)?\W*(\d+|{'|'.join(_WORDS)})\W*", re.IGNORECASE)


def stars(text: str) -> int | None:
    """The number of stars that an answer names, or None when it names no single one from 1 to 5.

    Counts: "4", "4.", "Rating: 4", "4 stars", "4-star", "four stars", "4/5", "4 out of 5 stars",
    "Calificación: 4 estrellas", '{"stars": 4}', '{"stars": "4"}', and any of these in a sentence,
    also more than once. Doesn't count: "1.1 star", "6 stars", "4 or 5 stars", "1 to 5 stars", "I
    bought 4 of them", other JSON.
    """
    text = text.strip()
    if text.startswith("{"):
        return _from_json(text)
    if alone := _ALONE.fullmatch(text):
        return _from_1_to_5(alone[1])
    names = {match["scale"] or match["number"] for match in _RATING.finditer(text)}
    ratings = {_from_1_to_5(name) for name in names}
    if _RANGE.search(text):
        return None  # "1 to 5 stars" names no single one
    return ratings.pop() if len(ratings) == 1 else None


def _from_json(text: str) -> int | None:
    try:
        rating = json.loads(text)["stars"]
    except (ValueError, KeyError, RecursionError):
        return None
    return _from_1_to_5(str(rating)) if isinstance(rating, (int, str)) else None


def _from_1_to_5(name: str) -> int | None:
    """1 to 5 for "4" or "four"; None for "6", "1.1", "-1" and everything else."""
    name = name.strip().lower()
    if name in _WORDS:
        return _WORDS[name]
    return int(name) if re.fullmatch("[1-5]", name) else None
