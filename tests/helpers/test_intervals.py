"""Intervals and the paired test, against published values."""

import numpy as np
import pandas as pd
import pytest

from helpers import intervals
from workbook.errors import WorkbookError


def results(correct: list[bool]) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"{i}_1" for i in range(len(correct))], "correct": correct})


def test_the_interval_of_a_share_against_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 857–872, table I, method 3
    assert intervals.of_share(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert intervals.of_share(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert intervals.of_share(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert intervals.of_share(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_an_impossible_share_has_no_interval(successes: int, n: int) -> None:
    with pytest.raises(WorkbookError):
        intervals.of_share(successes, n)


def test_the_interval_of_a_mean_agrees_with_the_normal_one_on_many_values() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    margin = 1.96 * values.std(ddof=1) / 20
    expected = (values.mean() - margin, values.mean() + margin)
    assert intervals.of_mean(values) == pytest.approx(expected, abs=0.02)
    assert intervals.of_mean(values) == intervals.of_mean(values)


def test_one_value_alone_has_no_interval() -> None:
    with pytest.raises(WorkbookError, match="at least two"):
        intervals.of_mean([0.5])


def test_paired_test_counts_only_the_reviews_that_differ() -> None:
    # 50 both, 10 only a, 1 only b, 39 neither: the two-sided binomial of 1 in 11 is 24 / 2048.
    a = results([True] * 50 + [True] * 10 + [False] * 1 + [False] * 39)
    b = results([True] * 50 + [False] * 10 + [True] * 1 + [False] * 39)
    paired = intervals.paired_test(a, b)
    assert (paired.both, paired.only_a, paired.only_b, paired.neither) == (50, 10, 1, 39)
    assert paired.p == pytest.approx(24 / 2048)
    assert paired.difference == pytest.approx(0.09)
    assert 0.02 < paired.low < 0.09 < paired.high < 0.16
    assert paired.sentence("A", "B") == (
        "Only A is right on 10 reviews, only B on 1: a difference of +0.090 "
        f"({paired.low:+.3f} to {paired.high:+.3f}), p = 0.012."
    )


def test_paired_test_matches_by_id() -> None:
    a = results([True, True, False, False])
    assert intervals.paired_test(a, a.iloc[::-1]).only_a == 0
    assert intervals.paired_test(a, a).p == 1.0
    with pytest.raises(WorkbookError, match="same reviews"):
        intervals.paired_test(a, results([True]))
