"""OpenAI's graders, and Bedrock's `lambda`: how good an answer is, as a number.

A grader is a dictionary, as their interface has it. Where one asks a model, the caller brings
the judge. Knows nothing of HTTP, jobs or models.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workbook.grading import (
    formula,
    judging,
    python_grader,
    reward_function,
    templates,
    text_metrics,
)
from workbook.grading.errors import GraderError
from workbook.grading.judging import Judge

Answer = tuple[dict[str, Any], str]  # an item, and what was answered to it
KINDS = (
    "string_check",
    "text_similarity",
    "python",
    "score_model",
    "label_model",
    "multi",
    "lambda",
)


@dataclass
class Grade:
    """What a grader gives.

    parts: the rewards of a multi grader's parts, by their names.
    errors: OpenAI's names for what went wrong on the way.
    details: what more is to be said of it, by OpenAI's names for that.
    tokens: that models read and wrote for it, by their names.
    """

    reward: float
    parts: dict[str, float] = field(default_factory=dict)
    errors: set[str] = field(default_factory=set)
    details: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)


def check(grader: dict[str, Any], where: str = "grader") -> None:
    """Raise GraderError unless a grader that the spec allows can be run."""
    match grader["type"]:
        case "multi":
            _check_multi(grader, where)
        case "python":
            try:
                python_grader.check(grader["source"])
            except python_grader.SourceError as error:
                param = f"{where}.source"
                message = f"Invalid '{param}': {error}."
                raise GraderError(message, "invalid_python", param) from None
        case "lambda":
            try:
                reward_function.check(grader["lambda"]["function"])
            except reward_function.FunctionError as error:
                raise _bad_function(error, where) from None
        case "score_model" | "label_model":
            judging.check(grader, where)
        case _:
            for name in ("input", "reference"):
                templates.check(grader[name], f"{where}.{name}")


def _bad_function(error: Exception, where: str = "grader") -> GraderError:
    param = f"{where}.lambda.function"
    return GraderError(f"Invalid '{param}': {error}.", "invalid_function", param)


def _check_multi(grader: dict[str, Any], where: str) -> None:
    parts = _parts(grader)
    for name, part in parts.items():
        check(part, f"{where}.graders.{name}")
    try:
        formula.check(grader["calculate_output"], set(parts))
    except formula.FormulaError as error:
        param = f"{where}.calculate_output"
        raise GraderError(f"Invalid '{param}': {error}.", "invalid_formula", param) from None


def models(grader: dict[str, Any]) -> set[str]:
    """The models that a grader asks."""
    if grader["type"] == "multi":
        return set().union(*(models(part) for part in _parts(grader).values()))
    return {grader["model"]} if grader["type"] in ("score_model", "label_model") else set()


def kinds(grader: dict[str, Any]) -> set[str]:
    """The types of a grader and of its parts."""
    parts = _parts(grader).values() if grader["type"] == "multi" else ()
    return {grader["type"]}.union(*(kinds(part) for part in parts))


def embeds(grader: dict[str, Any]) -> bool:
    """Whether a grader, or a part of it, compares vectors."""
    if grader["type"] == "multi":
        return any(map(embeds, _parts(grader).values()))
    return bool(grader.get("evaluation_metric") == "cosine")


def run(
    grader: dict[str, Any], item: dict[str, Any], sample: str, judge: Judge | None = None
) -> Grade:
    """Grade an answer with a grader that was checked. Raises GraderError."""
    [grade] = run_all(grader, [(item, sample)], judge, strict=True)
    return grade


def run_all(
    grader: dict[str, Any],
    answers: list[Answer],
    judge: Judge | None = None,
    stopped: Callable[[], bool] = lambda: False,
    strict: bool = False,
) -> list[Grade]:
    """Grade many answers; what goes wrong with one is an error of its grade.

    judge: asks models; needed where the grader asks one.
    stopped: whether nobody waits for the grades any more.
    strict: raise GraderError for an answer that no grader could take.
    """
    match grader["type"]:
        case "multi":
            return _multi(grader, answers, judge, stopped, strict)
        case "python":
            tasks = [{"sample": _sample(text), "item": item} for item, text in answers]
            results = python_grader.run_all(grader["source"], tasks, stopped=stopped)
            return [_of_program(result) for result in results]
        case "lambda":
            return _rewarded(grader["lambda"]["function"], answers, stopped)
        case "score_model" | "label_model":
            return _judged(grader, answers, judge, strict)
        case "string_check":
            return [_each(_check_string, grader, answer, strict) for answer in answers]
        case _ if grader["evaluation_metric"] == "cosine":
            return _cosines(grader, answers, judge, strict)
        case _:
            return [_each(_similarity, grader, answer, strict) for answer in answers]


def _each(
    grade: Callable[[dict[str, Any], dict[str, Any], str], Grade],
    grader: dict[str, Any],
    answer: Answer,
    strict: bool,
) -> Grade:
    try:
        return grade(grader, *answer)
    except GraderError:
        if strict:
            raise
        return Grade(0.0, errors={"other_error"})


def _check_string(grader: dict[str, Any], item: dict[str, Any], sample: str) -> Grade:
    try:
        text, reference = (
            templates.fill(grader[name], item, sample) for name in ("input", "reference")
        )
    except templates.MissingValueError as error:
        return Grade(0.0, errors={str(error)})
    return Grade(float(_matches(grader["operation"], text, reference)))


def _matches(operation: str, text: str, reference: str) -> bool:
    match operation:
        case "eq":
            return text == reference
        case "ne":
            return text != reference
        case "like":
            return reference in text
        case _:  # ilike
            return reference.casefold() in text.casefold()


def _similarity(grader: dict[str, Any], item: dict[str, Any], sample: str) -> Grade:
    try:
        text, reference = _pair(grader, item, sample)
    except templates.MissingValueError as error:
        return Grade(0.0, errors={str(error)})
    return Grade(text_metrics.score(grader["evaluation_metric"], text, reference))


def _pair(grader: dict[str, Any], item: dict[str, Any], sample: str) -> tuple[str, str]:
    """The two texts to compare. Raises MissingValueError, GraderError."""
    text, reference = (
        templates.fill(grader[name], item, sample) for name in ("input", "reference")
    )
    if max(len(text), len(reference)) > text_metrics.MAX_LENGTH:
        message = f"A text to compare is longer than {text_metrics.MAX_LENGTH:,} characters."
        raise GraderError(message, "string_above_max_length", "model_sample")
    return text, reference


def _cosines(
    grader: dict[str, Any], answers: list[Answer], judge: Judge | None, strict: bool
) -> list[Grade]:
    """The vectors of all texts are asked for at once: references come again and again."""
    if judge is None:
        message = "No model that makes vectors can be asked here, which 'cosine' needs."
        raise GraderError(message, "unsupported_grader", "grader.evaluation_metric")
    pairs: list[tuple[str, str]] = []

    def collect(grader: dict[str, Any], item: dict[str, Any], sample: str) -> Grade:
        try:
            pairs.append(_pair(grader, item, sample))
        except templates.MissingValueError as error:
            return Grade(0.0, errors={str(error)})
        return Grade(math.nan)  # in whose place the cosine comes

    grades = [_each(collect, grader, answer, strict) for answer in answers]
    texts = sorted({text for pair in pairs for text in pair if text})
    vectors = dict(zip(texts, judge.embed(texts) if texts else (), strict=True))
    cosines = iter([text_metrics.cosine(*pair, vectors) for pair in pairs])
    return [Grade(next(cosines)) if math.isnan(grade.reward) else grade for grade in grades]


def _rewarded(function: str, answers: list[Answer], stopped: Callable[[], bool]) -> list[Grade]:
    rows = [
        item | {"messages": [*item.get("messages", ()), {"role": "assistant", "content": text}]}
        for item, text in answers
    ]
    try:
        results = reward_function.run_all(function, rows, stopped)
    except reward_function.FunctionError as error:
        raise _bad_function(error) from None
    return [_of_program(result) for result in results]


def _of_program(result: dict[str, Any]) -> Grade:
    """What came of an answer that code of the user's has graded."""
    if "reward" in result:
        return Grade(result["reward"], result.get("parts", {}))
    if "error" in result:
        details = {"python_grader_runtime_error_details": result["error"]}
        return Grade(0.0, errors={"python_grader_runtime_error"}, details=details)
    details = {"python_grader_server_error_type": result["died"]}
    return Grade(0.0, errors={"python_grader_server_error"}, details=details)


