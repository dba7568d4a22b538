"""Python graders: code that grades answers, run in a process of its own that is shut in.

Knows the process, its time and its end; how it is shut in, `python_worker` knows.
"""

import ast
import functools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_SOURCE = 256 * 1024  # bytes, as Azure's documentation has it
SECONDS = 120.0  # for one answer, as there
MEMORY = 2 * 2**30  # bytes, as there
MAX_LINE = 2**20  # bytes of what a process may say of one answer
DEATHS = 3  # of a grader's processes in one call; then the other answers are not graded

_WORKER = Path(__file__).with_name("python_worker.py")


class SourceError(ValueError):
    """The source is no grader; says why."""


def check(source: str, function: str = "grade", takes: str = "sample and item") -> None:
    """Raise SourceError unless the source can be read and defines `grade(sample, item)`.

    function, takes: another name, and the names of its two arguments.
    """
    if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE:
        raise SourceError(f"it is longer than {MAX_SOURCE // 1024} KB")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise SourceError(f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"it can't be read ({error})") from None
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    grades = [node for node in functions if node.name == function]
    if not grades:
        raise SourceError(f"it defines no function {function}({takes.replace(' and', ',')})")
    arguments = grades[-1].args
    most = len(arguments.posonlyargs) + len(arguments.args)
    if not arguments.vararg and not most - len(arguments.defaults) <= 2 <= most:
        raise SourceError(f"line {grades[-1].lineno}: {function} takes two arguments, {takes}")


def run_all(
    source: str,
    answers: list[dict[str, Any]],
    seconds: float = SECONDS,
    stopped: Callable[[], bool] = lambda: False,
    function: str = "grade",
) -> list[dict[str, Any]]:
    """What came of each answer {"sample", "item"}: {"reward"}, {"error"} or {"died"}.

    error: what went wrong in the grader's code.
    died: what ended its process: "timeout", or "exited". The next answers get a new one.
    stopped: whether nobody waits any more; asked between two answers.
    function: another one takes {"event"}, and what it gives comes as {"value"}.
    """
    results: list[dict[str, Any]] = []
    worker: _Worker | None = None
    deaths = 0
    try:
        for answer in answers:
            if deaths >= DEATHS or stopped():
                results.append({"died": "not run"})
                continue
            worker = worker or _Worker(source, function)
            result = worker.grade(answer, seconds)
            results.append(result)
            if "died" in result:
                worker.end()
                worker, deaths = None, deaths + 1
    finally:
        if worker:
            worker.end()
    return results


@functools.cache
def hides_files() -> bool:
    """Whether a grader can read no file of its machine but Python's own: it is tried."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "secret"
        path.write_text("1", encoding="utf-8")
        result = run_all(_READS, [{"sample": {}, "item": {"path": str(path)}}], 20.0)[0]
    return result.get("reward") == 0.0


_READS = """
def grade(sample, item):
    try:
        return float(open(item["path"]).read())
    except OSError:
        return 0.0
"""


class _Worker:
    """A process, asked for a grade at a time."""

    def __init__(self, source: str, function: str) -> None:
        variables = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        if "SYSTEMROOT" in os.environ:  # Python does not start without it on Windows
            variables["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(_WORKER)],
            cwd=_WORKER.anchor,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, name="python grader", daemon=True)
        self._listener.start()
        task = {"source": source, "function": function, "memory": MEMORY}
        self._broken = not self._send(task)

    def grade(self, answer: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._broken or not self._send(answer):
            return {"died": "exited"}
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return {"died": "timeout"}
        if not line:
            return {"died": "exited"}
        try:
            result = json.loads(line)
            if "reward" in result:
                return {"reward": float(result["reward"])}
            if "value" in result:
                return {"value": result["value"]}
            return {"error": str(result["error"])[:500]}
        except (ValueError, TypeError, KeyError, RecursionError):  # its code wrote there, too
            return {"died": "exited"}

    def _send(self, message: dict[str, Any]) -> bool:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline(MAX_LINE):
            self._lines.put(line)
        self._lines.put(b"")

    def end(self) -> None:
        """Kill it; it has nothing that is worth waiting for."""
        self._process.kill()
        self._process.wait()
        self._listener.join(1)  # what it reads from must not be closed under it
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe:
                    pipe.close()
            except OSError:
                pass
