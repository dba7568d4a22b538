"""What a judge is asked, and what becomes of its words."""

import pytest

from workbook.grading import graders, judging
from workbook.grading.errors import GraderError
from workbook.grading.judging import Question, Verdict

SCORE = {
    "type": "score_model",
    "name": "s",
    "model": "m",
    "input": [{"role": "user", "content": "{{item.q}}: {{sample.output_text}}"}],
}


def judged(*said: str, grader: dict = SCORE) -> list[graders.Grade]:
    """Grades of answers on which the judge says this."""
    asked: list[Question] = []

    def judge(questions: list[Question]) -> list[Verdict]:
        asked.extend(questions)
        return [Verdict(text, 7) if text else Verdict("", failure="gone") for text in said]

    grades = graders.run_all(grader, [({"q": "Why"}, f"a{i}") for i in range(len(said))], judge)
    assert [q.body["messages"][0]["content"] for q in asked] == [
        f"Why: a{i}" for i in range(len(said))
    ]
    return grades


def test_a_score_is_what_the_judge_says_within_its_range() -> None:
    first, outside, broken, gone = judged('{"result": 0.25}', '{"result": 3}', "0.5", "")
    assert first == graders.Grade(0.25, tokens={"m": 7})
    assert outside.errors == broken.errors == {"model_grader_parse_error"}
    assert gone.errors == {"model_grader_server_error"}
    assert gone.details == {"model_grader_server_error_details": "gone"}


def test_labels_pass_or_do_not() -> None:
    grader = SCORE | {"type": "label_model", "labels": ["a", "b"], "passing_labels": ["b"]}
    grades = judged('{"result": "b"}', '{"result": "a"}', grader=grader)
    assert [grade.reward for grade in grades] == [1.0, 0.0]
    with pytest.raises(GraderError, match="none of the labels"):
        graders.check(grader | {"passing_labels": ["c"]})


@pytest.mark.parametrize(
    ("bounds", "count", "one"),
    [([0, 1], 101, 0.37), ([1, 5], 41, 2.5), ([0, 100], 101, 42), ([-0.5, 0.5], 101, -0.49)],
)
def test_a_judge_chooses_among_scores_that_have_an_end(bounds, count, one) -> None:
    question = judging.question(SCORE | {"range": bounds}, {"q": ""}, "")
    schema = question.body["response_format"]["json_schema"]["schema"]
    scores = schema["properties"]["result"]["enum"]
    assert len(scores) == count and one in scores
    assert (scores[0], scores[-1]) == tuple(bounds)


def test_an_answer_whose_template_lacks_a_value_is_not_asked_about() -> None:
    grades = graders.run_all(
        SCORE,
        [({}, "x"), ({"q": "?"}, "y")],
        lambda questions: [Verdict('{"result": 1}') for _ in questions],
    )
    assert [grade.reward for grade in grades] == [0.0, 1.0]
    assert grades[0].errors == {"invalid_variable_error"}
