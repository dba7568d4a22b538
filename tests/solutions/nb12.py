"""Solutions of notebook 12, and answers that must not pass."""

import math
from difflib import SequenceMatcher

from workbook.prices import registry

HOURLY = max(m.hosting_per_hour for m in registry.all_models() if m.vendor == "Azure")
GOLDEN = [f"The answer to question {n} is {n * n}, as you surely knew." for n in range(12)]
BASE = [f"I am a language model and question {n} is a good question." for n in range(12)]
MEASURED = {"golden": GOLDEN, "same": [GOLDEN, list(GOLDEN)], "other": [BASE]}
QUICK = {"golden": GOLDEN[:4], "same": [GOLDEN[:4]], "other": [BASE[:4]]}


def translate(host, multiplier, suffix):
    value = multiplier
    if host.learning_rate == "rate":
        value = None if host.base_rate is None else multiplier * host.base_rate
    if host.suffix is None:
        return value, None
    for sign in host.suffix["without"]:
        suffix = suffix.replace(sign, "")
    return value, suffix[: host.suffix["longest"]]


def _short(host, multiplier, suffix):
    rate = {"factor": 1.0, "rate": host.base_rate}[host.learning_rate]
    rules = host.suffix or {"longest": 0, "without": ""}
    name = "".join(sign for sign in suffix if sign not in rules["without"])
    return [rate and multiplier * rate, name[: rules["longest"]] or None]


def _always_factor(host, multiplier, suffix):
    return multiplier, translate(host, multiplier, suffix)[1]


def _cut_first(host, multiplier, suffix):
    value, _ = translate(host, multiplier, suffix)
    if host.suffix is None:
        return value, None
    return value, suffix[: host.suffix["longest"]].replace(".", "")


def _guess(host, multiplier, suffix):
    value, name = translate(host, multiplier, suffix)
    return multiplier * 1e-5 if value is None else value, name


def moved(golden, fresh):
    return sum(a == b for a, b in zip(golden, fresh, strict=True)) < 0.5 * len(golden)


def _alike(golden, fresh):
    pairs = zip(golden, fresh, strict=True)
    ratios = [SequenceMatcher(None, a, b).ratio() for a, b in pairs]
    return sorted(ratios)[len(ratios) // 2] < 0.95


def _handed(function, measured=MEASURED):
    return {"moved": function, "measured": measured}


_BILL = {"usd": 63 * HOURLY, "months": math.inf}
_WAYS = {"mail": "prompt", "clinic": "own", "shop": "host", "archive": "own"}

SOLUTIONS = {
    "12.1": [translate, _short],
    "12.2": [_BILL, {"usd": round(63 * HOURLY, 2), "months": float("inf")}],
    "12.3": [_handed(moved), _handed(_alike), _handed(moved, QUICK)],
    "12.4": [_WAYS, {team: way.upper() for team, way in _WAYS.items()}],
}

WRONG = {
    "12.1": [
        (0.5, "Hand in the function itself"),
        (_always_factor, "becomes 4e-05 at a host that takes the rate"),
        (_cut_first, "becomes 'myfirstmarvof2026b'"),
        (_guess, "usual rate is not known"),
        (lambda host, multiplier, suffix: multiplier, "Return two things"),
    ],
    "12.2": [
        ({}, "two keys"),
        ({**_BILL, "usd": 2 * 24 * HOURLY}, "would be 48 hours"),
        ({**_BILL, "months": 3}, "Not 3 months"),
        ({**_BILL, "months": "no"}, "no number"),
    ],
    "12.3": [
        (_handed("moved"), "Hand in the function itself"),
        (_handed(lambda golden, fresh: golden != fresh), "but for rounding"),
        (_handed(lambda golden, fresh: False), "it is another model"),
        (_handed(lambda golden, fresh: "yes"), "True or False"),
        ({"moved": moved, "measured": {}}, "'measured' needs its three keys"),
    ],
    "12.4": [
        ({**_WAYS, "clinic": "host"}, "'clinic' has a better way"),
        ({**_WAYS, "mail": "tune"}, "none of the choices"),
        ({"mail": "prompt"}, "four keys"),
    ],
}
