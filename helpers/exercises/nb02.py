"""Checks for notebook 02: a leak between splits, examples for Marv, a file to mend, words."""

import json
from pathlib import Path
from typing import Any

from helpers import reviews
from helpers.exercises import exercise
from helpers.exercises.values import function_of, number, result_of
from helpers.exercises.verdicts import WrongAnswerError
from workbook import doctor, paths, quoting
from workbook.doctor.findings import Finding
from workbook.errors import WorkbookError
from workbook.prices import tokens

Rows = list[dict[str, Any]]

_LONGEST = 200  # characters of one of Marv's answers
_WINDOW = 65_536  # tokens
_MENDED = 10  # reviews that are left when the file is mended


def _rows(*ids: str) -> Rows:
    return [{"id": name, "text": "…", "stars": 3} for name in ids]


@exercise("02.1")
def _leaks(answer: Any) -> str:
    function = function_of(answer, 'check("02.1", leaks)')
    cases: list[tuple[Rows, Rows, set[str]]] = [
        (_rows("1_1", "2_1"), _rows("3_1"), set()),
        (_rows("7_1", "2_1"), _rows("7_9", "3_1"), {"7"}),
        (_rows("1_1", "10_2"), _rows("11_1", "12_3"), set()),
        (_rows("5_1", "41_1"), _rows("5_3", "41_1", "41_7"), {"5", "41"}),
    ]
    for train, test, shared in cases:
        result = result_of(function, train, test)
        if not isinstance(result, (set, frozenset)):
            raise WrongAnswerError(
                f"Your function returned a {type(result).__name__}, not a set.",
                "Curly brackets make a set: {… for row in train}. Shared is `one & other`.",
            )
        if {str(name) for name in result} == shared:
            continue
        ids = f"train {[row['id'] for row in train]}, test {[row['id'] for row in test]}"
        rows = ": those are rows, not reviews" if any("_" in str(name) for name in result) else ""
        raise WrongAnswerError(
            f"For {ids} your function returned {set(result) or '{}'}{rows}; right is "
            f"{shared or '{}'}.",
            "Two rows with different ids can come from one review.",
            'The review is everything before the _: reviews.review_of("17_3") is "17".',
        )
    return "Right. Call it on every pair of splits before you train."


@exercise("02.2")
def _marv(answer: Any) -> str:
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        raise WrongAnswerError("Three examples are asked for, in a list.", '[{"messages": …}, …]')
    for finding in doctor.check(list(answer)).findings:
        if finding.code != "too-few":
            raise _problem(finding, "Example")
    examples = {name: doctor.read(paths.data(f"marv_{name}.jsonl")) for name in ("train", "test")}
    system = examples["train"][0]["messages"][0]["content"]
    for place, row in enumerate(answer, start=1):
        roles = [message["role"] for message in row.get("messages", ())]
        if roles != ["system", "user", "assistant"]:
            raise WrongAnswerError(
                f"Example {place} should have three messages.",
                "In chat format, one each of system, user and assistant, in this order.",
            )
        texts = [message["content"] for message in row["messages"]]
        if texts[0] != system:
            raise WrongAnswerError(
                f"Example {place} has another system message than Marv's.",
                "Use MARV: the model is tuned to the system message it sees.",
            )
        for name, known in examples.items():
            if doctor.question_of(row) in map(doctor.question_of, known):
                raise WrongAnswerError(
                    f"Example {place} asks what marv_{name}.jsonl asks.",
                    "A copied training row counts double; a copied test row leaks.",
                )
        if len(texts[2]) > _LONGEST:
            raise WrongAnswerError(
                f"The answer of example {place} has {len(texts[2])} characters.",
                f"At most {_LONGEST}: short answers are part of the tone.",
            )
    return "Right in form. Whether they are funny only you can tell; look up whether they are true."


@exercise("02.3")
def _mended(answer: Any) -> str:
    if isinstance(answer, (str, Path)) and str(answer):
        try:
            report, rows = doctor.check(path := _file_of(Path(answer))), None
        except WorkbookError as error:
            raise WrongAnswerError(str(error), "The copy is work/to_mend.jsonl.") from None
    elif isinstance(answer, list):
        report, rows = doctor.check(answer), answer
    else:
        raise WrongAnswerError("The answer is a file's name, or rows.", '"work/to_mend.jsonl"')
    for finding in report.findings:
        if finding.severity != "note":
            raise _problem(finding, f"{len(report.findings)} findings are left. The first is line")
    rows = doctor.read(path) if rows is None else rows
    texts = {reviews.plain(doctor.question_of(row)) for row in rows}
    known = {reviews.plain(text) for text in _texts_to_mend()}
    if len(texts & known) < _MENDED:
        what = f"Only {len(texts & known)} of the file's reviews are left."
        raise WrongAnswerError(what, "Mend lines, don't delete; of doubled reviews one stays.")
    labels = [reviews.label(stars) for stars in reviews.CLASSES]
    if odd := [text for text in map(doctor.answer_of, rows) if text not in labels]:
        raise WrongAnswerError(
            f"One answer is {quoting.excerpt(odd[0])}.",
            "All answers should look alike: “1 star”, “2 stars”, … “5 stars”.",
        )
    return f"Right: {len(rows)} sound examples, all with one kind of answer."


def _problem(finding: Finding, place: str) -> WrongAnswerError:
    where = f"{place} {finding.line}: " if finding.line else ""
    return WrongAnswerError(f"{where}{finding.message}.", f"{finding.why} {finding.fix}")


def _file_of(path: Path) -> Path:
    """The file that is meant: "work/to_mend.jsonl", "to_mend.jsonl", or a path from here."""
    mine = paths.work() / (Path(*path.parts[1:]) if path.parts[:1] == ("work",) else path)
    return path if path.exists() and not mine.exists() else mine


def _texts_to_mend() -> list[str]:
    """The reviews of the broken file, each as the user says it."""
    lines = paths.data("broken_reviews.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [line.partition("Review: ")[2].partition('"')[0] for line in lines]
    return [f"Review: {text}" for text in texts if text]


@exercise("02.4")
def _words(answer: Any) -> str:
    texts = json.loads(paths.data("parallel_texts.json").read_text(encoding="utf-8"))["texts"]
    text, words = texts["Spanish"].replace("·", ""), number(answer)
    per_word = len(tokens.vocabulary("o200k_base").encode(text)) / len(text.split())
    if _is_near(words, _WINDOW / per_word):
        return f"Right: {_WINDOW:,} / {per_word:.2f} is about {words:,.0f} words."
    what = f"Not {words:,.0f}."
    if _is_near(words, _WINDOW / 5):
        what = "A word has about five letters, not five tokens."
    if _is_near(words, _WINDOW * per_word):
        what = "That is more words than tokens. A word is more than one token."
    raise WrongAnswerError(
        what,
        "The table above has the tokens per word. Take Spanish, and gpt-4o.",
        "Tokens divided by tokens per word are words.",
    )


def _is_near(words: float, right: float) -> bool:
    return abs(words - right) <= 0.02 * right
