"""Graders of one answer: from 0 (wrong) to 1 (right), or None where it can't be read at all.

A grader is a function of the answer's text and its example; any function of that kind will do.
OpenAI's graders, as data, are such functions, too: `openai_grader` makes one. Knows texts, numbers
and JSON. Knows nothing of who answered.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example
from workbook.grading import graders
from workbook.grading.errors import GraderError
from workbook.grading.judging import Question, Verdict

Grader = Callable[[str, Example], float | None]

# A number as people write it: sign, thousands with commas, a decimal point.
_NUMBER = re.compile(r"(?<![\w.,])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w]|[.,]\d)")


def exact(answer: str, example: Example) -> float:
    """The label itself, white space around it aside."""
    return float(answer.strip() == str(example.label).strip())


def same_word(answer: str, example: Example) -> float:
    """The label, whatever its case and the punctuation and white space around it."""
    return float(_bare(answer) == _bare(str(example.label)))


def _bare(text: str) -> str:
    return re.sub(r"^\W+|\W+$", "", text).casefold()


def contains(answer: str, example: Example) -> float:
    """The label, or another of the item's `accept`, as whole words somewhere in the answer.

    Case does not count. Generous: an answer that names many things may name the right one.
    """
    accept = example.item.get("accept")
    words = [str(each).strip() for each in (example.label, *(accept or ()))]
    patterns = [rf"(?<!\w){re.escape(word)}(?!\w)" for word in words if word]
    return float(any(re.search(pattern, answer, re.IGNORECASE) for pattern in patterns))


def one_of(*labels: str) -> Grader:
    """The label, named in the answer and no other of `labels` with it; None where none is named.

    Case does not count. "A positive review" names "positive"; so does "not positive": look at a few
    answers before you trust it.
    """
    patterns = {
        label.casefold(): re.compile(rf"(?<!\w){re.escape(label)}(?!\w)", re.IGNORECASE)
        for label in labels
    }
    if len(patterns) < 2 or not all(map(str.strip, patterns)):
        raise EvaluationError(
            "one_of needs at least two labels that differ in more than their case, none empty."
        )

    def grade(answer: str, example: Example) -> float | None:
        named = [label for label, pattern in patterns.items() if pattern.search(answer)]
        if len(named) != 1:
            return None
        return float(named[0] == str(example.label).casefold())

    return grade


def number_of(text: str) -> float | None:
    """The number that a text names; None where it names none, or two different ones."""
    numbers = {
        float(match[0].replace(",", "").replace("−", "-")) for match in _NUMBER.finditer(text)
    }
    return numbers.pop() if len(numbers) == 1 else None


def number_within(k: float, read: Callable[[str], float | None] = number_of) -> Grader:
    """At most `k` away from the label, a number; None where the answer names no single number.

    read: finds the number in an answer
    """
    if not (isinstance(k, (int, float)) and math.isfinite(k) and k >= 0):
        raise EvaluationError(f"number_within takes a distance of 0 or more, not {k!r}.")

    def grade(answer: str, example: Example) -> float | None:
        label = number_of(str(example.label))
        if label is None:
            raise EvaluationError(
                f"The label of example {example.id!r} is {example.label!r}, which is no number."
            )
        number = read(answer)
        if number is None:
            return None
        return float(abs(number - label) <= k + 1e-9)

    return grade


def regex(pattern: str) -> Grader:
    """The pattern is found somewhere in the answer. Raises EvaluationError for a broken pattern."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise EvaluationError(f"The pattern {pattern!r} is broken: {error}.") from None
    return lambda answer, example: float(compiled.search(answer) is not None)


_BY_NAME: dict[str, Grader] = {"exact": exact, "same-word": same_word, "contains": contains}
NAMES = "exact, same-word, contains, number-within=K, one-of=A|B|C or regex=PATTERN"


