"""Graders that ask a model: what it is asked of an answer, and the reward of what it says.

The model is made to answer with JSON of one field, `result`: a number, or one of the labels. Knows
nothing of which model that is, or of how it is reached.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workbook.grading import templates
from workbook.grading.errors import GraderError

RANGE = (0.0, 1.0)  # of a score, where the grader has none
MAX_SPAN = 1000  # of a range whose scores are listed for the model
# Where the grader leaves it open: the likeliest verdict, so that a judge repeats itself.
TEMPERATURE, SEED, MAX_TOKENS = 0.0, 42, 64


@dataclass(frozen=True)
class Question:
    """What a model is asked, in the words of OpenAI's chat completions."""

    body: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a model said.

    failure: why it said nothing; "" where it did.
    """

    text: str
    tokens: int = 0
    failure: str = ""


class Judge(Protocol):
    """Asks models: for verdicts, and for what texts are like."""

    def __call__(self, questions: list[Question], /) -> list[Verdict]:
        """A verdict on each, in order."""

    def embed(self, texts: list[str], /) -> Sequence[Sequence[float]]:
        """A vector of length 1 of each text, none of which is empty. May raise GraderError."""


def check(grader: dict[str, Any], where: str) -> None:
    """Raise GraderError for a grader of this kind that can't be run."""
    for i, message in enumerate(grader["input"]):
        param = f"{where}.input[{i}].content"
        for part in _parts(message["content"]):
            if not isinstance(part, str) and "text" not in part:
                kind = part.get("type", "this") if isinstance(part, dict) else "this"
                text = f"Invalid '{param}': the judge reads text only, and no {kind}."
                raise GraderError(text, "unsupported_content", param)
            templates.check(_text(part), param)
    if (grader.get("sampling_params") or {}).get("reasoning_effort"):
        param = f"{where}.sampling_params.reasoning_effort"
        text = "'reasoning_effort' is not supported: the lab's models do not reason. Leave it out."
        raise GraderError(text, "unsupported_parameter", param)
    if grader["type"] == "label_model":
        _check_labels(grader, where)
    else:
        low, high = _range(grader, where)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            param = f"{where}.range"
            message = f"Invalid '{param}': its first number must be below its second."
            raise GraderError(message, "invalid_value", param)


def _check_labels(grader: dict[str, Any], where: str) -> None:
    labels, passing = grader["labels"], grader["passing_labels"]
    if not labels:
        raise GraderError(f"Invalid '{where}.labels': empty.", "empty_array", f"{where}.labels")
    if unknown := [label for label in passing if label not in labels]:
        param = f"{where}.passing_labels"
        message = f"Invalid '{param}': '{unknown[0][:80]}' is none of the labels."
        raise GraderError(message, "invalid_value", param)


def _range(grader: dict[str, Any], where: str = "grader") -> tuple[float, float]:
    bounds = grader.get("range") or RANGE
    if len(bounds) != 2:
        param = f"{where}.range"
        message = f"Invalid '{param}': it must hold two numbers, the lowest and the highest score."
        raise GraderError(message, "invalid_value", param)
    return bounds[0], bounds[1]


def question(grader: dict[str, Any], item: dict[str, Any], sample: str) -> Question:
    """What the model is asked of an answer. Raises MissingValueError, GraderError."""
    messages = [
        {
            "role": message["role"],
            "content": "".join(
                templates.fill(_text(part), item, sample) for part in _parts(message["content"])
            ),
        }
        for message in grader["input"]
    ]
    given = {k: v for k, v in (grader.get("sampling_params") or {}).items() if v is not None}
    body = {
        "model": grader["model"],
        "messages": messages,
        "temperature": given.get("temperature", TEMPERATURE),
        "top_p": given.get("top_p", 1.0),
        "seed": given.get("seed", SEED),
        # The field's name is OpenAI's, plural and all.
        "max_tokens": given.get("max_completions_tokens", MAX_TOKENS),
        "response_format": _form(grader),
    }
    return Question(body)


def _form(grader: dict[str, Any]) -> dict[str, Any]:
    if grader["type"] == "label_model":
        result: dict[str, Any] = {"type": "string", "enum": grader["labels"]}
    else:
        result = {"type": "number"} | _scores(*_range(grader))
    schema = {
        "type": "object",
        "properties": {"result": result},
        "required": ["result"],
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": schema},
    }


def _scores(low: float, high: float) -> dict[str, Any]:
    """The scores that a model may give: a small one would write a number's digits on and on."""
    span = high - low
    if span > MAX_SPAN:
        return {"minimum": low, "maximum": high}
    digits = 2 if span <= 1 else 1 if span <= 10 else 0
    count = math.floor(span * 10**digits + 1e-9)
    scores = [round(low + i / 10**digits, digits + 2) for i in range(count + 1)]
    return {"enum": [int(score) if score == int(score) else score for score in scores]}


def reward(grader: dict[str, Any], text: str) -> float | None:
    """Of what the model said; None where that is no verdict."""
    try:
        result = json.loads(text)["result"]
        if grader["type"] == "label_model":
            return float(result in grader["passing_labels"]) if isinstance(result, str) else None
        low, high = _range(grader)
        score = float(result)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return score if low <= score <= high else None


def _parts(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _text(part: Any) -> str:
    return part if isinstance(part, str) else str(part["text"])
