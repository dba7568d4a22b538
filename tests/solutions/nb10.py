"""Solutions of notebook 10, and answers that must not pass."""

import re

import pandas as pd

from helpers import bugs


def suspect(lines):
    """A line that is a bare value; else a return that stands too deep; else the longest."""
    code = [(n, line) for n, line in enumerate(lines, 1) if n != 2]
    for n, line in code[1:]:
        if not re.search(r"return|[^=!<>]=[^=]|:$|\.\w+\(|break|continue", line.strip()):
            return n
    if re.search(r"=(\[\]|\{\}|set\(\))", lines[0]):
        return 1
    before, (n, last) = code[-2][1].strip(), code[-1]
    if last.startswith("        return") and not before.startswith(("if", "else")):
        return n
    return max(code[1:], key=lambda pair: len(pair[1].strip()))[0]


def _with_scores(lines):
    """The same knowledge as points."""

    def points(n, line):
        text = line.strip()
        bare = not re.search(r"return|[^=!<>]=[^=]|:$|\.\w+\(", text)
        deep = 6 * (n == len(lines) and line.startswith("        return"))
        return 10 * bare + deep + len(text) / 20

    return max(range(3, len(lines) + 1), key=lambda n: points(n, lines[n - 1]))


# The plan that CI trains, in half a minute on two quiet cores.
PLAN = {
    "system": "This Python function has one mistake. Answer with the number of the wrong line, "
    "a colon, and the line as it should be.",
    "mistakes": 200,
    "hints": 40,
    "n_epochs": 1,
    "learning_rate_multiplier": 1.0,
}

_READING = {
    "finds better": "not shown",
    "understands": "not shown",
    "worse on new": "shown",
    "useful for known": "shown",
}


def answered(share, text=None):
    """Answers to the validation mistakes, so many of them right (others: the line as it is)."""
    table = bugs.validation()
    n = round(share * len(table))
    said = [
        f"{row.line}: {row.right if i < n else row.wrong}"
        for i, row in enumerate(table.itertuples())
    ]
    return pd.DataFrame({"id": table["id"], "answer": said if text is None else text})


SOLUTIONS = {
    "10.1": [suspect, _with_scores],
    "10.2": [_READING, {key: text.upper() for key, text in _READING.items()}],
    "10.3": [PLAN, PLAN | {"mistakes": 300, "hints": 0, "n_epochs": 4}],
    "10.4": [lambda: answered(0.8), lambda: answered(0.5).sample(frac=1)],
}

WRONG = {
    "10.1": [
        (3, "Hand in the function itself"),
        (lambda lines: len(lines), r"in 0\.52 of the mistakes"),
        (lambda lines: 1, r"in 0\.\d\d of the mistakes"),
        (lambda lines: 0, "names line 0 of"),
        (lambda lines: len(lines) + 1, "names line"),
        (lambda lines: lines[-1], "is a text, not a number"),
        (lambda lines: None, "returns nothing"),
        (lambda lines: lines[99], "stops with IndexError"),
    ],
    "10.2": [
        ({}, "four keys"),
        (_READING | {"finds better": "shown"}, "'finds better' is not 'shown'"),
        (_READING | {"understands": "shown"}, "'understands' is not 'shown'"),
        (_READING | {"worse on new": "not shown"}, "'worse on new' is not"),
        (_READING | {"useful for known": "yes"}, "none of the choices"),
    ],
    "10.3": [
        (500, "keeps its five keys"),
        (PLAN | {"mistakes": 900, "hints": 400}, "above 1,200"),
        (PLAN | {"n_epochs": 6}, "above 1,200"),
        (PLAN | {"mistakes": 5, "hints": 0}, "10 rows at least"),
        (PLAN | {"mistakes": 5000}, "there are 1,227"),
        (PLAN | {"n_epochs": 0}, "At least one epoch"),
        (PLAN | {"learning_rate_multiplier": 0}, "teaches nothing"),
        (PLAN | {"mistakes": "many"}, "is a text"),
        (PLAN | {"system": ""}, "'system' is the prompt"),
    ],
    "10.4": [
        (0.6, "what `measured` returned"),
        (lambda: answered(0.04), r"below the bar of 0\.\d\d"),
        (lambda: answered(0.8).head(9), "not the 62 validation mistakes"),
        (lambda: answered(0, "no idea"), "do not have the form"),
    ],
}
