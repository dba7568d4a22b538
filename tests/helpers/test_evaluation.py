"""Evaluation: reading stars, running a batch, and the statistics against known values."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import evaluation
from helpers import reviews as corpus
from workbook.errors import WorkbookError


def completion(text: str | None, arguments: str | None = None, cached: int | None = None):
    """A ChatCompletion as far as `run` looks at it: 7 tokens in, 3 out."""
    call = SimpleNamespace(function=SimpleNamespace(name="rate", arguments=arguments))
    message = SimpleNamespace(content=text, tool_calls=[call] if arguments else None)
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


def results(correct: list[bool]) -> pd.DataFrame:
    """Results whose true stars are all 5; a wrong answer is off by far."""
    return evaluation.judge(
        some_reviews([5] * len(correct)), ["5 stars" if c else "1 star" for c in correct]
    )


@pytest.mark.parametrize(
    "text",
    [
        "4",
        " 4.",
        "**4**",
        "four",
        "Rating: 4",
        "4 stars",
        "4-star",
        "Four stars!",
        "4/5",
        "4 out of 5 stars",
        "4 out of five",
        "Calificación: 4 estrellas",
        '{"stars": 4}',
        '{\n "stars" : "4" }',
        "**4 stars** (very good)",
        "The writer gives it 4 stars, yes, 4 stars.",
    ],
)
def test_an_answer_that_names_one_number_of_stars_counts(text: str) -> None:
    assert evaluation.stars(text) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.1 star",
        "4.5 stars",
        "4,5 stars",
        "0 stars",
        "6 stars",
        "-1 star",
        "10 stars",
        "45 stars",
        "4 or 5 stars",
        "1 to 5 stars",
        "1-5 stars",
        "From 1 star to 5 stars.",
        "I bought 4 of them.",
        "I have 5 cameras, 2 of them broken",
        '{"rating": 4}',
        '{"stars": 6}',
        '{"stars": true}',
        '{"stars": 4.5}',
        '{"stars": [4]}',
        '{"stars": 4',
        "{",
        "6",
        "stars",
    ],
)
def test_an_answer_without_a_single_valid_rating_counts_as_none(text: str) -> None:
    assert evaluation.stars(text) is None


@given(st.integers(1, 5), st.sampled_from(["{}", "{} stars", "{}/5", '{{"stars": {}}}']))
def test_every_rating_is_read_back(rating: int, form: str) -> None:
    assert evaluation.stars(form.format(rating)) == rating


@given(st.text())
def test_any_text_at_all_gives_one_to_five_or_none(text: str) -> None:
    assert evaluation.stars(text) in {None, 1, 2, 3, 4, 5}


def test_run_judges_every_review_in_its_own_row() -> None:
    frame = some_reviews([1, 2, 3, 4, 5, 5])
    said = ["1 star", "3 stars", "1 star", "no idea", '{"stars": 5}', ""]

    def ask(text: str):
        i = int(text.split()[1])
        time.sleep(0.02 * (len(said) - i))  # the last review is answered first
        return completion(said[i], cached=2)

    found = evaluation.run(ask, frame)
    assert found["id"].tolist() == frame["id"].tolist()
    assert found["answer"].tolist() == said
    assert found["stars"].fillna(0).tolist() == [1, 3, 1, 0, 5, 0]
    assert found["correct"].tolist() == [True, False, False, False, True, False]
    assert found["off_by_one"].tolist() == [True, True, False, False, True, False]
    assert set(found["prompt_tokens"]) == {7} and set(found["cached_tokens"]) == {2}
    assert found["seconds"].iloc[0] > found["seconds"].iloc[-1] > 0.01


def test_run_asks_as_many_at_a_time_as_it_is_told() -> None:
    together = threading.Barrier(4, timeout=5)  # breaks unless four are under way at once

    def ask(text: str):
        together.wait()
        return completion("1 star")

    assert evaluation.run(ask, some_reviews([1] * 8), threads=4)["correct"].all()


def test_a_chain_is_judged_by_its_last_answer_and_charged_for_all() -> None:
    def ask(text: str):
        return [completion("The writer likes it: 5 stars"), completion("4 stars")]

    found = evaluation.run(ask, some_reviews([4]))
    assert found["answer"].tolist() == ["4 stars"] and found["correct"].all()
    assert found[["prompt_tokens", "completion_tokens"]].iloc[0].tolist() == [14, 6]


def test_the_arguments_of_a_tool_call_are_the_answer() -> None:
    def ask(text: str):
        return completion(None, arguments='{"stars": 2}')

    assert evaluation.run(ask, some_reviews([2]))["correct"].all()


def test_a_host_that_counts_no_tokens_is_no_reason_to_stop() -> None:
    answer = completion("2 stars")
    answer.usage = None
    found = evaluation.run(lambda text: answer, some_reviews([2]))
    assert found["prompt_tokens"].tolist() == [0]


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
    assert (row["exact_low"], row["exact_high"]) == pytest.approx(evaluation.interval(1, 4))
    table = evaluation.readable(evaluation.summary({"model": frame}))
    assert table.loc["model"].tolist() == ["0.25 (0.05–0.70)", "0.50 (0.15–0.85)", "25%", *"–––"]


def test_interval_against_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 857–872, table I, method 3
    assert evaluation.interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert evaluation.interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert evaluation.interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert evaluation.interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_an_impossible_share_has_no_interval(successes: int, n: int) -> None:
    with pytest.raises(WorkbookError):
        evaluation.interval(successes, n)


def test_bootstrap_interval_agrees_with_the_normal_one_on_many_values() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    margin = 1.96 * values.std(ddof=1) / 20
    expected = (values.mean() - margin, values.mean() + margin)
    assert evaluation.bootstrap_interval(values) == pytest.approx(expected, abs=0.02)
    assert evaluation.bootstrap_interval(values) == evaluation.bootstrap_interval(values)


def test_one_value_alone_has_no_interval() -> None:
    with pytest.raises(WorkbookError, match="at least two"):
        evaluation.bootstrap_interval([0.5])


def test_paired_test_counts_only_the_reviews_that_differ() -> None:
    # 50 both, 10 only a, 1 only b, 39 neither: the two-sided binomial of 1 in 11 is 24 / 2048.
    a = results([True] * 50 + [True] * 10 + [False] * 1 + [False] * 39)
    b = results([True] * 50 + [False] * 10 + [True] * 1 + [False] * 39)
    found = evaluation.paired_test(a, b)
    assert (found.both, found.only_a, found.only_b, found.neither) == (50, 10, 1, 39)
    assert found.p == pytest.approx(24 / 2048)
    assert found.difference == pytest.approx(0.09)
    assert 0.02 < found.low < 0.09 < found.high < 0.16
    assert found.sentence("A", "B") == (
        "Only A is right on 10 reviews, only B on 1: a difference of +0.090 "
        f"({found.low:+.3f} to {found.high:+.3f}), p = 0.012."
    )


def test_paired_test_matches_by_id() -> None:
    a = results([True, True, False, False])
    assert evaluation.paired_test(a, a.iloc[::-1]).only_a == 0
    assert evaluation.paired_test(a, a).p == 1.0
    with pytest.raises(WorkbookError, match="same reviews"):
        evaluation.paired_test(a, results([True]))


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
    found = evaluation.likeness(["Lisbon. Obviously.", "xyz"], ["Lisbon. Obviously.", "Berlin"])
    assert found == pytest.approx([1.0, 0.0])
