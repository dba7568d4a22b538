"""Reward functions of Bedrock's kind: a Python file, or a program that listens on this machine.

Bedrock calls an AWS Lambda function with a list of {"id", "messages", …}: a row of the training
file, its messages with the answer as the last one. It gives a list of {"id",
"aggregate_reward_score", "metrics_list": [{"name", "value", "type"}]}. Here the function's place is
an absolute path, whose `lambda_handler(event, context)` runs shut in as a python grader does, or an
address of this machine, which is sent the list as JSON. No other host is ever called.
https://docs.aws.amazon.com/bedrock/latest/userguide/reward-functions-open-weight.html

Knows their form and how to call them; nothing of graders, jobs or models.
"""

import http.client
import ipaddress
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from workbook.grading import python_grader

HANDLER = "lambda_handler"
ANSWERS = 16  # of a call
MAX_ANSWER = 2**20  # bytes
MAX_METRICS = 32  # of an answer

Result = dict[str, Any]  # {"reward", "parts"}, {"error"} or {"died"}, as of `python_grader`


class FunctionError(ValueError):
    """A function that can't be called; says why."""


class _Address(NamedTuple):
    hosts: tuple[str, ...]
    port: int
    path: str


def check(function: str) -> None:
    """Raise FunctionError unless the function can be called, as far as can be seen."""
    if _is_address(function):
        _address(function)
        return
    source = _source(function)
    try:
        python_grader.check(source, HANDLER, "event and context")
    except python_grader.SourceError as error:
        raise FunctionError(f"{Path(function).name}: {error}") from None


def run_all(
    function: str, rows: list[dict[str, Any]], stopped: Callable[[], bool] = lambda: False
) -> list[Result]:
    """What came of each row, a row of a training file whose last message is the answer.

    Raises FunctionError where the function is gone: rewards of nothing but 0 would be learned from.
    """
    events = [row | {"id": str(i)} for i, row in enumerate(rows)]
    parts = [events[i : i + ANSWERS] for i in range(0, len(events), ANSWERS)]
    if _is_address(function):
        address = _address(function)
        answers = [{"died": "not run"} if stopped() else _call(address, part) for part in parts]
    else:
        tasks = [{"event": part} for part in parts]
        answers = python_grader.run_all(_source(function), tasks, stopped=stopped, function=HANDLER)
    return [
        result
        for part, answer in zip(parts, answers, strict=True)
        for result in (_read(answer["value"], part) if "value" in answer else [answer] * len(part))
    ]


def _read(value: Any, part: list[dict[str, Any]]) -> list[Result]:
    """The function's answer, by the rows' ids."""
    if not isinstance(value, list):
        kind = type(value).__name__
        error = f"{HANDLER} must return a list of {{'id', 'aggregate_reward_score'}}, not {kind}"
        return [{"error": error}] * len(part)
    by_id = {str(each.get("id")): each for each in value if isinstance(each, dict)}
    return [_reward(by_id.get(row["id"])) for row in part]


def _reward(answer: dict[str, Any] | None) -> Result:
    if answer is None:
        return {"error": "the list that came back has no entry with this answer's id"}
    reward = answer.get("aggregate_reward_score")
    if not _is_number(reward):
        return {"error": f"aggregate_reward_score is {reward!r:.80}, which is no finite number"}
    metrics = answer.get("metrics_list") or []
    parts = {
        str(metric["name"])[:100]: float(metric["value"])
        for metric in (metrics[:MAX_METRICS] if isinstance(metrics, list) else ())
        if isinstance(metric, dict) and "name" in metric and _is_number(metric.get("value"))
    }
    return {"reward": float(reward), "parts": parts}  # type: ignore[arg-type]


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


# A file


def _source(function: str) -> str:
    if function.startswith("arn:"):
        raise FunctionError(
            "nothing is called outside this machine: name the function's Python file by its "
            "absolute path, or an address such as http://127.0.0.1:9000/"
        )
    path = Path(function)
    if not path.is_absolute():
        raise FunctionError(
            f"'{function[:80]}' is no absolute path, and no address that begins with http://"
        )
    if path.suffix != ".py":
        raise FunctionError(f"'{path.name[:80]}' is no Python file (.py)")
    try:
        if not path.is_file():  # nor a pipe, which would be read for ever
            raise FunctionError(f"there is no file '{function[:300]}'")
        if os.path.getsize(path) > python_grader.MAX_SOURCE:
            raise FunctionError(f"it is longer than {python_grader.MAX_SOURCE // 1024} KB")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise FunctionError(f"'{path.name[:80]}' is not UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, FunctionError):
            raise
        raise FunctionError(f"'{path.name[:80]}' can't be read ({reason})") from None


# An address


def _is_address(function: str) -> bool:
    return "://" in function


def _address(function: str) -> _Address:
    try:
        url = urlsplit(function)
        port = url.port or 80
    except ValueError:
        raise FunctionError(f"'{function[:80]}' is no address") from None
    if url.scheme != "http":
        raise FunctionError(f"its address must begin with http://, not {url.scheme[:20]}://")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    if not path.isascii() or any(c <= " " or c == "\x7f" for c in path):
        raise FunctionError("its address holds a character that must be written as %…")
    return _Address(_hosts(url), port, path)


def _hosts(url: SplitResult) -> tuple[str, ...]:
    """Loopback addresses as numbers: a name would be looked up, and may be anybody's."""
    if url.hostname == "localhost" and "@" not in url.netloc:
        return "127.0.0.1", "::1"
    try:
        ip = ipaddress.ip_address(url.hostname or "")
        if ip.is_loopback and "@" not in url.netloc:
            return (str(ip),)
    except ValueError:
        pass
    raise FunctionError(
        "nothing is called outside this machine: its address must be one of 127.0.0.1, ::1 or "
        "localhost"
    )


def _call(address: _Address, part: list[dict[str, Any]]) -> dict[str, Any]:
    """Send a list, take a list. A redirection is not followed: it might lead elsewhere."""
    until = time.monotonic() + python_grader.SECONDS
    body = json.dumps(part).encode()
    failure: OSError | None = None
    for host in address.hosts:
        connection = http.client.HTTPConnection(host, address.port, timeout=python_grader.SECONDS)
        try:
            connection.connect()
        except OSError as error:
            failure = error
            continue
        try:
            connection.request("POST", address.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = b""
            while piece := response.read1(2**16):
                text += piece
                if len(text) > MAX_ANSWER:
                    return {"error": f"it answered with more than {MAX_ANSWER // 2**20} MB"}
                if time.monotonic() > until:
                    return {"died": "timeout"}
            if response.status != 200:
                return {"error": f"it answered with status {response.status}"}
            return {"value": json.loads(text)}
        except TimeoutError:
            return {"died": "timeout"}
        except (OSError, http.client.HTTPException):
            return {"died": "exited"}
        except (ValueError, RecursionError):
            return {"error": "it answered with something that is no JSON"}
        finally:
            connection.close()
    raise FunctionError(f"nobody listens at {address.hosts[0]}:{address.port} ({failure})")
