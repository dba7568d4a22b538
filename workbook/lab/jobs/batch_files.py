"""A batch's rows: the requests that come in as JSON Lines, and the answers that go out.

Both are read and written line by line, so that memory does not grow with a batch's answers. Knows
nothing of threads, models or records.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbook import strict_json
from workbook.lab.state.store import new_id
from workbook.lab.training import training_file
from workbook.rows.rules import MAX_LINE

MAX_REQUESTS = 50_000  # as OpenAI
MAX_ID = 512  # characters of a custom_id
SHOWN = 100  # faults that a failed batch lists

INPUT, OUTPUT, ERRORS = "input.jsonl", "output.jsonl", "errors.jsonl"


class LineFault(ValueError):
    """What is wrong with a line: code, message and the parameter that is meant."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.param = code, param


def check(path: Path, endpoint: str) -> tuple[int, str | None, list[dict[str, Any]]]:
    """How many requests, the one model that they name, and the faults that were found."""
    total, model, faults = 0, None, []
    seen: set[str] = set()
    for number, line in training_file.lines(path):
        total += 1
        if total > MAX_REQUESTS:
            message = (
                f"The file has more than {MAX_REQUESTS:,} requests: make several batches of it."
            )
            faults.append(_fault(LineFault("too_many_requests", message), number))
            break
        try:
            custom_id, body = _request(line, endpoint)
            if custom_id in seen:
                message = f"The custom_id '{custom_id}' has been used before: it must be unique."
                raise LineFault("duplicate_custom_id", message, "custom_id")
            seen.add(custom_id)
            model = model or body["model"]
            if body["model"] != model:
                message = (
                    f"The model '{body['model'][:80]}' is not the one of the lines before, "
                    f"'{model[:80]}'. A batch is for one model."
                )
                raise LineFault("mismatched_model", message, "body.model")
        except LineFault as fault:
            faults.append(_fault(fault, number))
            if len(faults) == SHOWN:
                break
    if not total:
        faults.append(_fault(LineFault("empty_file", "The file has no requests."), None))
    return total, model, faults


def requests(path: Path, endpoint: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """custom_id and body of every request of a file that was checked."""
    for _, line in training_file.lines(path):
        yield _request(line, endpoint)


def _fault(fault: LineFault, line: int | None) -> dict[str, Any]:
    return {"code": fault.code, "message": str(fault), "param": fault.param, "line": line}


def _request(line: bytes, endpoint: str) -> tuple[str, dict[str, Any]]:
    """custom_id and body. Raises LineFault."""
    if len(line) > MAX_LINE:
        size = MAX_LINE // 2**20
        raise LineFault("line_too_long", f"The line is longer than {size} MiB.")
    try:
        request = strict_json.loads(line, whole_numbers=True)
    except ValueError:
        raise LineFault("invalid_json_line", "This line is not parseable as valid JSON.") from None
    if not isinstance(request, dict):
        raise LineFault("invalid_json_line", "This line is not a JSON object.")
    for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
        if not request.get(name):
            message = f"Missing required parameter: '{name}'."
            raise LineFault("missing_required_parameter", message, name)
        if not isinstance(request[name], kind):
            wanted = "a string" if kind is str else "an object"
            raise LineFault("invalid_type", f"Invalid '{name}': it must be {wanted}.", name)
    if len(request["custom_id"]) > MAX_ID:
        message = f"The custom_id is longer than {MAX_ID} characters."
        raise LineFault("string_above_max_length", message, "custom_id")
    if request["method"] != "POST":
        raise LineFault("invalid_method", "The method must be 'POST'.", "method")
    if request["url"] != endpoint:
        message = f"The url '{request['url'][:80]}' is not the batch's endpoint, '{endpoint}'."
        raise LineFault("invalid_url", message, "url")
    if not isinstance(request["body"].get("model"), str):
        message = "Missing required parameter: 'body.model'."
        raise LineFault("missing_required_parameter", message, "body.model")
    return request["custom_id"], request["body"]


class Sheet:
    """The answers so far, in two growing files; what they hold is what has been done.

    A row cut off by a crash is removed at opening, so each request has one whole row or none.
    """

    def __init__(self, folder: Path) -> None:
        self.answered: set[str] = set()
        self.completed = self.failed = self.given_up = 0
        self._tokens = {"prompt": 0, "cached": 0, "completion": 0}
        self._files = {}
        for name in (OUTPUT, ERRORS):
            self._files[name] = open(folder / name, "a+b")
            self._recover(name)

    def add(self, custom_id: str, status: int, body: dict[str, Any]) -> None:
        """The answer to a request, of whatever status."""
        response = {"status_code": status, "request_id": new_id("req_"), "body": body}
        self._append(custom_id, response, None)

    def give_up(self, custom_id: str, code: str, message: str) -> None:
        """A request that gets no answer."""
        self._append(custom_id, None, {"code": code, "message": message})

    def usage(self) -> dict[str, Any]:
        """The tokens of all answers, as a batch's `usage`."""
        read, written = self._tokens["prompt"], self._tokens["completion"]
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": self._tokens["cached"]},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        }

    def close(self) -> None:
        """No method may be called afterwards."""
        for file in self._files.values():
            file.close()

    def _append(self, custom_id: str, response: Any, error: Any) -> None:
        row = {"id": new_id("batch_req_"), "custom_id": custom_id}
        row |= {"response": response, "error": error}
        file = self._files[OUTPUT if response and response["status_code"] == 200 else ERRORS]
        file.write(json.dumps(row).encode() + b"\n")
        file.flush()  # a killed server has written it; a power cut may cost the request again
        self._count(row)

    def _recover(self, name: str) -> None:
        file, whole = self._files[name], 0
        file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            self._count(json.loads(line))
        file.truncate(whole)

    def _count(self, row: dict[str, Any]) -> None:
        self.answered.add(row["custom_id"])
        if row["error"] or row["response"]["status_code"] != 200:
            self.failed += 1
            self.given_up += row["error"] is not None
            return
        self.completed += 1
        usage = row["response"]["body"]["usage"]
        self._tokens["prompt"] += usage["prompt_tokens"]
        self._tokens["cached"] += usage["prompt_tokens_details"]["cached_tokens"]
        self._tokens["completion"] += usage["completion_tokens"]
