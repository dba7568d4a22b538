"""A batch's output: a row for each request that was answered, in two files that grow.

What the files hold is what has been done: counts and tokens are read from them. Knows nothing of
threads, models or records.
"""

import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any

from workbook.lab.ids import new_id

ANSWERS, ERRORS = "output.jsonl", "errors.jsonl"  # in the batch's folder


class BatchOutput:
    """The rows so far. A `with` block closes the files.

    A row cut off by a crash is removed at opening, so each request has one whole row or none.
    """

    def __init__(self, folder: Path) -> None:
        self.custom_ids: set[str] = set()  # of the requests that have a row
        self.completed = self.failed = self.given_up = 0
        self._tokens = {"prompt": 0, "cached": 0, "completion": 0}
        with contextlib.ExitStack() as stack:
            self._files = {
                name: stack.enter_context(open(folder / name, "a+b")) for name in (ANSWERS, ERRORS)
            }
            for name in self._files:
                self._recover(name)
            self._stack = stack.pop_all()

    def __enter__(self) -> "BatchOutput":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, custom_id: str, status: int, body: dict[str, Any]) -> None:
        """The answer to a request, of whatever status."""
        response = {"status_code": status, "request_id": new_id("req_"), "body": body}
        self._append(custom_id, response, None)

    def give_up(self, custom_id: str, code: str, message: str) -> None:
        """A request that gets no answer."""
        self._append(custom_id, None, {"code": code, "message": message})

    def usage(self) -> dict[str, Any]:
        """The tokens of all answers, as a batch's `usage`."""
        prompt, completion = self._tokens["prompt"], self._tokens["completion"]
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": self._tokens["cached"]},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + completion,
        }

    def _append(
        self, custom_id: str, response: dict[str, Any] | None, error: dict[str, Any] | None
    ) -> None:
        row = {
            "id": new_id("batch_req_"),
            "custom_id": custom_id,
            "response": response,
            "error": error,
        }
        file = self._files[ANSWERS if response and response["status_code"] == 200 else ERRORS]
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
        self.custom_ids.add(row["custom_id"])
        if row["error"] or row["response"]["status_code"] != 200:
            self.failed += 1
            self.given_up += row["error"] is not None
            return
        self.completed += 1
        usage = row["response"]["body"]["usage"]
        for name, new_name in (("prompt", "input"), ("completion", "output")):  # as Responses
            self._tokens[name] += usage.get(f"{name}_tokens", usage.get(f"{new_name}_tokens", 0))
        details = usage.get("prompt_tokens_details", usage.get("input_tokens_details", {}))
        self._tokens["cached"] += details.get("cached_tokens", 0)
