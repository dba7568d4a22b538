"""Graders: the numbers they give, what they refuse, and the endpoints' shapes."""

import contextlib
import json
import time
from pathlib import Path

import pytest
from labserver import conform, offline

from workbook.grading import formula, graders, templates, text_metrics
from workbook.grading.errors import GraderError
from workbook.grading.graders import Grade
from workbook.lab import schema
from workbook.lab.errors import ApiError

ITEM = {"answer": "4 stars", "deep": {"list": [1, {"x": "ñ"}]}}


def check_grader(**changes) -> dict:
    values = {"input": "{{sample.output_text}}", "reference": "{{item.answer}}", "operation": "eq"}
    return {"type": "string_check", "name": "same"} | values | changes


def alike(metric: str = "fuzzy_match", **changes) -> dict:
    grader = check_grader(type="text_similarity", evaluation_metric=metric) | changes
    del grader["operation"]
    return grader


def multi(formula: str, **parts) -> dict:
    return {"type": "multi", "name": "both", "graders": parts, "calculate_output": formula}


def grade(grader: dict, sample: str = "4 stars", item: dict = ITEM) -> Grade:
    schema.check("RunGraderRequest", {"grader": grader, "item": item, "model_sample": sample})
    graders.check(grader)
    return graders.run(grader, item, sample)


@pytest.mark.parametrize(
    ("operation", "sample", "reward"),
    [
        ("eq", "4 stars", 1),
        ("eq", "4 Stars", 0),
        ("ne", "4 stars", 0),
        ("ne", "5 stars", 1),
        ("like", "I give 4 stars.", 1),
        ("like", "I give 4 Stars.", 0),
        ("ilike", "I give 4 STARS.", 1),
        ("ilike", "4", 0),
    ],
)
def test_string_checks(operation: str, sample: str, reward: int) -> None:
    assert grade(check_grader(operation=operation), sample) == Grade(reward)


def test_templates_take_from_the_item_and_the_sample() -> None:
    given = check_grader(
        input="{{ item.deep.list[1].x }}|{{item.deep.list}}", reference='ñ|[1, {"x": "ñ"}]'
    )
    assert grade(given).reward == 1
    parsed = check_grader(input="{{sample.output_json.stars}}", reference="4")
    assert grade(parsed, '{"stars": 4}').reward == 1
    assert grade(parsed, "{").errors == {"sample_parse_error"}
    assert grade(parsed, "{}").errors == {"invalid_variable_error"}
    assert grade(check_grader(), item={}) == Grade(0.0, errors={"invalid_variable_error"})
    # What a value holds is not filled in again.
    assert (
        grade(check_grader(reference="{{item.a}}"), "{{item.b}}", {"a": "{{item.b}}"}).reward == 1
    )


# As rapidfuzz 3.14 (fuzz.ratio), nltk 3.10 (sentence_gleu; sentence_bleu, method2) and
# rouge-score 0.1.2 give them.
@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ("fuzzy_match", 0.642857),
        ("bleu", 0.213443),
        ("gleu", 0.210526),
        ("rouge_1", 0.533333),
        ("rouge_2", 0.307692),
        ("rouge_3", 0.181818),
        ("rouge_4", 0.0),
        ("rouge_l", 0.533333),
    ],
)
def test_similarities(metric: str, score: float) -> None:
    text, reference = "The cat sat on the mat.", "A cat sat on a red mat, it seems."
    assert text_metrics.score(metric, text, reference) == pytest.approx(score, abs=1e-6)
    assert text_metrics.score(metric, reference, reference) == 1
    assert (
        text_metrics.score(metric, "", reference) == text_metrics.score(metric, reference, "") == 0
    )
    assert grade(alike(metric, input=text, reference=reference)).reward == pytest.approx(
        score, abs=1e-6
    )


