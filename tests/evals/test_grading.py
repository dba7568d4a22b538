"""Graders of any kind of label, and the tables that their scores become."""

import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.evals import examples, graders, results
from workbook.evals.answers import Answer
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example

SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}


def labelled(label: Any) -> Example:
    return Example("1", [], label)


@pytest.mark.parametrize(
    ("grader", "label", "answer", "score"),
    [
        (graders.exact, "yes", " yes\n", 1),
        (graders.exact, 4, "4", 1),
        (graders.exact, "yes", "Yes", 0),
        (graders.same_word, "Spanish", "“spanish”.", 1),
        (graders.contains, "Paris", "It's paris, I think.", 1),
        (graders.contains, "ten", "Often.", 0),
        (graders.contains, "C++", "in C++", 1),
        (graders.contains, 7, "17", 0),
        (graders.contains, "", "anything", 0),
        (graders.one_of("positive", "negative"), "positive", "It is Positive!", 1),
        (graders.one_of("positive", "negative"), "positive", "negative", 0),
        (graders.one_of("positive", "negative"), "positive", "positive or negative", None),
        (graders.one_of("C", "C++"), "C++", "C++", None),
        (graders.one_of("Yes", "yes", "no"), "YES", "yes", 1),
        (graders.number_within(0), 7, "7/10 said nobody: 7", None),
        (graders.number_within(0), 7, "I would say 7.", 1),
        (graders.number_within(1), "8", "I would say 7.", 1),
        (graders.number_within(0.5), 2.5, "about -2.5", 0),
        (graders.number_within(0), 1234.5, "1,234.5", 1),
        (graders.number_within(0), 0.1 + 0.2, "0.3", 1),
        (graders.number_within(2), 5, "none", None),
        (graders.regex(r"^\d+$"), None, "12", 1),
        (graders.json_schema(SCHEMA), None, '{"a": 1}', 1),
        (graders.json_schema(SCHEMA), None, '{"a": "1"}', 0),
        (graders.json_schema(SCHEMA), None, "a: 1", None),
    ],
)
def test_a_grader_says_right_wrong_or_not_readable(
    grader: graders.Grader, label: Any, answer: str, score: float | None
) -> None:
    assert grader(answer, labelled(label)) == score