def by_name(words: str) -> Grader:
    """A grader by its name in a command or a form, one of `NAMES`. Raises EvaluationError."""
    kind, sign, rest = words.partition("=")
    if kind in _BY_NAME and not sign:
        return _BY_NAME[kind]
    if kind == "number-within":
        try:
            return number_within(float(rest))
        except ValueError:
            raise EvaluationError(f"{rest!r} is no number; write number-within=1") from None
    if kind == "one-of":
        return one_of(*(label.strip() for label in rest.split("|")))
    if kind == "regex":
        if not rest:
            raise EvaluationError("regex needs a pattern; write regex=^[1-5]$")
        return regex(rest)
    raise EvaluationError(f"{words!r} is no grader; there are {NAMES}")


def json_schema(schema: Mapping[str, Any]) -> Grader:
    """JSON that fits a schema; None where the answer is no JSON.

    Raises EvaluationError where the schema is none.
    """
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise EvaluationError(f"This is no JSON schema: {error.message}.") from None
    validator = jsonschema.Draft202012Validator(schema)

    def grade(answer: str, example: Example) -> float | None:
        try:
            value = json.loads(answer)
        except (ValueError, RecursionError):
            return None
        return float(validator.is_valid(value))

    return grade


def openai_grader(
    grader: Mapping[str, Any], client: Any = None, embeddings: str | None = None
) -> Grader:
    """A grader as `client.fine_tuning.jobs.create` takes it, for the evaluation of the same task.

    Its templates name an example's data by {{item.NAME}}, its label by {{item.label}}, and the
    answer by {{sample.output_text}}. None where the answer can't be read as the grader wants it.

    client: of the judge, for score_model and label_model; and of the model that makes vectors.
    embeddings: that model's name, for `cosine`.
    Raises EvaluationError where the grader can't be run.
    """
    whole = dict(grader)
    if whole.get("type") not in graders.KINDS:
        raise EvaluationError(
            f"There is no grader of type {whole.get('type')!r}. There are "
            f"{', '.join(graders.KINDS)}."
        )
    try:
        graders.check(whole)
    except GraderError as error:
        raise EvaluationError(error.message) from None
    except (KeyError, TypeError) as error:
        raise EvaluationError(f"The grader lacks a part, or has a wrong one: {error}.") from None
    if graders.models(whole) and client is None:
        raise EvaluationError("This grader asks a model: give the client that reaches it.")

    if graders.embeds(whole) and (client is None or embeddings is None):
        raise EvaluationError(
            "This grader compares vectors: give the client, and the name of a model that makes "
            "them (embeddings=…)."
        )
    judge = _ClientJudge(client, embeddings)
    unreadable = {"sample_parse_error", "model_grader_parse_error"}
    if "sample.output_json" in json.dumps(whole):
        unreadable.add("invalid_variable_error")  # JSON, but without what is asked for

    def grade(answer: str, example: Example) -> float | None:
        item = {"messages": example.messages, "label": example.label} | dict(example.item)
        try:
            result = graders.run(whole, item, answer, judge)
        except GraderError as error:
            raise EvaluationError(error.message) from None
        if not result.errors:
            return result.reward
        if result.errors <= unreadable:
            return None
        reasons = ", ".join([*sorted(result.errors), *result.details.values()])
        raise EvaluationError(f"Example {example.id!r} could not be graded: {reasons}.")

    return grade


class _ClientJudge:
    """Models that a client reaches."""

    def __init__(self, client: Any, embeddings: str | None) -> None:
        self._client, self._embeddings = client, embeddings

    def __call__(self, questions: list[Question]) -> list[Verdict]:
        return [self._verdict(question) for question in questions]

    def embed(self, texts: list[str]) -> list[list[float]]:
        answer = self._client.embeddings.create(model=self._embeddings, input=texts)
        return [_of_length_1(each.embedding) for each in answer.data]

    def _verdict(self, question: Question) -> Verdict:
        answer = self._client.chat.completions.create(**question.body)
        return Verdict(answer.choices[0].message.content or "", answer.usage.total_tokens)


def _of_length_1(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [number / length for number in vector] if length else vector
