"""One question to a model: the request, what came back and what it took, and how it is kept.

A good exchange becomes a line of a training file in the work folder. Knows no pages.
"""

import json
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
from filelock import FileLock

from workbook import paths, strict_json
from workbook.doctor.writing import encode
from workbook.errors import WorkbookError
from workbook.evals import completions
from workbook.prices import costs
from workbook.studio.host import Host

OPTIONS = 5  # most likely tokens that are asked for at each place
EXAMPLES = "playground.jsonl"
_ALONE = threading.Lock()


@dataclass(frozen=True)
class Question:
    """What both models are asked. schema: JSON; None leaves the form of the answer to them."""

    words: str
    system: str = ""
    temperature: float = 1.0
    max_tokens: int = 128
    schema: str | None = None
    probabilities: bool = True

    @property
    def messages(self) -> list[dict[str, str]]:
        """As they are sent."""
        system = [{"role": "system", "content": self.system}] if self.system.strip() else []
        return [*system, {"role": "user", "content": self.words}]


@dataclass(frozen=True)
class Token:
    """A piece of an answer, its probability, and what else could have stood there."""

    words: str
    share: float
    options: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Reply:
    """An answer and what it took. usd: None where no price is known."""

    model: str
    words: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    usd: float | None
    tokens: Sequence[Token] = field(default_factory=tuple)

    @property
    def line(self) -> str:
        """Tokens, latency and cost."""
        price = "price not known" if self.usd is None else costs.usd(self.usd)
        end = {"length": " · cut off at the limit", "content_filter": " · filtered by the host"}
        return (
            f"{self.prompt_tokens:,} tokens in · {self.completion_tokens:,} out · "
            f"{self.seconds:.2f} s · {price}{end.get(self.finish_reason, '')}"
        )


def body(model: str, question: Question) -> dict[str, Any]:
    """The request. Raises WorkbookError for an empty question and for a schema that is none."""
    if not question.words.strip():
        raise WorkbookError("Write a question first.")
    request: dict[str, Any] = {
        "model": model,
        "messages": question.messages,
        "temperature": question.temperature,
        "max_completion_tokens": question.max_tokens,
    }
    if question.schema is not None:
        schema = {"name": "answer", "strict": True, "schema": _schema(question.schema)}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    if question.probabilities:
        request |= {"logprobs": True, "top_logprobs": OPTIONS}
    return request


def _schema(words: str) -> dict[str, Any]:
    try:
        schema = strict_json.loads(words.encode())
    except ValueError as error:
        raise WorkbookError(f"The schema can't be read as JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise WorkbookError('A schema is an object, such as {"type": "object", …}.')
    return schema


def ask(host: Host, model: str, question: Question) -> Reply:
    """One answer. Raises WorkbookError, and what the host refuses as the openai package does."""
    began = time.perf_counter()
    try:
        completion = host.patient.chat.completions.create(**body(model, question))
    except openai.BadRequestError as error:
        if question.probabilities and "logprobs" in str(error):
            raise WorkbookError(
                f"{model} gives no probabilities of its tokens here: leave them out, and ask again."
            ) from error
        raise
    seconds = time.perf_counter() - began
    if not completion.choices:
        raise WorkbookError(f"{model} gave no answer at all.")
    choice, usage = completion.choices[0], completion.usage
    read, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    usd = 0.0 if host.backend.is_lab else host.backend.requests_usd(1, read, written, model)
    logprobs = choice.logprobs.content if choice.logprobs else None
    return Reply(
        model,
        completions.text_of(completion),
        choice.finish_reason or "",
        read,
        written,
        seconds,
        usd,
        tuple(map(_token, logprobs or ())),
    )


def _token(token: Any) -> Token:
    options = [(each.token, math.exp(each.logprob)) for each in token.top_logprobs or ()]
    return Token(token.token, math.exp(token.logprob), options)


def price(host: Host, models: Sequence[str], question: Question) -> str:
    """What a question to these models will cost at most, in a few words."""
    if host.backend.is_lab:
        return "Costs nothing on the lab."
    tokens = host.backend.count([{"messages": question.messages}])
    prices = [host.backend.requests_usd(1, tokens, question.max_tokens, model) for model in models]
    if None in prices:
        return f"At a price that is not known here, on {host.backend.title}."
    return (
        f"At most about {costs.usd(sum(each or 0.0 for each in prices))} on {host.backend.title}."
    )


def example(question: Question, answer: str) -> dict[str, Any]:
    """An exchange as a row of a training file. Raises WorkbookError for an empty answer."""
    if not answer.strip():
        raise WorkbookError("An example needs an answer.")
    return {"messages": [*question.messages, {"role": "assistant", "content": answer}]}


def append(row: Mapping[str, Any], name: str = EXAMPLES) -> tuple[Path, int]:
    """Add a row to a file in the work folder: the file, and how many rows it has now.

    What stands there stays as it is. Raises WorkbookError for a name that is none, and where the
    last line of the file is not whole.
    """
    if Path(name).name != name or not name.endswith(".jsonl") or name.startswith("."):
        raise WorkbookError(f"{name!r} is no plain file name ending in .jsonl.")
    path = paths.work() / name
    line = encode(row, 1)
    with _ALONE, FileLock(path.with_name(f".{name}.lock")), path.open("a+b") as stream:
        stream.seek(0)
        content = stream.read()
        if content and not content.endswith(b"\n"):
            try:
                json.loads(content.rsplit(b"\n", 1)[-1])
            except ValueError:
                raise WorkbookError(
                    f"The last line of {name} is not whole, so nothing was added: mend it first."
                ) from None
            line = b"\n" + line
        stream.write(line)
        stream.flush()
    return path, sum(1 for each in (content + line).split(b"\n") if each.strip())
