"""Mended functions judged by their tests: what passes, what can't, and that nothing gets out."""

import ast
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook import paths
from workbook.evals import mistakes, repairs
from workbook.evals.call_worker import canonical
from workbook.evals.examples import Example

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shuts a process in")
MEAN = 'def mean(values):\n    """The mean."""\n    return sum(values) / len(values)'
CALLS, VALUES = ["mean([1, 3])", "mean([5])"], ["2.0", "5.0"]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in paths.data(name).read_text("utf-8").splitlines()]


FUNCTIONS = {row["name"]: row for row in rows("small_functions.jsonl")}
PLANTED = rows("planted_mistakes.jsonl")


def passes(line: str, **options: Any) -> bool:
    """Whether the mean passes with this as its last line."""
    code = mistakes.with_line(MEAN, 3, line)
    return repairs.passes(repairs.Trial(code, CALLS, VALUES), **options)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("    return sum(values) / len(values)", True),
        ("    return sum(values) / max(len(values), 1)", True),
        ("    return int(sum(values) / len(values))", True),  # 2 is 2.0
        ("    return sum(values) // (len(values) + 1)", False),
        ("    return str(sum(values) / len(values))", False),
        ("    sum(values) / len(values)", False),
        ("    return sum(values", False),
        ("", False),
        ("    return values / 0", False),
    ],
)
def test_the_functions_own_tests_decide(line: str, right: bool) -> None:
    assert passes(line) is right


def test_calls_come_one_after_another_in_one_space() -> None:
    """A default that keeps what was put in shows at the second call only."""
    code = "def add(item, cart=[]):\n    cart.append(item)\n    return cart"
    calls = ["add(1)", "add(2)"]
    assert repairs.passes(repairs.Trial(code, calls[:1], ["[1]"]))
    assert not repairs.passes(repairs.Trial(code, calls, ["[1]", "[2]"]))


# What an answer might do instead of mending. PATH and KEPT are put in.
FEIGNED = {
    "an object that equals all": "    return type('X', (), {'__eq__': lambda s, o: True})()",
    "a float that equals all": "    return type('X', (float,), {'__eq__': lambda s, o: True})(7)",
    "another canonical": "    import __main__; __main__.canonical = lambda v: '2.0'; return 1",
    "another digest": "    import sys; sys.modules['hashlib'].sha256 = None; return 1",
    "a reward written to us": (
        "    import os; [os.write(n, b'{\"reward\": 1.0}\\n') for n in (3, 4, 5)]; return 1"
    ),
    "another builtin": "    import builtins; builtins.repr = lambda v: '2'; return 1",
    "a look at who asks": "    import sys; return sys._getframe(3).f_locals.get('item')",
    "the end of the process": "    import os; os._exit(0)",
    "an exit": "    raise SystemExit(0)",
    "a file": "    open(PATH, 'w').write('x'); return sum(values) / len(values)",
    "a secret": "    open(KEPT).read(); return sum(values) / len(values)",
    "a connection": (
        "    import socket; socket.create_connection(('127.0.0.1', 9), 1); "
        "return sum(values) / len(values)"
    ),
    "a socket": "    import socket; socket.socket(); return sum(values) / len(values)",
    "a program": (
        "    import subprocess; subprocess.run(['touch', PATH]); return sum(values) / len(values)"
    ),
    "a shell": ("    import os; os.system('touch ' + PATH); return sum(values) / len(values)"),
    "a process": "    import os; os.fork(); return sum(values) / len(values)",
    "a great many processes": "    import os\n    while True: os.fork()",
    "much memory": "    bytearray(3 * 2**30); return sum(values) / len(values)",
    "no end of calls": "    return mean(values)",
    "a great number": "    return 9 ** 9 ** 9",
    "no end": "    while True: pass",
    "no end that catches all": "    while True:\n     try:\n      while 1: pass\n     except: pass",
    "a thread that stays": (
        "    import threading; threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"
    ),
}


