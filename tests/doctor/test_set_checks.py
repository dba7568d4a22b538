"""What only many rows together show: repetition, contradiction, labels, leaks, too few of them."""

import pytest
from training_rows import ANIMALS, PLACES, chat, clean, sums

from workbook import doctor
from workbook.doctor.set_checks import check


def test_mistakes_of_the_set() -> None:
    rows = [
        *sums(),
        chat("How many are 7 and one?", "It is 8.", "Count."),
        chat("How many are 9 and one?", "It is 11.", "Count."),
        {"prompt": "a", "completion": "b"},
        chat("How many?", "Seven.", system=None),
    ]
    findings = {finding.code: finding for finding in doctor.check(rows).findings}
    assert findings.keys() == {"duplicate", "contradiction", "mixed-formats", "system-varies"}
    duplicate, contradiction = findings["duplicate"], findings["contradiction"]
    assert (duplicate.line, duplicate.message) == (61, "the same as line 8")
    assert contradiction.line == 62
    assert contradiction.message == (
        "answer “It is 11.”, but line 10 answers the same with “It is 10.”"
    )
    assert findings["mixed-formats"].line == 63


def test_labels_are_counted_and_imbalance_is_seen() -> None:
    rows = [chat(f"Review {n}", "5 stars" if n % 4 else "1 star") for n in range(60)]
    report = doctor.check(rows)
    assert report.labels == {"5 stars": 45, "1 star": 15}
    assert report.codes == {"imbalance": 1} and report.ok
    even = [chat(f"Review {n}", f"{n % 5} stars") for n in range(60)]
    assert doctor.check(even).codes == {}
    assert doctor.check(sums()).labels is None


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (0, {"empty-file": 1}),
        (1, {"too-few": 1}),
        (9, {"too-few": 1}),
        (10, {"few": 1}),
        (49, {"few": 1}),
        (50, {}),
    ],
)
def test_ten_examples_are_the_least(number: int, codes: dict[str, int]) -> None:
    report = doctor.check(sums(number))
    assert report.codes == codes
    assert report.ok == (number >= 10)


def test_an_instruction_before_every_question_makes_no_near_duplicates() -> None:
    instruction = (
        "Read the review below with care and answer with a number of stars only; think of what "
        "the customer liked, what broke, and whether another one would be bought. Review: "
    )
    rows = [
        chat(
            f"{instruction}The {ANIMALS[n]} on the {ANIMALS[n - 7]} and the {ANIMALS[n - 11]} "
            f"broke at the {PLACES[n % 5]}, which the {ANIMALS[n - 17]} and her {ANIMALS[n - 3]} "
            f"saw from the {ANIMALS[n - 23]} beside a {ANIMALS[n - 29]}.",
            f"{n % 5} stars",
        )
        for n in range(30)
    ]
    assert "near-duplicate" not in doctor.check(rows).codes
    again = chat(rows[3]["messages"][1]["content"].replace("broke at", "brokes at"), "3 stars")
    for place in (4, 30):
        findings = [
            finding
            for finding in doctor.check([*rows[:place], again, *rows[place:]]).findings
            if finding.code == "near-duplicate"
        ]
        assert [finding.line for finding in findings] == [place + 1]
        assert "line 4" in findings[0].message


def test_what_is_remembered_has_a_limit_and_that_is_said(monkeypatch) -> None:
    monkeypatch.setattr(check, "REMEMBERED", 30)
    report = doctor.check([*clean(), clean()[0], clean()[50]], against={"train": clean()[:31]})
    assert report.codes["duplicate"] == 1  # the second came after the thirtieth
    messages = [finding.message for finding in report.findings]
    assert sum("were compared with the first 30" in message for message in messages) == 3


@pytest.mark.parametrize(
    ("ask", "answer", "told"),
    [
        ("Where is the {}?", "'It is at home, {}.'", ["all 12 answers stand in ' … '"]),
        ("“Where is the {}?”", "At home, {}.", ["all 12 questions stand in “ … ”"]),
        (" 'The {}?'", '"{}" ', ["all 12 questions stand", "all 12 answers stand"]),
        ("„{}“", "«{}»", ["all 12 questions stand", "all 12 answers stand"]),
        ("'{}' is what?", "what is '{}'", []),
        ("The {}'s", "'", []),
        ("“{}", "{}”", []),
    ],
)
def test_quotation_marks_around_every_text_are_named(ask: str, answer: str, told: list) -> None:
    rows = [chat(ask.format(word), answer.format(word)) for word in ANIMALS[:12]]
    messages = [f.message for f in doctor.check(rows).findings if f.code == "in-quotes"]
    assert len(messages) == len(told)
    assert all(message.startswith(start) for message, start in zip(messages, told, strict=True))
    rows[5] = chat("Where is the sun?", "Up.")
    assert "in-quotes" not in doctor.check(rows).codes


def test_a_table_with_single_quotes_is_no_clean_table(tmp_path) -> None:
    lines = [f"'Is the {word} here?';'Yes; it is.'\n" for word in ANIMALS[:12]]
    (tmp_path / "rows.csv").write_text("prompt|completion\n" + "".join(lines).replace(";'", "|'"))
    report = doctor.check(tmp_path / "rows.csv")
    assert [f.severity for f in report.findings if f.code == "in-quotes"] == ["warning"] * 2


def test_answers_that_refuse_are_not_all_the_same() -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Where is {n}?"},
                {"role": "assistant", "content": None, "refusal": f"I may not say {n}."},
            ]
        }
        for n in range(12)
    ]
    assert "same-answer" not in doctor.check(rows).codes


def test_code_in_a_fence_stands_in_no_quotation_marks() -> None:
    rows = [chat(f"Write {n}.", f"```\nprint({n})\n```") for n in range(12)]
    assert "in-quotes" not in doctor.check(rows).codes
