"""Small functions, the mistakes planted in them, and what a linter says of those.

Knows the two data sets of notebook 10. How mistakes are planted, and how mended functions are
judged, `workbook.evals` knows.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workbook import paths
from workbook.evals import mistakes

RULES = "F,B,RET503,PLR0124"  # of ruff: those that complained of wrong lines in training functions
_TASTE = "B007,B905,F841"  # these complained of right lines only


def functions() -> dict[str, dict[str, Any]]:
    """By name: topic, split, source, calls, and the values that the calls give."""
    lines = paths.data("small_functions.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["name"]: row for row in map(json.loads, lines)}


def planted(split: str, kinds: Sequence[str] = mistakes.KINDS) -> pd.DataFrame:
    """The mistakes of these kinds in the functions of a split, shuffled, always in the same way.

    Columns: id, function, kind, line (from 1), wrong, right, source (with the mistake), lines (how
    many could be wrong: all but the docstring).
    """
    known = functions()
    lines = paths.data("planted_mistakes.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [
        row | {"id": f"{row['function']}-{number}"}
        for number, row in enumerate(map(json.loads, lines))
        if known[row["function"]]["split"] == split and row["kind"] in kinds
    ]
    for row in rows:
        right = known[row["function"]]["source"]
        row["source"] = mistakes.with_line(right, row["line"], row["wrong"])
        row["lines"] = right.count("\n")
    return pd.DataFrame(rows).sample(frac=1, random_state=10).reset_index(drop=True)


def lint(sources: Iterable[str]) -> list[list[tuple[int, str]]]:
    """What ruff complains of in each source: lines and the names of the rules, in its order."""
    with tempfile.TemporaryDirectory() as folder:
        complaints: dict[str, list[tuple[int, str]]] = {}
        for number, source in enumerate(sources):
            complaints[name := f"f{number}.py"] = []
            (Path(folder) / name).write_text(f"{source}\n", encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero"]
        command += ["--select", RULES, "--ignore", _TASTE, "--output-format", "json", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    for each in json.loads(done.stdout):
        place = (each["location"]["row"], each["code"])
        complaints[Path(each["filename"]).name].append(place)
    return list(complaints.values())


def validation() -> pd.DataFrame:
    """The validation mistakes that a plan is measured on: at most 12 of each kind."""
    return planted("validation").groupby("kind").head(12).reset_index(drop=True)
