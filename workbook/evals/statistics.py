"""How sure a score is: intervals, two results in pairs, many comparisons, calibration.

Knows numbers; scipy does the statistics. Knows nothing of models and of what they were asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbook.evals.errors import EvaluationError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

RESAMPLES = 10_000


def of_share(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share: low and high, between 0 and 1.

    Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209–212), by scipy. Unlike
    share ± 1.96 standard errors it stays right near 0 and 1. Raises EvaluationError unless
    0 <= successes <= n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise EvaluationError(f"{successes} successes in {n} trials: there is no such share.")
    from scipy.stats import binomtest

    ends = binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return float(ends.low), float(ends.high)


def of_mean(
    values: "Sequence[float] | np.ndarray | pd.Series",
    clusters: "Sequence[Any] | pd.Series | None" = None,
) -> tuple[float, float]:
    """The 95 % interval of a mean of values that are no plain yes or no.

    Percentile bootstrap (Efron 1979, Ann. Stat. 7, 1–26), by scipy; always the same draws. With
    clusters whole clusters are drawn (Davison and Hinkley 1997, section 3.8).

    values: one an example
    clusters: what each value belongs to; None: each stands for itself
    Raises EvaluationError for fewer than two values or clusters, and for what is no number.
    """
    import numpy as np

    numbers = np.asarray(values, dtype=float)
    if len(numbers) < 2:
        raise EvaluationError("An interval needs at least two values.")
    if not np.isfinite(numbers).all():
        raise EvaluationError("An interval needs values that are numbers, all of them.")
    if clusters is not None:
        return _of_clusters(numbers, clusters)
    from scipy.stats import bootstrap

    result = bootstrap(
        (numbers,), np.mean, method="percentile", n_resamples=RESAMPLES, batch=500, rng=0
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def of_scores(values: "pd.Series", clusters: "pd.Series | None" = None) -> tuple[float, float]:
    """`of_share` for zeros and ones that stand for themselves, else `of_mean`."""
    if clusters is None and values.isin((0, 1)).all():
        return of_share(int(values.sum()), len(values))
    return of_mean(values, clusters)


def _of_clusters(numbers: "np.ndarray", clusters: Any) -> tuple[float, float]:
    import numpy as np

    _, place = np.unique(np.asarray(clusters).astype(str), return_inverse=True)
    if len(place) != len(numbers):
        raise EvaluationError(f"{len(numbers)} values, but {len(place)} clusters.")
    sums, sizes = np.bincount(place, numbers), np.bincount(place)  # (clusters,)
    if len(sums) < 2:
        raise EvaluationError("All values belong to one cluster, so there is nothing to draw.")
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
    means = (draws @ sums) / (draws @ sizes)  # (RESAMPLES,)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def of_runs(
    runs: "Sequence[Sequence[float]] | np.ndarray",
    others: "Sequence[Sequence[float]] | np.ndarray | None" = None,
) -> tuple[float, float, float]:
    """The mean over runs and examples, or how much greater it is than that of others; low, high.

    A bootstrap that draws both, since other seeds and other examples might have come (Owen 2007,
    Ann. Appl. Stat. 1, 386–411). Always the same draws. With two or three runs somewhat too narrow,
    and without any width where all scores are the same: then there is but one thing to draw.

    runs: (runs, examples), the score of each; others: the same examples, any number of runs
    Raises EvaluationError for fewer than two examples, and for others on other examples.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    tables = [np.asarray(each, dtype=float) for each in (runs, others) if each is not None]
    n = tables[0].shape[-1]
    if n < 2 or any(each.ndim != 2 or each.shape[1] != n for each in tables):
        raise EvaluationError("An interval needs a score for each run and each of two examples.")
    drawn = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n  # (RESAMPLES, examples)
    means, value = np.zeros(RESAMPLES), 0.0
    for sign, table in zip((1, -1), tables, strict=False):
        k = len(table)
        seeds = rng.multinomial(k, np.full(k, 1 / k), RESAMPLES) / k  # (RESAMPLES, runs)
        means += sign * ((seeds @ table) * drawn).sum(axis=1)
        value += sign * float(table.mean())
    low, high = np.percentile(means, (2.5, 97.5))
    return value, float(low), float(high)


@dataclass(frozen=True)
class Comparison:
    """Two results on the same examples.

    both, only_a, only_b, neither: on how many the score is 1 for these
    difference: the mean of a minus that of b; low, high: its 95 % interval
    effect: Cohen's h for shares (0.2 small, 0.5 medium, 0.8 large), else d of the differences
    p: the probability of so uneven a split, or more, if both were equally good
    """

    n: int
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    low: float
    high: float
    effect: float
    p: float

    @property
    def verdict(self) -> str:
        """ "a is better", "b is better", or "no difference" that these examples could show."""
        if self.p >= 0.05 or self.low <= 0 <= self.high:
            return "no difference"
        return "a is better" if self.difference > 0 else "b is better"

    def sentence(self, a: str, b: str, what: str = "reviews") -> str:
        """The comparison in words, for the names of the two and of what they were asked."""
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        return (
            f"Only {a} is right on {self.only_a} {what}, only {b} on {self.only_b}: a difference "
            f"of {self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}), {p}."
        )