@linux
@pytest.mark.parametrize("way", FEIGNED)
def test_no_answer_passes_by_anything_but_mending(way: str, tmp_path: Path) -> None:
    kept, path = tmp_path / "kept", tmp_path / "path"
    kept.write_text("secret")
    line = FEIGNED[way].replace("PATH", repr(str(path))).replace("KEPT", repr(str(kept)))
    began = time.monotonic()
    assert not passes(line, seconds=0.7)
    assert time.monotonic() - began < 20
    assert kept.read_text() == "secret" and not path.exists()


@linux
def test_what_should_come_out_is_not_known_in_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the expected values is sent to the process, only the calls."""
    sent: list[Any] = []
    run_all = repairs.python_grader.run_all

    def listen(source: str, answers: list[dict[str, Any]], seconds: float) -> Any:
        sent.append((source, answers))
        return run_all(source, answers, seconds)

    monkeypatch.setattr(repairs.python_grader, "run_all", listen)
    trial = repairs.Trial(MEAN, ["mean([24690, 0])"], ["12345.0"])
    assert repairs.passes(trial)
    assert "12345" not in json.dumps(sent)


def test_a_poisoned_answer_harms_no_other() -> None:
    """Each runs in a process of its own."""
    poison = mistakes.with_line(MEAN, 3, "    import builtins; builtins.sum = None; return 1")
    trials = [repairs.Trial(code, CALLS, VALUES) for code in (poison, MEAN, poison, MEAN)]
    assert repairs.all_passing(trials) == [False, True, False, True]


@linux
def test_an_endless_answer_ends_with_the_one_who_asked() -> None:
    """A kernel that is killed must leave nothing behind that runs for ever."""
    endless = mistakes.with_line(MEAN, 3, "    while True: pass")
    program = (
        "from workbook.evals import repairs\n"
        f"repairs.passes(repairs.Trial({endless!r}, ['mean([1])'], ['1']), seconds=600)"
    )
    asker = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 60
    while not (workers := psutil.Process(asker.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.1)
    while workers[0].cpu_times().user < 0.5 and time.monotonic() < deadline:
        time.sleep(0.1)
    asker.kill()
    asker.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive


def test_a_very_long_answer_is_not_run() -> None:
    assert not passes("    return sum(values) / len(values)  #" + "x" * 30_000)


# Answers as models write them.


@pytest.mark.parametrize(
    ("answer", "change"),
    [
        ("3:     return total", (3, "    return total")),
        ("3:     return total  ", (3, "    return total")),
        ("The mistake:\n 2: x = 1\n3: y", (2, "x = 1")),
        ("12:", (12, "")),
        ("line 3: return", None),
        ("3 return", None),
        ("", None),
        ("9999: x", None),
    ],
)
def test_an_answer_proposes_one_line(answer: str, change: tuple[int, str] | None) -> None:
    assert repairs.proposal(answer) == change


@settings(max_examples=50)
@given(st.text())
def test_any_text_is_an_answer_that_can_be_judged(answer: str) -> None:
    code = repairs.mended(MEAN, answer)
    assert code is None or code.count("\n") == MEAN.count("\n")


def test_a_line_that_is_not_there_mends_nothing() -> None:
    assert repairs.mended(MEAN, "4: x") is None and repairs.mended(MEAN, "0: x") is None


def test_the_line_and_the_mended_function_are_judged() -> None:
    function = FUNCTIONS["mean"]
    right = function["source"].split("\n")[5]
    source = mistakes.with_line(function["source"], 6, right.replace("/", "*"))
    item = {"function": "mean", "source": source, "line": 6}
    example = Example("1", [], f"6: {right}", item=item)
    answers = [f"6: {right}", "6:     return 0", "3:     total = 0", "no idea", None]
    named = [repairs.names_the_line(answer or "", example) for answer in answers]
    assert named == [1.0, 1.0, 0.0, None, None]
    mended = repairs.all_mended([example] * len(answers), answers, FUNCTIONS)
    assert mended == [True, False, False, False, False]


def test_equal_values_look_equal_and_others_do_not() -> None:
    assert canonical([1.0, {"b": 2, "a": {3, 1}}]) == canonical([1, {"a": {1, 3}, "b": 2}])
    different = [1, True, "1", [1], (1,), {1}, {1: 1}, None, 1.5, float("nan"), float("inf")]
    assert len({canonical(value) for value in different}) == len(different)
    with pytest.raises(TypeError):
        canonical(object())


# The data.


def test_every_planted_mistake_is_one_line_and_can_be_planted_again() -> None:
    for row in random.Random(1).sample(PLANTED, 200):
        source = FUNCTIONS[row["function"]]["source"]
        [same] = [each for each in mistakes.plant(source) if row | vars(each) == row]
        assert source.split("\n")[row["line"] - 1] == row["right"] == same.right != row["wrong"]


def test_a_sample_of_right_functions_passes_and_of_mistakes_does_not() -> None:
    rng = random.Random(os.environ.get("PYTEST_SEED", "3"))
    some = rng.sample(sorted(FUNCTIONS), 20)
    right, wrong = [], []
    for name in some:
        function = FUNCTIONS[name]
        right.append(repairs.Trial(function["source"], function["calls"], function["values"]))
        row = rng.choice([each for each in PLANTED if each["function"] == name])
        code = mistakes.with_line(function["source"], row["line"], row["wrong"])
        wrong.append(repairs.Trial(code, function["calls"], function["values"]))
    assert repairs.all_passing(right) == [True] * len(some)
    assert repairs.all_passing(wrong) == [False] * len(some)


def test_there_are_enough_functions_and_no_form_is_in_two_splits() -> None:
    """The same form with other names and numbers would be known from training."""
    splits: dict[str, set[str]] = {}
    for row in FUNCTIONS.values():
        splits.setdefault(form(row["source"]), set()).add(row["split"])
    assert len(FUNCTIONS) >= 300 and len(splits) >= 0.99 * len(FUNCTIONS)
    assert all(len(each) == 1 for each in splits.values())
    for split in ("train", "validation", "test"):
        names = {name for name, row in FUNCTIONS.items() if row["split"] == split}
        kinds = {row["kind"] for row in PLANTED if row["function"] in names}
        assert kinds == set(mistakes.KINDS + mistakes.HELD_OUT), split


def form(source: str) -> str:
    """A function's syntax tree without its names, numbers and words."""
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree.body = tree.body[1:]
    for node in ast.walk(tree):
        for field in ("id", "arg", "name", "attr"):
            if isinstance(getattr(node, field, None), str):
                setattr(node, field, "x")
        if isinstance(node, ast.Constant):
            node.value = 0
    return ast.dump(tree)


