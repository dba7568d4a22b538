"""For authors: `data/planted_mistakes.jsonl` from `data/small_functions.jsonl`.

    python -m tools.plant_mistakes

Of each kind at most two mistakes a function, drawn with a fixed seed; kept are those that a test of
the function notices. The functions are ours, so they run here, a bounded number of lines each, and
not in the contained process that answers of models run in. A function that does not pass its own
tests is an error.
"""

import ast
import json
import random
import sys
from collections import defaultdict
from types import FrameType
from typing import Any

from workbook import files, paths
from workbook.evals import mistakes
from workbook.evals.call_worker import canonical

EACH = 2  # mistakes of one kind in one function, before the tests have their say
STEPS = 20_000  # lines that one function may run in all its tests
SEED = 10
_FUNCTIONS = "small_functions.jsonl"


class EndlessError(Exception):
    """A function has run too many lines."""


def main() -> None:
    """Write the file anew, and say how many there are of each kind."""
    path = paths.data(_FUNCTIONS)
    functions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rng = random.Random(SEED)
    kept: list[dict[str, Any]] = []
    drawn = 0
    for function in functions:
        if not _passes(function["source"], function):
            raise SystemExit(f"{function['name']} does not pass its own tests.")
        for mistake in _some(function["source"], rng):
            drawn += 1
            code = mistakes.with_line(function["source"], mistake.line, mistake.wrong)
            if not _passes(code, function):
                kept.append({"function": function["name"], **vars(mistake)})
    text = "".join(json.dumps(row) + "\n" for row in kept)
    files.replace_text(path.with_name("planted_mistakes.jsonl"), text)
    for kind in mistakes.KINDS + mistakes.HELD_OUT:
        print(f"{kind:18} {sum(row['kind'] == kind for row in kept):5}")
    print(f"{drawn - len(kept)} of {drawn} are noticed by no test, and were left out.")


def _some(source: str, rng: random.Random) -> list[mistakes.Mistake]:
    by_kind = defaultdict(list)
    for mistake in mistakes.plant(source):
        by_kind[mistake.kind].append(mistake)
    return [each for kind in by_kind.values() for each in rng.sample(kind, min(EACH, len(kind)))]


def _passes(code: str, function: dict[str, Any]) -> bool:
    """Whether all calls give what they should."""
    steps = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps > STEPS:
            raise EndlessError
        return count

    space: dict[str, Any] = {}
    before = sys.gettrace()
    sys.settrace(count)
    try:
        exec(code, space)
        for call, value in zip(function["calls"], function["values"], strict=True):
            if canonical(eval(call, space)) != canonical(ast.literal_eval(value)):
                return False
    except Exception:
        return False
    finally:
        sys.settrace(before)
    return True


if __name__ == "__main__":
    main()