def compare(
    a: "pd.DataFrame", b: "pd.DataFrame", score: str = "correct", clustered: bool = False
) -> Comparison:
    """Two tables of `results.grade`, matched by id, by one grader's score.

    Zeros and ones: McNemar's test (1947, Psychometrika 12, 153–157) in its exact form. Other scores
    and clusters: a permutation test of the differences' signs, by scipy, whole clusters at a time.
    Raises EvaluationError where they are not about the same examples.
    """
    import numpy as np
    from scipy.stats import binomtest, permutation_test

    if set(a["id"]) != set(b["id"]) or len(a) != len(b) or not a["id"].is_unique:
        raise EvaluationError("A comparison in pairs needs two results on the same examples.")
    ours = a[score].to_numpy(dtype=float)
    theirs = b.set_index("id")[score].reindex(a["id"]).to_numpy(dtype=float)
    difference = ours - theirs
    shares = bool(np.isin([ours, theirs], (0, 1)).all())
    only_a, only_b = int((difference > 0).sum()), int((difference < 0).sum())
    low, high = of_mean(difference, a["cluster"] if clustered else None)
    if not difference.any():
        p = 1.0
    elif shares and not clustered:
        p = float(binomtest(only_a, only_a + only_b).pvalue)
    else:
        groups = a["cluster"] if clustered else a["id"]
        sums = a.assign(d=difference).groupby(groups.to_numpy(), sort=False)["d"].sum()
        test = permutation_test(
            (sums.to_numpy(),), np.sum, permutation_type="samples", n_resamples=RESAMPLES, rng=0
        )
        p = float(test.pvalue)
    return Comparison(
        n=len(a),
        both=int(((ours == 1) & (theirs == 1)).sum()),
        only_a=only_a,
        only_b=only_b,
        neither=int(((ours == 0) & (theirs == 0)).sum()),
        difference=float(difference.mean()),
        low=low,
        high=high,
        effect=_effect(ours, theirs, shares),
        p=p,
    )


def _effect(ours: "np.ndarray", theirs: "np.ndarray", shares: bool) -> float:
    """Cohen 1988: h = 2·asin√p₁ − 2·asin√p₂ for shares, d = mean / sd of the differences else."""
    import numpy as np

    if shares:
        angles = 2 * np.arcsin(np.sqrt([ours.mean(), theirs.mean()]))
        return float(angles[0] - angles[1])
    spread = float((ours - theirs).std(ddof=1)) if len(ours) > 1 else 0.0
    return float((ours - theirs).mean()) / spread if spread else 0.0


def corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values for several comparisons at once, by Holm's method (1979, Scand. J. Stat. 6, 65–70).

    The chance of a single false alarm among all of them stays below the level.
    """
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda pair: pair[1])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}


def trend(
    x: "Sequence[float] | np.ndarray", y: "Sequence[float] | np.ndarray", degree: int = 1
) -> tuple[float, float, float] | None:
    """The slope of the line through points (degree 2: the bend of the parabola), low and high.

    Least squares by numpy; the 95 % interval is Student's t. None where there are no more points
    than a line (or parabola) needs to run through all of them.
    """
    import numpy as np
    from scipy.stats import t

    free = len(x) - degree - 1
    if free < 1 or len(set(x)) <= degree:
        return None
    coefficients, covariance = np.polyfit(x, y, degree, cov=True)
    value = float(coefficients[0])
    half = float(t.ppf(0.975, free) * np.sqrt(covariance[0, 0]))
    return value, value - half, value + half


def calibration(
    confidence: "Sequence[float] | np.ndarray", correct: "Sequence[float] | np.ndarray"
) -> "tuple[pd.DataFrame, float]":
    """How far a model's own probabilities can be trusted: ten bins, and the expected error.

    The table has, for each bin that holds answers: confidence (mean), correct (share), answers. The
    error is the mean gap of the two, weighted by answers (Naeini 2015, ECE).

    confidence, correct: one of each an answer; from 0 to 1, and 0 or 1
    """
    import numpy as np
    import pandas as pd

    sure, right = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if len(sure) != len(right) or not len(sure):
        raise EvaluationError("Calibration needs one probability and one verdict an answer.")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise EvaluationError("Probabilities lie between 0 and 1.")
    bins = np.minimum((sure * 10).astype(int), 9)
    table = pd.DataFrame({"confidence": sure, "correct": right, "answers": 1}).groupby(bins)
    table = table.agg({"confidence": "mean", "correct": "mean", "answers": "sum"})
    gap = (table["confidence"] - table["correct"]).abs()
    return table, float((gap * table["answers"]).sum() / len(sure))
