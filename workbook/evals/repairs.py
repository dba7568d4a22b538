"""Mended functions, judged by the functions' own tests, and the answers that propose them.

Code that a model wrote is nobody's code: it runs in a process of its own, which on Linux the kernel
shuts in (no network, no files, no other processes), within bounds of time and memory; see
`grading.python_worker`. Knows how an answer is read. Knows nothing of who gave it.
"""

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbook.evals.call_worker import canonical, digest
from workbook.evals.examples import Example
from workbook.evals.mistakes import with_line
from workbook.grading import python_grader

SECONDS = 5.0  # for all calls of one function; most need a twentieth of a second
AT_ONCE = 4
_LENGTH = 20_000  # characters of code that is run at all
_WORKER = Path(__file__).with_name("call_worker.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Trial:
    """Code, and what its calls should give: texts of Python, such as `mean([1, 3])` and `2.0`."""

    code: str
    calls: Sequence[str]
    values: Sequence[str]


def passes(trial: Trial, seconds: float = SECONDS) -> bool:
    """Whether every call gives what it should; the calls come one after another.

    False also for code that is no Python, hangs, takes too much memory, or ends its process.
    """
    if len(trial.code) > _LENGTH:
        return False
    answer = {"sample": {"output_text": trial.code}, "item": {"calls": list(trial.calls)}}
    [result] = python_grader.run_all(_WORKER, [answer], seconds)
    right = digest([canonical(ast.literal_eval(value)) for value in trial.values])
    return result.get("reward") == right


def all_passing(trials: Iterable[Trial], seconds: float = SECONDS) -> list[bool]:
    """The same for many, each in a process of its own, some at a time. Equal ones run once."""
    trials = list(trials)
    keys = [(each.code, tuple(each.calls), tuple(each.values)) for each in trials]
    distinct = dict(zip(keys, trials, strict=True))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(lambda each: passes(each, seconds), distinct.values())
        by_key = dict(zip(distinct, verdicts, strict=True))
    return [by_key[key] for key in keys]


def numbered(source: str) -> str:
    """A function with a number before each line, as a model is shown it."""
    return "\n".join(f"{n}: {line}" for n, line in enumerate(source.split("\n"), 1))


def proposal(answer: str) -> tuple[int, str] | None:
    """The line's number and its new text in an answer such as `4:     return total`.

    The first line that has this form counts. None where there is none.
    """
    for line in answer.split("\n"):
        if match := re.match(r"\s*(\d{1,3}):(?: (.*))?$", line):
            return int(match[1]), (match[2] or "").rstrip()
    return None


def mended(source: str, answer: str) -> str | None:
    """The source with the proposed line in its place; None where the answer proposes none."""
    change = proposal(answer)
    if change is None or not 1 <= change[0] <= source.count("\n") + 1:
        return None
    return with_line(source, *change)


def names_the_line(answer: str, example: Example) -> float | None:
    """A grader: whether the answer names the line of the item's `line`."""
    change = proposal(answer)
    return None if change is None else float(change[0] == example.item["line"])


def all_mended(
    examples: Sequence[Example],
    answers: Sequence[str | None],
    functions: Mapping[str, Mapping[str, Any]],
) -> list[bool]:
    """Whether each function, mended as its answer says, passes its tests.

    functions: by name, each with `calls` and `values`; an example's item has `function`, its name,
        and `source`, with the mistake
    """
    trials = []
    for example, answer in zip(examples, answers, strict=True):
        function = functions[str(example.item["function"])]
        code = mended(str(example.item["source"]), answer or "") or ""
        trials.append(Trial(code, function["calls"], function["values"]))
    return all_passing(trials)