# Banerjee and Lavie's formula by hand: 10 P R / (R + 9 P), times 1 - 0.5 (chunks / matches)^3.
@pytest.mark.parametrize(
    ("text", "reference", "matches", "chunks"),
    [
        ("the cat sat", "the cat sat", 3, 1),
        ("The cat sat!", "the, cat. sat", 3, 1),
        ("sat the cat", "the cat sat", 3, 2),
        ("on the mat sat the cat", "the cat sat on the mat", 6, 3),
        ("the cats were running", "the cat runs", 3, 2),  # by their stems
        ("the the the", "the cat", 1, 1),
        ("b a c", "a b a c", 3, 1),  # goes on where it stopped, instead of taking the first
    ],
)
def test_meteor(text: str, reference: str, matches: int, chunks: int) -> None:
    words, others = len(text.split()), len(reference.split())
    precision, recall = matches / words, matches / others
    mean = 10 * precision * recall / (recall + 9 * precision)
    score = mean * (1 - 0.5 * (chunks / matches) ** 3)
    assert grade(alike("meteor", input=text, reference=reference)).reward == pytest.approx(score)


def test_meteor_of_nothing_and_of_much() -> None:
    assert grade(alike("meteor", input="", reference="")).reward == 1
    assert grade(alike("meteor", input="a", reference="")).reward == 0
    assert grade(alike("meteor", input="a", reference="b")).reward == 0
    began = time.process_time()
    grade(alike("meteor", input="a b " * 20_000, reference="b a " * 20_000))
    assert time.process_time() - began < 5


