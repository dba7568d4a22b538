"""Statistics against known values, and against what they are said to promise."""

import numpy as np
import pandas as pd
import pytest

from workbook.evals import statistics
from workbook.evals.errors import EvaluationError


def table(scores: list[float], clusters: list[str] | None = None) -> pd.DataFrame:
    ids = [str(i) for i in range(len(scores))]
    return pd.DataFrame({"id": ids, "exact": scores, "cluster": clusters or ids})


def test_a_share_has_wilsons_interval() -> None:
    # Agresti and Coull 1998: 0 of 10 gives 0 to 0.278.
    low, high = statistics.interval([0] * 10)
    assert low == 0 and high == pytest.approx(0.2775, abs=1e-3)


def test_an_interval_of_clusters_is_wider_where_they_agree_and_the_same_where_they_do_not() -> None:
    rng = np.random.default_rng(1)
    alone = rng.integers(0, 2, 400)
    names = [str(i // 8) for i in range(400)]
    agreeing = np.repeat(rng.integers(0, 2, 50), 8)
    plain, clustered = statistics.interval(alone), statistics.interval(alone, names)
    assert np.ptp(clustered) == pytest.approx(np.ptp(plain), rel=0.35)
    wide = statistics.interval(agreeing, names)
    assert np.ptp(wide) == pytest.approx(
        np.sqrt(8) * np.ptp(statistics.interval(agreeing)), rel=0.2
    )


@pytest.mark.parametrize("values", [[], [float("nan")], [0.5]])
def test_no_interval_without_values(values: list[float]) -> None:
    with pytest.raises(EvaluationError):
        statistics.interval(values)


def test_mcnemars_exact_test_and_the_verdicts() -> None:
    a = table([1] * 30 + [1] * 10 + [0] * 2 + [0] * 8)
    b = table([1] * 30 + [0] * 10 + [1] * 2 + [0] * 8)
    result = statistics.compare(a, b, "exact")
    assert (result.both, result.only_a, result.only_b, result.neither) == (30, 10, 2, 8)
    assert result.p == pytest.approx(2 * (1 + 12 + 66) / 2**12)  # two tails of a fair coin, n = 12
    assert result.verdict == "a is better" and result.difference == pytest.approx(0.16)
    assert statistics.compare(b, a, "exact").verdict == "b is better"
    same = statistics.compare(a, a, "exact")
    assert same.verdict == "no difference" and same.p == 1 and same.effect == 0


def test_rows_are_matched_by_id() -> None:
    a, b = table([1, 0, 1, 0]), table([1, 0, 1, 0])
    assert statistics.compare(a, b.iloc[::-1], "exact").difference == 0
    with pytest.raises(EvaluationError, match="same examples"):
        statistics.compare(a, b.head(3), "exact")


def test_scores_between_zero_and_one_are_compared_too() -> None:
    rng = np.random.default_rng(0)
    b = rng.random(60)
    result = statistics.compare(table(list(b + 0.2)), table(list(b)), "exact")
    assert result.p < 0.001 and result.difference == pytest.approx(0.2)


def test_a_difference_within_few_clusters_is_none() -> None:
    """Ten sentences of one review that all flipped are one flip, not ten."""
    clusters = [str(i // 10) for i in range(50)]
    a, b = [1.0] * 50, [1.0] * 40 + [0.0] * 10
    plain = statistics.compare(table(a, clusters), table(b, clusters), "exact")
    clustered = statistics.compare(table(a, clusters), table(b, clusters), "exact", clustered=True)
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