def test_what_a_row_accepts_beside_its_answer_is_right_too() -> None:
    [seven] = examples.from_rows(
        [{"messages": [{"role": "assistant", "content": "seven"}], "accept": ["seven", "7"]}]
    )
    assert graders.contains("There are 7 days.", seven) == 1
    assert graders.contains("There are 8 days.", seven) == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: graders.number_within(-1), "0 or more"),
        (lambda: graders.number_within(math.nan), "0 or more"),
        (lambda: graders.regex("("), "broken"),
        (lambda: graders.json_schema({"type": 5}), "no JSON schema"),
        (lambda: graders.one_of("a"), "two labels"),
        (lambda: graders.one_of("a", "A"), "two labels"),
        (lambda: graders.one_of("a", " "), "two labels"),
        (lambda: graders.number_within(1)("4", labelled("four")), "which is no number"),
    ],
)
def test_a_grader_that_can_not_work_says_so(make: Any, words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        make()


@pytest.mark.parametrize(
    ("words", "label", "answer", "score"),
    [
        ("exact", "a", "a", 1),
        ("same-word", "a", "A.", 1),
        ("contains", "a", "It is a.", 1),
        ("number-within=0.5", "2", "2.4", 1),
        ("one-of=good | bad", "good", "So good.", 1),
        ("regex=a=b|^c", None, "a=b", 1),
    ],
)
def test_a_grader_has_a_name(words: str, label: Any, answer: str, score: float) -> None:
    assert graders.by_name(words)(answer, labelled(label)) == score


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("magic", "'magic' is no grader; there are exact, "),
        ("exact=1", "'exact=1' is no grader"),
        ("", "'' is no grader"),
        ("number-within", "'' is no number"),
        ("one-of=good", "two labels"),
        ("one-of=good|", "two labels"),
        ("regex", "regex needs a pattern"),
        ("regex=", "regex needs a pattern"),
    ],
)
def test_a_name_that_is_no_grader_is_a_sentence(words: str, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        graders.by_name(words)


@given(answer=st.text(), label=st.one_of(st.text(), st.integers(), st.floats(), st.none()))
def test_no_text_and_no_label_is_a_crash(answer: str, label: Any) -> None:
    for grader in (graders.exact, graders.same_word, graders.contains, graders.json_schema(SCHEMA)):
        assert grader(answer, labelled(label)) in (0, 1, None)
    number = graders.number_of(answer)
    assert number is None or math.isfinite(number)


def answered(id: str, text: str | None) -> Answer:
    return Answer("k", id, "m", text=text, prompt_tokens=8, seconds=0.1, usd=0.01)


def test_answers_become_a_table_with_what_could_not_be_read() -> None:
    asked = [Example(id, [], label, cluster="r") for id, label in (("a", 4), ("b", 2), ("c", 5))]
    answers = [answered("a", "4"), answered("b", "five"), answered("c", None)]
    table = results.grade(asked, answers, {"exact": graders.number_within(0)})
    assert table["exact"].tolist() == [1, 0, 0]
    assert table["unread"].tolist() == [False, True, True]
    assert table["cluster"].tolist() == ["r"] * 3
    row = results.summary({"m": table}, ["exact"]).loc["m"]
    assert row["answers"] == 3 and row["exact"] == pytest.approx(1 / 3)
    assert row["exact_low"] < 1 / 3 < row["exact_high"]
    assert row["usd"] == pytest.approx(0.03) and row["prompt_tokens"] == 8
    with pytest.raises(EvaluationError, match="not given to these examples"):
        results.grade(asked, answers[::-1], {})


def test_text_labels_have_precision_and_recall() -> None:
    asked = [Example(str(i), [], label) for i, label in enumerate(["es", "es", "pt", "pt"])]
    answers = [answered(str(i), text) for i, text in enumerate(["es", "pt", "pt", "?"])]
    table = results.grade(asked, answers, {"exact": graders.exact})
    classes = results.by_class(table, lambda text: text if text in ("es", "pt") else None)
    assert classes.loc["es"].to_dict() == pytest.approx(
        {"precision": 1, "recall": 0.5, "f1": 2 / 3, "true": 2, "said": 1}
    )
    assert classes.loc["pt", "precision"] == 0.5


def test_training_rows_become_examples() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a"},
        ],
        "topic": "x",
    }
    [example] = examples.from_rows([row])
    assert (example.id, example.label, example.item) == ("1", "a", {"topic": "x"})
    assert example.messages == row["messages"][:1]
    with pytest.raises(EvaluationError, match="Row 2 does not end with an answer"):
        examples.from_rows([row, {"messages": row["messages"][:1]}])
    with pytest.raises(EvaluationError, match="Row 1 has no `messages`"):
        examples.from_rows([{"prompt": "q", "completion": "a"}])
    for wrong in (["q", "a"], "q", None, {"messages": "q"}, {"messages": ["q", "a"]}):
        with pytest.raises(EvaluationError, match="Row 2 has no `messages`"):
            examples.from_rows([row, wrong])
    with pytest.raises(EvaluationError, match="Two examples have the id '7'"):
        examples.from_rows([row | {"id": 7}, row | {"id": "7"}])


def test_a_table_becomes_examples_with_clusters_and_all_its_columns() -> None:
    table = pd.DataFrame({"id": ["7_1", "7_2"], "text": ["Good.", "Bad."], "stars": [5, 1]})
    table["review"] = "7"

    def prompt(row: dict[str, Any]) -> list[dict[str, str]]:
        return [{"role": "user", "content": row["text"]}]

    first, second = examples.from_table(table, prompt, label="stars", cluster="review")
    assert (first.id, first.label, first.cluster) == ("7_1", 5, "7")
    assert second.messages == [{"role": "user", "content": "Bad."}]
    assert second.item["text"] == "Bad."
    with pytest.raises(EvaluationError, match=r"no column 'label'\. It has: id, text, stars"):
        examples.from_table(table, prompt)
    with pytest.raises(EvaluationError, match="Two examples have the id '7_1'"):
        examples.from_table(table.iloc[[0, 0]], prompt, label="stars")
