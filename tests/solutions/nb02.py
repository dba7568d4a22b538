"""Right and wrong answers to the exercises of notebook 02."""

import json
from pathlib import Path

import numpy as np

from helpers import reviews
from workbook import doctor, paths

MARV = "Marv is a factual chatbot that is also sarcastic."


def leaks(train, test):
    return {reviews.review_of(row["id"]) for row in train} & {
        reviews.review_of(row["id"]) for row in test
    }


def by_row(train, test):
    return {row["id"] for row in train} & {row["id"] for row in test}


def by_digit(train, test):
    return {row["id"][0] for row in train} & {row["id"][0] for row in test}


def as_list(train, test):
    return sorted(leaks(train, test))


def example(question, answer, system=MARV):
    return {
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def marv(**last):
    return [
        example("How many wheels has a bicycle?", "Two. It is in the name, but who reads."),
        example("Which planet has the most famous rings?", "Saturn. It does like to show off."),
        example(**{"question": "What colour is snow?", "answer": "White. Groundbreaking."} | last),
    ]


def mended():
    """Every line of the broken file put right, but for the two that were doubled."""
    rows = []
    for line in paths.data("broken_reviews.jsonl").read_text(encoding="utf-8").splitlines():
        if not line.strip():
            continue
        row = json.loads(line.replace("],}", "]}"))
        if "prompt" in row:
            row = doctor.to_chat(row, system=reviews.SYSTEM)
        row.pop("stars", None)
        messages = row["messages"]
        if len(messages) == 2:
            messages.append({"role": "assistant", "content": "5 stars"})
        messages[2]["role"] = "assistant"
        messages[2].pop("weight", None)
        messages[2]["content"] = messages[2]["content"] or "2 stars"
        if doctor.question_of(row) not in map(doctor.question_of, rows):
            rows.append(row)
    return rows


def mended_file():
    return str(doctor.write(mended(), "mended.jsonl"))


def mended_as_typed():
    return mended_file() and "mended.jsonl"


def mended_from_work():
    return mended_file() and Path("work/mended.jsonl")


def words_for_stars():
    rows = mended()
    rows[0]["messages"][2]["content"] = "five"
    return rows


def with_a_loop(train, test):
    shared = set()
    for row in train:
        review, _, _ = row["id"].partition("_")
        for other in test:
            if other["id"].startswith(f"{review}_"):
                shared.add(review)
    return shared


SOLUTIONS = {
    "02.1": [leaks, with_a_loop],
    "02.2": [marv(), tuple(marv(question="Can birds fly?", answer="Most can. Show-offs."))],
    "02.3": [mended_file, mended, mended_as_typed, mended_from_work],
    "02.4": [51_600, np.float64(65_536 / 1.27)],
}
WRONG = {
    "02.1": [
        (by_row, r"returned {}; right is {'7'}"),
        (by_digit, "your function returned"),
        (as_list, "a list, not a set"),
        (lambda train, test: set(), "returned {}; right is"),
        (lambda train, test: {row["id"] for row in train}, "those are rows, not reviews"),
        ({"7"}, "Hand in the function itself"),
    ],
    "02.2": [
        (marv()[:2], "Three examples"),
        ([{"prompt": "a", "completion": "b"}] * 3, "Example"),
        (marv(system="Be nice."), "2 different system messages"),
        (marv(question="What's the capital of France?"), "asks what marv_train.jsonl asks"),
        (marv(question="What do cows drink?"), "asks what marv_test.jsonl asks"),
        (marv(answer="White. " * 40), "has 280 characters"),
        (marv(answer=""), "Example 3"),
        ([row["messages"] for row in marv()], "each row is a list of messages"),
        ([{"messages": row["messages"][1:]} for row in marv()], "should have three messages"),
    ],
    "02.3": [
        (lambda: str(paths.data("broken_reviews.jsonl")), "findings are left. The first is line"),
        (lambda: mended()[:9], "only 9 examples"),
        (lambda: mended() + mended()[:1], "findings are left"),
        (words_for_stars, "One answer is"),
        ("no_such_file.jsonl", "no_such_file.jsonl"),
        ("work/no_such_file.jsonl", "no_such_file.jsonl"),
        (lambda: doctor.read(paths.data("marv_train.jsonl")), "of the file's reviews are left"),
    ],
    "02.4": [
        (65_536 / 5, "five letters, not five tokens"),
        (65_536 * 1.27, "more words than tokens"),
        (65_536 / 1.17, "Not 56,0"),
        ("51,600", "a text, not a number"),
        (1000, "Not 1,000"),
    ],
}
