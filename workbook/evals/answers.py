"""Answers on disk: one line of JSON each, written as it comes, found again by what was asked.

Knows the file and what makes two questions the same one. Knows nothing of clients and grading.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock

from workbook.evals.errors import EvaluationError


@dataclass(frozen=True)
class Answer:
    """What came back for one question.

    key: the hash of what was asked; id: of the example
    text: what the model said, or handed to the first tool it called; None where it failed
    finish_reason: the API's, such as "stop" or "length"
    logprobs: of each token as the API gives them, where they were asked for
    seconds: from sending to the whole answer, waiting included; None in a batch
    usd: by the price list on the day; None where no price is known
    error: why there is no answer; such an answer is asked for again in the next run
    at: when, ISO 8601, UTC
    """

    key: str
    id: str
    model: str
    seed: int | None = None
    text: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    logprobs: list[dict[str, Any]] | None = None
    seconds: float | None = None
    usd: float | None = None
    error: str | None = None
    at: str = ""


def key_of(
    host: str, model: str, messages: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> str:
    """The hash that tells one question from another: who is asked, what, and with which settings.

    host: the name of the machine that answers, so that one model id on two hosts is two models
    settings: everything else that is sent, the seed included
    """
    asked = {"host": host, "model": model, "messages": list(messages), "settings": dict(settings)}
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"  # half characters: json.loads takes them


class AnswerFile:
    """A JSONL file of answers, open for one writer; `with` closes it.

    Raises EvaluationError where another process writes to it, or where it holds anything but
    answers. A last line that was cut off by a crash is left out and written anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._answers: dict[str, Answer] = {}
        self._batches: dict[str, list[str]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise EvaluationError(
                f"Another run writes its answers to {path}. Wait for it, or name another file."
            ) from None
        try:
            end = self._read()
            self._stream = open(path, "ab")  # noqa: SIM115  # open as long as this object
            self._stream.truncate(end)
        except BaseException:
            self._lock.release()
            raise

    def _read(self) -> int:
        """Take in the lines there are; the value is where the whole ones end, in bytes."""
        end = 0
        if not self.path.exists():
            return end
        with open(self.path, "rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break  # a crash cut it off
                try:
                    self._take(json.loads(line))
                except (ValueError, TypeError, KeyError, AttributeError):
                    raise EvaluationError(
                        f"Line {number} of {self.path} is no answer of an evaluation. Name another "
                        "file for the answers; this one is left as it is."
                    ) from None
                end += len(line)
        return end

    def _take(self, record: dict[str, Any]) -> None:
        if "batch" in record:
            self._batches[record["batch"]] = list(record["keys"])
            return
        answer = Answer(**record)
        self._answers[answer.key] = answer

    def get(self, key: str) -> Answer | None:
        """The answer to a question that was asked before, unless it failed."""
        answer = self._answers.get(key)
        return None if answer is None or answer.error is not None else answer

    def last(self, key: str) -> Answer | None:
        """What came last for a question, be it an answer or an error."""
        return self._answers.get(key)

    def add(self, answer: Answer) -> None:
        """Keep an answer; it is on disk when this returns."""
        self._write({k: v for k, v in asdict(answer).items() if v is not None})

    def add_batch(self, batch: str, keys: list[str]) -> None:
        """Remember a batch that was sent, so that a later run fetches it and sends no second."""
        self._write({"batch": batch, "keys": keys})

    def batches(self) -> dict[str, list[str]]:
        """The keys of the questions in each batch that was sent, by the batch's id."""
        return dict(self._batches)

    def _write(self, record: dict[str, Any]) -> None:
        self._take(record)
        self._stream.write(_line(record))
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._lock.release()
