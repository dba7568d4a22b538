"""Right and wrong answers to the exercises of notebook 02."""

import json

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


def words_for_stars():
    rows = mended()
    rows[0]["messages"][2]["content"] = "five"
    return rows


SOLUTIONS = {"02.1": leaks, "02.2": marv(), "02.3": mended_file}
WRONG = {
    "02.1": [by_row, by_digit, as_list, {"7"}],
    "02.2": [
        marv()[:2],
        [{"prompt": "a", "completion": "b"}] * 3,
        marv(system="Be nice."),
        marv(question="What's the capital of France?"),
        marv(question="What do cows drink?"),
        marv(answer="White. " * 40),
        marv(answer=""),
        [row["messages"] for row in marv()],
        [{"messages": row["messages"][1:]} for row in marv()],
    ],
    "02.3": [
        lambda: str(paths.data("broken_reviews.jsonl")),
        lambda: mended()[:9],
        lambda: mended() + mended()[:1],
        words_for_stars,
        "no_such_file.jsonl",
        lambda: doctor.read(paths.data("marv_train.jsonl")),
    ],
}