def _sample(text: str) -> dict[str, Any]:
    """An answer as a Python grader gets it."""
    sample: dict[str, Any] = {
        "output_text": text,
        "output_tools": [],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
    }
    try:
        sample["output_json"] = templates.parsed(text)
    except templates.MissingValueError:
        sample["output_json"] = None
    return sample


def _judged(
    grader: dict[str, Any], answers: list[Answer], judge: Judge | None, strict: bool
) -> list[Grade]:
    grades: list[Grade | None] = []
    questions: list[judging.Question] = []
    for item, sample in answers:
        try:
            questions.append(judging.question(grader, item, sample))
            grades.append(None)
        except templates.MissingValueError as error:
            grades.append(Grade(0.0, errors={str(error)}))
        except GraderError:
            if strict:
                raise
            grades.append(Grade(0.0, errors={"other_error"}))
    if judge is None:
        raise GraderError("No model can be asked here.", "unsupported_grader", "grader.type")
    verdicts = iter(judge(questions))
    return [_verdict(grader, next(verdicts)) if grade is None else grade for grade in grades]


def _verdict(grader: dict[str, Any], verdict: judging.Verdict) -> Grade:
    tokens = {grader["model"]: verdict.tokens}
    if verdict.failure:
        details = {"model_grader_server_error_details": verdict.failure[:500]}
        return Grade(0.0, {}, {"model_grader_server_error"}, details, tokens)
    reward = judging.reward(grader, verdict.text)
    if reward is None:
        return Grade(0.0, {}, {"model_grader_parse_error"}, {}, tokens)
    return Grade(reward, tokens=tokens)


def _multi(
    grader: dict[str, Any],
    answers: list[Answer],
    judge: Judge | None,
    stopped: Callable[[], bool],
    strict: bool,
) -> list[Grade]:
    by_part = {
        name: run_all(part, answers, judge, stopped, strict)
        for name, part in _parts(grader).items()
    }
    return [
        _combined(grader["calculate_output"], {name: some[i] for name, some in by_part.items()})
        for i in range(len(answers))
    ]


def _combined(text: str, grades: dict[str, Grade]) -> Grade:
    whole = Grade(0.0, {name: grade.reward for name, grade in grades.items()})
    for grade in grades.values():
        whole.errors |= grade.errors
        whole.details |= grade.details
        for model, count in grade.tokens.items():
            whole.tokens[model] = whole.tokens.get(model, 0) + count
    try:
        whole.reward = formula.compute(text, whole.parts)
    except formula.FormulaError:
        whole.errors.add("formula_parse_error")
    return whole


def _parts(grader: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The graders by the names that the formula uses; the spec also allows just one of them."""
    graders = grader["graders"]
    one = isinstance(graders.get("type"), str)
    return {graders["name"]: graders} if one else graders
