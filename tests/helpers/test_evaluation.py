"""Evaluation: a batch is run and judged, summed up, and measured against people and words."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from openai.types.chat import ChatCompletion

from helpers import evaluation
from helpers import reviews as corpus
from workbook.evals import statistics
from workbook.evals.completions import text_of


def completion(text: str | None, arguments: str | None = None, cached: int | None = None):
    """A ChatCompletion as far as `run` looks at it: 7 tokens in, 3 out."""
    call = SimpleNamespace(function=SimpleNamespace(name="rate", arguments=arguments))
    message = SimpleNamespace(content=text, refusal=None, tool_calls=[call] if arguments else None)
    details = None if cached is None else SimpleNamespace(cached_tokens=cached)
    usage = SimpleNamespace(prompt_tokens=7, completion_tokens=3, prompt_tokens_details=details)
    return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage)


def some_reviews(stars: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"{i}_1" for i in range(len(stars))],
            "text": [f"text {i}" for i in range(len(stars))],
            "stars": stars,
        }
    )


def test_run_judges_every_review_in_its_own_row() -> None:
    frame = some_reviews([1, 2, 3, 4, 5, 5])
    texts = ["1 star", "3 stars", "1 star", "no idea", '{"stars": 5}', ""]

    def ask(text: str):
        i = int(text.split()[1])
        time.sleep(0.02 * (len(texts) - i))  # the last review is answered first
        return completion(texts[i], cached=2)

    results = evaluation.run(ask, frame)
    assert results["id"].tolist() == frame["id"].tolist()
    assert results["answer"].tolist() == texts
    assert results["stars"].fillna(0).tolist() == [1, 3, 1, 0, 5, 0]
    assert results["correct"].tolist() == [True, False, False, False, True, False]
    assert results["off_by_one"].tolist() == [True, True, False, False, True, False]
    assert set(results["prompt_tokens"]) == {7} and set(results["cached_tokens"]) == {2}
    assert results["seconds"].iloc[0] > results["seconds"].iloc[-1] > 0.01


def test_run_asks_as_many_at_a_time_as_it_is_told() -> None:
    together = threading.Barrier(4, timeout=5)  # breaks unless four are under way at once

    def ask(text: str):
        together.wait()
        return completion("1 star")

    assert evaluation.run(ask, some_reviews([1] * 8), threads=4)["correct"].all()


def test_a_chain_is_judged_by_its_last_answer_and_charged_for_all() -> None:
    def ask(text: str):
        return [completion("The writer likes it: 5 stars"), completion("4 stars")]

    results = evaluation.run(ask, some_reviews([4]))
    assert results["answer"].tolist() == ["4 stars"] and results["correct"].all()
    assert results[["prompt_tokens", "completion_tokens"]].iloc[0].tolist() == [14, 6]


def test_the_arguments_of_a_tool_call_are_the_answer() -> None:
    def ask(text: str):
        return completion(None, arguments='{"stars": 2}')

    assert evaluation.run(ask, some_reviews([2]))["correct"].all()


@pytest.mark.parametrize(
    "call",
    [
        {"type": "custom", "custom": {"name": "rate", "input": '{"stars": 2}'}},
        {"type": "function", "function": {"name": "rate", "arguments": '{"stars": 2}'}},
        {"function": {"name": "rate", "arguments": '{"stars": 2}'}},  # some hosts name no type
    ],
    ids=["custom", "function", "without a type"],
)
def test_what_a_tool_of_either_kind_was_handed_is_the_answer(call: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "call-1", **call}]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    answer = ChatCompletion.construct(id="c", choices=[choice])
    assert text_of(answer) == '{"stars": 2}'


def test_a_host_that_counts_no_tokens_is_no_reason_to_stop() -> None:
    answer = completion("2 stars")
    answer.usage = None
    results = evaluation.run(lambda text: answer, some_reviews([2]))
    assert results["prompt_tokens"].tolist() == [0]


def test_an_error_ends_the_run_at_once() -> None:
    asked = []

    def ask(text: str):
        asked.append(text)
        if len(asked) == 1:
            raise ConnectionError("the lab is gone")
        time.sleep(0.05)
        return completion("1 star")

    with pytest.raises(ConnectionError, match="the lab is gone"):
        evaluation.run(ask, some_reviews([1] * 200), threads=2)
    assert len(asked) < 100


def test_summary_counts_missing_ratings_as_wrong() -> None:
    frame = evaluation.judge(some_reviews([5, 5, 5, 5]), ["5", "4", "nothing", "1"])
    row = evaluation.summary({"model": frame}).loc["model"]
    assert (row["exact"], row["within_one"], row["no_rating"]) == (0.25, 0.5, 0.25)
    assert (row["exact_low"], row["exact_high"]) == pytest.approx(statistics.of_share(1, 4))
    table = evaluation.readable(evaluation.summary({"model": frame}))
    assert table.loc["model"].tolist() == ["0.25 (0.05–0.70)", "0.50 (0.15–0.85)", "25%", *"–––"]


def test_confusion_has_a_place_for_every_answer() -> None:
    frame = evaluation.judge(some_reviews([1, 1, 2, 5]), ["1", "5 stars", "well", "5"])
    table = evaluation.confusion(frame)
    assert table.index.tolist() == [1, 2, 3, 4, 5]
    assert table.columns.tolist() == [1, 2, 3, 4, 5, "none"]
    assert table.loc[1].tolist() == [1, 0, 0, 0, 1, 0]
    assert table.loc[2, "none"] == table.loc[5, 5] == 1
    assert table.to_numpy().sum() == 4


def test_human_ceiling_by_hand() -> None:
    # 19 zeros and a +4: each zero meets a mean of 4/19 = 0.21, 3 stars; the +4 meets 0, 3 stars.
    one = pd.DataFrame({"ratings": [[0] * 19 + [4]] * 2})
    row = evaluation.human_ceiling(one).iloc[0]
    assert (row["exact"], row["within_one"], row["answers"]) == (0.95, 0.95, 40)
    # ten -1 and ten 0: a -1 (2 stars) meets -9/19 = -0.47 (3), a 0 (3 stars) meets -10/19 (2).
    two = pd.DataFrame({"ratings": [[0] * 10 + [-1] * 10] * 2})
    row = evaluation.human_ceiling(two).iloc[0]
    assert (row["exact"], row["within_one"]) == (0.0, 1.0)


def test_people_and_words_on_the_frozen_test_set() -> None:
    splits = corpus.splits()
    people = evaluation.human_ceiling(splits["test"]).iloc[0]
    assert people["exact"] == pytest.approx(0.645, abs=0.001)
    assert people["within_one"] == pytest.approx(0.957, abs=0.001)
    words = evaluation.tfidf_baseline(splits["train"].head(300), splits["test"])
    row = evaluation.summary({"words": words}).iloc[0]
    assert 0.25 < row["exact"] < 0.40 and 0.55 < row["within_one"] < 0.75
    assert row["no_rating"] == 0
    more = evaluation.tfidf_baseline(splits["train"], splits["test"])
    assert 0.40 < more["correct"].mean() < 0.48  # all words that there are: the stronger rival


def test_vectors_that_tell_the_stars_apart_are_learned() -> None:
    frame = pd.DataFrame({"id": range(20), "text": "x", "stars": [1, 2, 3, 4, 5] * 4})
    vectors = [[float(star == column) for column in range(1, 6)] for star in frame["stars"]]
    rated = evaluation.embedding_baseline(vectors, frame, vectors, frame)
    assert rated["correct"].all() and rated["label"].tolist() == frame["stars"].tolist()


def test_shape_counts_words_and_sentences() -> None:
    texts = [
        "Paris, as if everyone doesn't know that already.",
        "144. Ha! Really?",
        "- one\n- two",
        "",
    ]
    table = evaluation.shape(texts)
    assert table["sentences"].tolist() == [1, 3, 2, 0]
    assert table["words"].tolist() == [8, 3, 4, 0]


def test_likeness_is_one_for_the_same_and_zero_for_nothing_shared() -> None:
    results = evaluation.likeness(["Lisbon. Obviously.", "xyz"], ["Lisbon. Obviously.", "Berlin"])
    assert results == pytest.approx([1.0, 0.0])
