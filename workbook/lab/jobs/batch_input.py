"""A batch's input: requests as JSON Lines, checked as a whole and then read one by one.

Read line by line, so that memory does not grow with a batch. Knows nothing of threads, models or
records; what a request asks for, its endpoint's module checks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbook import strict_json
from workbook.lab.training import training_file
from workbook.rows.rules import MAX_LINE

MAX_REQUESTS = 50_000  # as OpenAI
MAX_ID = 512  # characters of a custom_id
SHOWN = 100  # faults that a failed batch lists


class LineError(ValueError):
    """What is wrong with a line.

    code, param: OpenAI's code, and the parameter that is meant.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.param = code, param


def check(path: Path, endpoint: str) -> tuple[int, str | None, list[dict[str, Any]]]:
    """How many requests, the one model that they name, and what is wrong with which lines."""
    total, model, faults = 0, None, []
    custom_ids: set[str] = set()
    for number, line in training_file.lines(path):
        total += 1
        if total > MAX_REQUESTS:
            message = (
                f"The file has more than {MAX_REQUESTS:,} requests: make several batches of it."
            )
            faults.append(_fault(LineError("too_many_requests", message), number))
            break
        try:
            custom_id, body = _request(line, endpoint)
            if custom_id in custom_ids:
                message = f"The custom_id '{custom_id}' has been used before: it must be unique."
                raise LineError("duplicate_custom_id", message, "custom_id")
            custom_ids.add(custom_id)
            model = model or body["model"]
            if body["model"] != model:
                message = (
                    f"The model '{body['model'][:80]}' is not the one of the lines before, "
                    f"'{model[:80]}'. A batch is for one model."
                )
                raise LineError("mismatched_model", message, "body.model")
        except LineError as error:
            faults.append(_fault(error, number))
            if len(faults) == SHOWN:
                break
    if not total:
        faults.append(_fault(LineError("empty_file", "The file has no requests."), None))
    return total, model, faults


def requests(path: Path, endpoint: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """custom_id and body of every request of a file that was checked."""
    for _, line in training_file.lines(path):
        yield _request(line, endpoint)


def _fault(error: LineError, line: int | None) -> dict[str, Any]:
    return {"code": error.code, "message": str(error), "param": error.param, "line": line}


def _request(line: bytes, endpoint: str) -> tuple[str, dict[str, Any]]:
    """custom_id and body. Raises LineError."""
    if len(line) > MAX_LINE:
        size = MAX_LINE // 2**20
        raise LineError("line_too_long", f"The line is longer than {size} MiB.")
    try:
        request = strict_json.loads(line, whole_numbers=True)
    except ValueError:
        raise LineError("invalid_json_line", "This line is not parseable as valid JSON.") from None
    if not isinstance(request, dict):
        raise LineError("invalid_json_line", "This line is not a JSON object.")
    for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
        if not request.get(name):
            message = f"Missing required parameter: '{name}'."
            raise LineError("missing_required_parameter", message, name)
        if not isinstance(request[name], kind):
            expected = "a string" if kind is str else "an object"
            raise LineError("invalid_type", f"Invalid '{name}': it must be {expected}.", name)
    if len(request["custom_id"]) > MAX_ID:
        message = f"The custom_id is longer than {MAX_ID} characters."
        raise LineError("string_above_max_length", message, "custom_id")
    if request["method"] != "POST":
        raise LineError("invalid_method", "The method must be 'POST'.", "method")
    if request["url"] != endpoint:
        message = f"The url '{request['url'][:80]}' is not the batch's endpoint, '{endpoint}'."
        raise LineError("invalid_url", message, "url")
    if not isinstance(request["body"].get("model"), str):
        message = "Missing required parameter: 'body.model'."
        raise LineError("missing_required_parameter", message, "body.model")
    return request["custom_id"], request["body"]
