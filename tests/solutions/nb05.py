"""Solutions of notebook 05, and answers that must not pass."""


def within_one(labels, answers):
    hits = [a is not None and abs(a - b) <= 1 for a, b in zip(answers, labels, strict=True)]
    return sum(hits) / len(hits)


def _exact(labels, answers):
    return sum(a == b for a, b in zip(answers, labels, strict=True)) / len(labels)


def _count(labels, answers):
    return within_one(labels, answers) * len(labels)


def _only_rated(labels, answers):
    pairs = [(a, b) for a, b in zip(answers, labels, strict=True) if a is not None]
    return sum(abs(a - b) <= 1 for a, b in pairs) / len(pairs)


def _fails_on_none(labels, answers):
    return sum(abs(a - b) <= 1 for a, b in zip(answers, labels, strict=True)) / len(labels)


_READING = {"exact": 0.58, "within_one": 0.93, "leans": "high"}

SOLUTIONS = {"05.1": within_one, "05.2": 2400, "05.3": _READING}

WRONG = {
    "05.1": [0.75, _exact, _count, _only_rated, _fails_on_none],
    "05.2": [400, 1000, 2000, 10_000, "2400", 0],
    "05.3": [
        {},
        {**_READING, "exact": 58},
        {**_READING, "exact": 0.93},
        {**_READING, "within_one": 0.58},
        {**_READING, "leans": "low"},
        {**_READING, "leans": "right"},
    ],
}
