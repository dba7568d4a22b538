"""Checks for notebook 02: a leak between splits, examples for Marv, a file to mend, words."""

import json
from pathlib import Path
from typing import Any

from helpers import reviews
from helpers.exercises import exercise
from helpers.exercises.values import function_of, number, result_of
from helpers.exercises.verdicts import WrongAnswerError
from workbook import doctor, paths, quoting
from workbook.errors import WorkbookError
from workbook.prices import tokens
from workbook.rows.validator import format_of

Rows = list[dict[str, Any]]

_LONGEST = 200  # characters of one of Marv's answers
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
        (_rows("5_1", "5_2", "41_1"), _rows("5_3", "41_1", "41_7"), {"5", "41"}),
        ([], _rows("1_1"), set()),
    ]
    for train, test, shared in cases:
        result = result_of(function, train, test)
        ids = f"train {[row['id'] for row in train]}, test {[row['id'] for row in test]}"
        if not isinstance(result, (set, frozenset)):
            raise WrongAnswerError(
                f"Your function returned a {type(result).__name__}, not a set.",
                "Curly brackets make a set: {… for row in train}.",
                "What two sets share is `one & other`.",
            )
        if {str(name) for name in result} == shared:
            continue
        sentence = f"For {ids} your function returned {set(result) or '{}'}"
        if any("_" in str(name) for name in result):
            raise WrongAnswerError(
                f"{sentence}: those are rows, not reviews.", 'reviews.review_of("7_3") is "7".'
            )
        if not result:
            raise WrongAnswerError(
                f"{sentence}, but review {', '.join(sorted(shared))} is in both.",
                "Two rows with different ids can come from one review.",
            )
        raise WrongAnswerError(
            f"{sentence}; right is {shared or '{}'}.",
            "The review is everything before the _, not only the first digit.",
        )
    return "Right. Call it on every pair of splits before you train."


@exercise("02.2")
def _marv(answer: Any) -> str:
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        raise WrongAnswerError(
            "Three examples are asked for, in a list.",
            '[{"messages": [system, user, assistant]}, …, …]',
        )
    for finding in doctor.check(list(answer)).findings:
        if finding.code != "too-few":
            where = f"Example {finding.line}: " if finding.line else ""
            raise WrongAnswerError(f"{where}{finding.message}.", f"{finding.why} {finding.fix}")
    examples = {name: doctor.read(paths.data(f"marv_{name}.jsonl")) for name in ("train", "test")}
    system = examples["train"][0]["messages"][0]["content"]
    for place, row in enumerate(answer, start=1):
        if format_of(row) != "chat":
            raise WrongAnswerError(
                f"Example {place} is not in chat format.", "It needs `messages`."
            )
        if [message["role"] for message in row["messages"]] != ["system", "user", "assistant"]:
            raise WrongAnswerError(
                f"Example {place} should have three messages.",
                "One each of system, user and assistant, in this order.",
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
    return (
        "Right in form. Whether they are funny only you can tell; whether they are true, look "
        "it up: the model learns mistakes as gladly as facts."
    )


@exercise("02.3")
def _mended(answer: Any) -> str:
    if isinstance(answer, (str, Path)) and str(answer):
        path = _file_of(Path(answer))
        try:
            report, rows = doctor.check(path), None
        except WorkbookError as error:
            raise WrongAnswerError(str(error), "The copy is work/to_mend.jsonl.") from None
    elif isinstance(answer, list):
        report, rows = doctor.check(answer), answer
    else:
        raise WrongAnswerError(
            "The answer is the file's name or a list of rows.", '"work/to_mend.jsonl"'
        )
    for finding in report.findings:
        if finding.severity != "note":
            where = f"line {finding.line}: " if finding.line else ""
            raise WrongAnswerError(
                f"{len(report.findings)} findings are left. The first is {where}{finding.message}.",
                f"{finding.why} {finding.fix}",
            )
    rows = doctor.read(path) if rows is None else rows
    texts = {reviews.plain(doctor.question_of(row)) for row in rows}
    known = {reviews.plain(text) for text in _texts_to_mend()}
    if len(texts & known) < _MENDED:
        raise WrongAnswerError(
            f"Only {len(texts & known)} of the file's reviews are left.",
            "Mend lines rather than deleting them; of the doubled reviews one stays.",
        )
    for row in rows:
        text = doctor.answer_of(row)
        if text not in [reviews.label(stars) for stars in reviews.CLASSES]:
            raise WrongAnswerError(
                f"One answer is {quoting.excerpt(text)}.",
                "All answers should look alike: “1 star”, “2 stars”, … “5 stars”.",
            )
    return f"Right: {len(rows)} sound examples, all with one kind of answer."


def _file_of(path: Path) -> Path:
    """The file that is meant: "work/to_mend.jsonl", "to_mend.jsonl", or a path from here."""
    inside = Path(*path.parts[1:]) if path.parts[:1] == ("work",) else path
    mine = paths.work() / inside  # an absolute path stays as it is
    return path if path.exists() and not mine.exists() else mine


def _texts_to_mend() -> list[str]:
    """The reviews of the broken file, each as the user says it."""
    lines = paths.data("broken_reviews.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [line.partition("Review: ")[2].partition('"')[0] for line in lines]
    return [f"Review: {text}" for text in texts if text]


@exercise("02.4")
def _words(answer: Any) -> str:
    text = json.loads(paths.data("parallel_texts.json").read_text(encoding="utf-8"))["texts"]
    a_word = {
        language: len(tokens.vocabulary("o200k_base").encode(marked.replace("·", "")))
        / len(marked.split())
        for language, marked in text.items()
    }
    words = number(answer)
    if _near(words, _WINDOW / a_word["Spanish"]):
        return f"Right: {_WINDOW:,} / {a_word['Spanish']:.2f} is about {words:,.0f} words."
    if _near(words, _WINDOW / 5):
        raise WrongAnswerError("A word has about five letters, not five tokens.")
    if _near(words, _WINDOW * a_word["Spanish"]):
        raise WrongAnswerError("That is more words than tokens. A word is more than one token.")
    for language, share in a_word.items():
        if _near(words, _WINDOW / share):
            raise WrongAnswerError(f"That would be right for {language}.", "Take Spanish.")
    raise WrongAnswerError(
        f"Not {words:,.0f}.",
        "The table above has the tokens per word, by language and vocabulary.",
        "Tokens divided by tokens per word are words.",
    )


_WINDOW = 65_536  # tokens


def _near(words: float, right: float) -> bool:
    return abs(words - right) <= 0.02 * right
