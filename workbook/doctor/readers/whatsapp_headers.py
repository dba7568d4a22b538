"""How the lines of a WhatsApp export begin: date, time and what follows, and how dates are read.

Knows the layouts of Android, iOS and older apps, 12- and 24-hour clocks with the words of many
languages for the halves of the day, and the digits of every script. Knows nothing of what is said.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

_MORNING = (
    r"a\.?\s?m\.?|上午|凌晨|清晨|早上|午前|오전|ص|ق\.?\s?ظ\.?|पूर्वाह्न|öö|fm|π\.?\s?μ\.?|"
    r"sa|pg|de\.?|dop\.|vorm\.|পূর্বাহ্ণ|ก่อนเที่ยง|לפנה״צ"
)
_AFTERNOON = (
    r"p\.?\s?m\.?|下午|中午|晚上|傍晚|午後|오후|م|ب\.?\s?ظ\.?|अपराह्न|ös|em|μ\.?\s?μ\.?|"
    r"ch|ptg|du\.?|odp\.|nachm\.|অপরাহ্ণ|หลังเที่ยง|אחה״צ"
)
_HALF = rf"(?:{_MORNING}|{_AFTERNOON})"
_DATE = r"(?P<d1>\d{1,4})\s?[./年년-]\s?(?P<d2>\d{1,2})\s?[./月월-]\s?(?P<d3>\d{1,4})[.日일]?"
_TIME = (
    r"(?:(?:um|klo|kl\.?|at|às|à|a las|ore|o)\s)?"
    rf"(?:(?P<before>{_HALF})\s?)?"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
    rf"(?:\s?(?P<after>{_HALF}|น\.|uhr))?"
)
_WHEN = rf"{_DATE}[,،]?\s+{_TIME}"
_FLAGS = re.DOTALL | re.IGNORECASE
LAYOUTS = {
    "Android": re.compile(rf"^{_WHEN}\s+[-–—]\s+(?P<rest>.*)$", _FLAGS),
    "iOS": re.compile(rf"^\[{_WHEN}\]\s+(?P<rest>.*)$", _FLAGS),
    # Years ago; logs of programs are dated with hyphens.
    "old": re.compile(rf"^(?=\d+[./]){_WHEN}:\s+(?P<rest>.*)$", _FLAGS),
}
"""What a line with a new message looks like, once its marks of direction are gone."""
_ANY_DATE = re.compile(r"\d{1,4}\s?[./年년-]\s?\d{1,2}\s?[./月월-]\s?\d{2,4}")
_ANY_TIME = re.compile(r"\d{1,2}[:.h時时시]\s?\d{2}")
_IS_AFTERNOON = re.compile(_AFTERNOON, re.IGNORECASE)
# Marks of writing direction stand before lines and names; narrow blanks before AM and PM.
MARKS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_ANY_MARK = re.compile(f"[{MARKS}]")
SPACES = str.maketrans("\u202f\u00a0\u2009", "   ")
"""Narrow and fixed blanks, to be made plain."""


def without_marks(text: str) -> str:
    """The text without marks of direction, and with plain blanks."""
    return _ANY_MARK.sub("", text).translate(SPACES)


def header(line: str) -> re.Match[str] | None:
    """The date, the time and the rest of a line that begins a message; None for any other line.

    line: without marks.
    """
    if line.startswith("["):
        return LAYOUTS["iOS"].match(line)
    return LAYOUTS["Android"].match(line) or LAYOUTS["old"].match(line)


def has_moment(line: str) -> bool:
    """Whether a date and a time stand near the beginning of a line, in whatever order."""
    start = line[:60]
    date = _ANY_DATE.search(start)
    return date is not None and _ANY_TIME.search(start.replace(date.group(), " ")) is not None


def layout_of(match: re.Match[str]) -> str:
    """Which app wrote a header."""
    return next(name for name, pattern in LAYOUTS.items() if pattern is match.re)


def order_of(matches: Sequence[re.Match[str]]) -> tuple[str, bool]:
    """(the order of day, month and year, whether the dates prove it)."""
    numbers = [tuple(int(match[name]) for name in ("d1", "d2", "d3")) for match in matches]
    if any(first > 31 for first, _, _ in numbers):
        return "ymd", True
    if any(first > 12 for first, _, _ in numbers):
        return "dmy", True
    if any(second > 12 for _, second, _ in numbers):
        return "mdy", True
    backwards = {order: _steps_back(matches, order) for order in ("dmy", "mdy")}
    best = min(backwards, key=lambda order: backwards[order])
    return best, backwards["dmy"] != backwards["mdy"]


def _steps_back(matches: Sequence[re.Match[str]], order: str) -> int:
    """How often time runs backwards when dates are read in this order."""
    times = [time for match in matches if (time := time_of(match, order))]
    return sum(later < earlier for earlier, later in pairwise(times))


def time_of(match: re.Match[str], order: str) -> datetime | None:
    """When a message was sent; None for a date that does not exist."""
    parts = dict(zip(order, (int(match[name]) for name in ("d1", "d2", "d3")), strict=True))
    year = parts["y"] + 2000 * (parts["y"] < 100)
    hour = int(match["hour"])
    half = match["before"] or match["after"]
    if half and half.lower() not in ("น.", "uhr"):
        hour = hour % 12 + 12 * bool(_IS_AFTERNOON.fullmatch(half))
    try:
        return datetime(
            year, parts["m"], parts["d"], hour, int(match["minute"]), int(match["second"] or 0)
        )
    except ValueError:
        return None
