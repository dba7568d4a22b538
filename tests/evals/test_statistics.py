"""Statistics against known values, and against what they are said to promise."""

import numpy as np
import pandas as pd
import pytest

from workbook.evals import statistics
from workbook.evals.errors import EvaluationError


def table(scores: list[float], clusters: list[str] | None = None) -> pd.DataFrame:
    ids = [str(i) for i in range(len(scores))]
    return pd.DataFrame({"id": ids, "correct": scores, "cluster": clusters or ids})


def test_the_interval_of_a_share_against_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 857–872, table I, method 3
    assert statistics.of_share(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert statistics.of_share(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert statistics.of_share(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert statistics.of_share(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_an_impossible_share_has_no_interval(successes: int, n: int) -> None:
    with pytest.raises(EvaluationError):
        statistics.of_share(successes, n)


def test_the_interval_of_a_mean_agrees_with_the_normal_one_on_many_values() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    margin = 1.96 * values.std(ddof=1) / 20
    expected = (values.mean() - margin, values.mean() + margin)
    assert statistics.of_mean(values) == pytest.approx(expected, abs=0.02)
    assert statistics.of_mean(values) == statistics.of_mean(values)


def test_one_value_alone_has_no_interval() -> None:
    with pytest.raises(EvaluationError, match="at least two"):
        statistics.of_mean([0.5])


def test_paired_test_counts_only_the_reviews_that_differ() -> None:
    # 50 both, 10 only a, 1 only b, 39 neither: the two-sided binomial of 1 in 11 is 24 / 2048.
    a = table([True] * 50 + [True] * 10 + [False] * 1 + [False] * 39)
    b = table([True] * 50 + [False] * 10 + [True] * 1 + [False] * 39)
    paired = statistics.compare(a, b)
    assert (paired.both, paired.only_a, paired.only_b, paired.neither) == (50, 10, 1, 39)
    assert paired.p == pytest.approx(24 / 2048)
    assert paired.difference == pytest.approx(0.09)
    assert 0.02 < paired.low < 0.09 < paired.high < 0.16
    assert paired.sentence("A", "B") == (
        "Only A is right on 10 reviews, only B on 1: a difference of +0.090 "
        f"({paired.low:+.3f} to {paired.high:+.3f}), p = 0.012."
    )


def test_an_interval_of_clusters_is_wider_where_they_agree_and_the_same_where_they_do_not() -> None:
    rng = np.random.default_rng(1)
    alone = rng.integers(0, 2, 400)
    names = [str(i // 8) for i in range(400)]
    agreeing = np.repeat(rng.integers(0, 2, 50), 8)
    plain, clustered = statistics.of_mean(alone), statistics.of_mean(alone, names)
    assert np.ptp(clustered) == pytest.approx(np.ptp(plain), rel=0.35)
    wide = statistics.of_mean(agreeing, names)
    assert np.ptp(wide) == pytest.approx(np.sqrt(8) * np.ptp(statistics.of_mean(agreeing)), rel=0.2)


def test_mcnemars_exact_test_and_the_verdicts() -> None:
    a = table([1] * 30 + [1] * 10 + [0] * 2 + [0] * 8)
    b = table([1] * 30 + [0] * 10 + [1] * 2 + [0] * 8)
    result = statistics.compare(a, b)
    assert (result.both, result.only_a, result.only_b, result.neither) == (30, 10, 2, 8)
    assert result.p == pytest.approx(2 * (1 + 12 + 66) / 2**12)  # two tails of a fair coin, n = 12
    assert result.verdict == "a is better" and result.difference == pytest.approx(0.16)
    assert statistics.compare(b, a).verdict == "b is better"
    same = statistics.compare(a, a)
    assert same.verdict == "no difference" and same.p == 1 and same.effect == 0


def test_rows_are_matched_by_id() -> None:
    a, b = table([1, 0, 1, 0]), table([1, 0, 1, 0])
    assert statistics.compare(a, b.iloc[::-1]).difference == 0
    with pytest.raises(EvaluationError, match="same examples"):
        statistics.compare(a, b.head(3))


def test_scores_between_zero_and_one_are_compared_too() -> None:
    rng = np.random.default_rng(0)
    b = rng.random(60)
    result = statistics.compare(table(list(b + 0.2)), table(list(b)))
    assert result.p < 0.001 and result.difference == pytest.approx(0.2)


def test_a_difference_within_few_clusters_is_none() -> None:
    """Ten sentences of one review that all flipped are one flip, not ten."""
    clusters = [str(i // 10) for i in range(50)]
    a, b = [1.0] * 50, [1.0] * 40 + [0.0] * 10
    plain = statistics.compare(table(a, clusters), table(b, clusters))
    clustered = statistics.compare(table(a, clusters), table(b, clusters), clustered=True)
    assert plain.p < 0.01 and clustered.p > 0.5
    assert clustered.verdict == "no difference"


def test_several_comparisons_are_corrected_by_holm() -> None:
    assert statistics.corrected({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert statistics.corrected({}) == {}


def test_calibration_is_perfect_or_not() -> None:
    _, error = statistics.calibration([0.9] * 10, [1] * 9 + [0])
    assert error == pytest.approx(0)
    bins, error = statistics.calibration([1.0, 1.0, 0.05, 0.0], [0, 0, 0, 0])
    assert error == pytest.approx((1 + 1 + 0.05) / 4) and bins["answers"].tolist() == [2, 2]
    with pytest.raises(EvaluationError):
        statistics.calibration([1.1], [1])


def test_a_trend_is_that_of_scipy_and_covers_the_truth_as_often_as_it_says() -> None:
    from scipy.stats import linregress, t

    rng = np.random.default_rng(0)
    x = np.repeat(np.arange(5.0), 3)
    hits = 0
    for _ in range(400):
        y = 0.2 + 0.05 * x + rng.normal(0, 0.03, len(x))
        value, low, high = statistics.trend(x, y)
        hits += low <= 0.05 <= high
    assert 0.92 <= hits / 400 <= 0.98
    line = linregress(x, y)
    assert value == pytest.approx(line.slope)
    assert high - value == pytest.approx(t.ppf(0.975, len(x) - 2) * line.stderr)


def test_a_bend_is_seen_and_too_few_points_have_no_trend() -> None:
    x = np.arange(8.0)
    wiggle = np.resize([0.01, -0.01], 8)
    _, low, _ = statistics.trend(x, 0.1 * x**2 + wiggle, degree=2)
    assert low > 0
    _, low, high = statistics.trend(x, 3 * x + wiggle, degree=2)
    assert low < 0 < high
    assert statistics.trend([1, 2], [1, 2]) is None
    assert statistics.trend([1, 2, 3], [1, 2, 3], degree=2) is None
    assert statistics.trend([2, 2, 2], [1, 2, 3]) is None


def test_runs_that_differ_widen_the_interval_and_one_run_leaves_that_of_its_examples() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(0, 2, (1, 200)).astype(float)
    value, low, high = statistics.of_runs(one)
    assert (low, high) == pytest.approx(statistics.of_mean(one[0]), abs=0.011)
    apart = np.vstack([np.ones(200), np.zeros(200)])
    value, low, high = statistics.of_runs(apart)
    assert (value, low, high) == (0.5, 0, 1), "every example is half right, but the seeds are not"


def test_a_gain_over_other_runs_is_paired_by_example() -> None:
    rng = np.random.default_rng(2)
    hard = rng.random(300)  # all do better on the same examples
    ours = np.array([(hard < 0.6).astype(float)] * 2)
    theirs = np.array([(hard < 0.5).astype(float)])
    value, low, high = statistics.of_runs(ours, theirs)
    assert value == pytest.approx(ours.mean() - theirs.mean())
    assert 0 < low < value < high and high - low < 0.08
    assert statistics.of_runs(ours, ours)[0] == 0


@pytest.mark.parametrize(
    ("runs", "others"), [([[1.0]], None), ([1.0, 0.0], None), ([[1, 0, 1]], [[1, 0]])]
)
def test_runs_on_other_examples_are_refused(runs, others) -> None:
    with pytest.raises(EvaluationError, match="each run"):
        statistics.of_runs(runs, others)