@pytest.mark.parametrize(
    ("source", "kind", "wrong"),
    [
        ("def f(n):\n    return n - 1", "wrong operator", "    return n + 1"),
        ("def f(n):\n    return n < 1", "off by one", "    return n <= 1"),
        ("def f(n):\n    return range(n)", "off by one", "    return range(n - 1)"),
        ("def f(n, m):\n    return n", "wrong variable", "    return m"),
        ("def f(n):\n    return n", "missing return", "    n"),
        ("def f(a=None):\n    return a or []", "mutable default", "def f(a=[]):"),
        ("def f(a):\n    for b in a:\n        a = b\n    return a", "early return", " " * 8),
        ("def f(a, b):\n    return max(a, b)", "swapped arguments", "    return max(b, a)"),
        (
            "def f(a):\n    if a or 1: return 2",
            "negated condition",
            "    if not (a or 1): return 2",
        ),
        ("def f(a):\n    return min(a)", "wrong function", "    return max(a)"),
        ("def f(a):\n    return a * 2", "wrong number", "    return a * 3"),
        ("def f(a, b):\n    return (a + b) * 2", "wrong operator", "    return (a - b) * 2"),
    ],
)
def test_each_kind_is_planted_without_touching_the_rest(source: str, kind: str, wrong: str) -> None:
    lines = [each.wrong for each in mistakes.plant(source) if each.kind == kind]
    assert any(line == wrong or line.startswith(wrong + "return") for line in lines)