class Vectors:
    """Makes them by hand: two texts are as alike as the first letters they share."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, questions: list) -> list:
        raise AssertionError("nobody asks for a verdict")

    def embed(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(texts)
        return [[1.0, 0.0] if text.startswith("a") else [-0.6, 0.8] for text in texts]


def test_cosine_asks_for_each_text_once_and_never_for_an_empty_one() -> None:
    judge = Vectors()
    grader = alike("cosine", reference="{{item.x}}")
    answers = [
        ({"x": "apple"}, "ant"),
        ({"x": "apple"}, "bee"),
        ({"x": "apple"}, ""),
        ({"x": ""}, ""),
        ({}, "ant"),
        ({"x": "bear"}, "bee"),
    ]
    grades = graders.run_all(grader, answers, judge)
    assert [each.reward for each in grades] == pytest.approx([1, 0, 0, 1, 0, 1])
    assert grades[4].errors == {"invalid_variable_error"}
    assert judge.asked == [["ant", "apple", "bear", "bee"]]
    both = multi("a + b", a=grader, b=check_grader(reference="{{item.x}}"))
    assert graders.run(both, {"x": "apple"}, "apple", judge).reward == 2
    assert graders.embeds(both) and not graders.embeds(alike())


def test_what_the_lab_can_not_grade_is_said() -> None:
    refused = [
        (alike("cosine"), "unsupported_grader", "grader.evaluation_metric", "vectors"),
        (alike("Cosine"), "invalid_value", "grader.evaluation_metric", "cosine"),
        (
            {"type": "python", "name": "p", "source": "import os"},
            "invalid_python",
            "grader.source",
            "no function grade",
        ),
        (
            check_grader(input="{{sample.tools}}"),
            "invalid_template",
            "grader.input",
            "sample.tools",
        ),
        (check_grader(input="{{os.environ}}"), "invalid_template", "grader.input", "os.environ"),
        (multi("a + b", a=check_grader()), "invalid_formula", "grader.calculate_output", "'b'"),
        (check_grader(operation="is"), "invalid_value", "grader.operation", ""),
        ({"type": "magic"}, "invalid_value", "grader.type", ""),
        (multi("a", a={"type": "multi"}), "invalid_value", "grader.graders.a.type", ""),
        (alike(input="x" * 100_001), "string_above_max_length", "model_sample", ""),
    ]
    for grader, code, param, word in refused:
        with pytest.raises((ApiError, GraderError)) as caught:
            grade(grader)
        error = caught.value
        assert (error.code, error.param) == (code, param)
        assert word in error.message


def test_a_multi_grader_computes_its_formula() -> None:
    parts = {"exact": check_grader(), "near": alike()}
    given = grade(multi("0.5 * exact + min(near, 1) ^ 2 / 2", **parts), "4 stars")
    assert given == Grade(1.0, {"exact": 1.0, "near": 1.0})
    assert grade(multi("exact / (near - 1)", **parts)).errors == {"formula_parse_error"}
    one = {"type": "multi", "name": "m", "graders": check_grader(), "calculate_output": "same"}
    assert grade(one).reward == 1  # the schema's form


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * x ^ 2", 14),
        ("-x", -2),
        ("max(1, x, abs(-5))", 5),
        ("floor(2.7) + ceil(0.1)", 3),
        ("log(exp(x))", 2),
        ("sqrt(x * 8)", 4),
        ("min(x)", 2),
    ],
)
def test_formulas(text: str, value: float) -> None:
    formula.check(text, {"x"})
    assert formula.compute(text, {"x": 2.0}) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x +",
        "y",
        "x.real",
        "x[0]",
        "'a'",
        "True",
        "[x]",
        "lambda: x",
        "x if x else 1",
        "x == 1",
        "__import__('os')",
        "min()",
        "max(*x)",
        "exp(x=1)",
        "pow(2, 3)",
        "x := 1",
        "x << 9",
        "1j",
        "(" * 300 + "x" + ")" * 300,
        "x" * 1001,
        "\0",
    ],
)
def test_a_formula_is_arithmetic_and_nothing_else(text: str) -> None:
    with pytest.raises(formula.FormulaError):
        formula.check(text, {"x"})


@pytest.mark.parametrize(
    "text", ["9^9^9^9", "1/0", "exp(1000)", "sqrt(-1)", "1e308 * 10", "sqrt(1, 2)"]
)
def test_a_formula_without_a_value_is_told(text: str) -> None:
    formula.check(text, set())
    with pytest.raises(formula.FormulaError):
        formula.compute(text, {})


def test_templates_of_any_length_take_linear_time_and_bounded_memory() -> None:
    for template in ("{" * 200_000, "{{" + " " * 200_000, "{{item.answer" * 50_000, "}}{{" * 9):
        began = time.process_time()
        with contextlib.suppress(GraderError):
            grade(check_grader(input=template))
        assert time.process_time() - began < 1
    many = "{{item.answer}}" * (templates.MAX_PLACES + 1)
    with pytest.raises(GraderError, match="may hold 1,000 variables"):
        grade(check_grader(input=many))
    with pytest.raises(GraderError, match="longer than 4,194,304 characters"):
        grade(check_grader(input="{{item.answer}}" * 900), item={"answer": "x" * 10_000})


def test_the_endpoints(tmp_path: Path) -> None:
    _, client = offline(tmp_path)
    grader = multi("(exact + near) / 2", exact=check_grader(), near=alike())
    body = {"grader": grader, "item": ITEM, "model_sample": "4 star"}
    answer = client.post("/v1/fine_tuning/alpha/graders/run", json=body)
    assert answer.status_code == 200, answer.text
    result = answer.json()
    conform(result, "RunGraderResponse")
    assert result["sub_rewards"] == {"exact": 0, "near": pytest.approx(12 / 13)}
    assert result["reward"] == pytest.approx(6 / 13) and result["metadata"]["type"] == "multi"
    assert not any(result["metadata"]["errors"].values())
    validated = client.post("/v1/fine_tuning/alpha/graders/validate", json={"grader": grader})
    assert validated.json() == {"grader": grader}
    conform(validated.json(), "ValidateGraderResponse")
    bad = client.post("/v1/fine_tuning/alpha/graders/validate", json={"grader": {}})
    assert bad.status_code == 400 and json.loads(bad.text)["error"]["param"] == "grader.type"
