"""How sure a score is: 95 % intervals of a share and of a mean, and two results compared in pairs.

Knows the statistics, by scipy; knows nothing of models and of what they were asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbook.errors import WorkbookError


def of_share(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share: low and high, between 0 and 1.

    Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209–212), by scipy. Unlike
    share ± 1.96 standard errors it stays right near 0 and 1. Raises WorkbookError unless
    0 <= successes <= n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise WorkbookError(f"{successes} successes in {n} trials: there is no such share.")
    from scipy.stats import binomtest

    ends = binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return float(ends.low), float(ends.high)


def of_mean(values: Sequence[float] | np.ndarray, resamples: int = 10_000) -> tuple[float, float]:
    """The 95 % interval of a mean of values that are no plain yes or no.

    Percentile bootstrap (Efron 1979, Ann. Stat. 7, 1–26), by scipy; always the same draws. Raises
    WorkbookError for fewer than two values.

    values: one a review; what belongs together must not be drawn apart
    """
    if len(values) < 2:
        raise WorkbookError("An interval needs at least two values.")
    from scipy.stats import bootstrap

    result = bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        method="percentile",
        n_resamples=resamples,
        batch=500,
        rng=0,
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


@dataclass(frozen=True)
class Paired:
    """Two results on the same reviews: who was right on how many, and what follows.

    difference: the share right of a minus that of b
    low, high: its 95 % interval
    p: the probability of so uneven a split of `only_a` and `only_b` if both were equally good
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    low: float
    high: float
    p: float

    def sentence(self, a: str, b: str, what: str = "reviews") -> str:
        """The comparison in words, for the names of the two and of what they were asked."""
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        return (
            f"Only {a} is right on {self.only_a} {what}, only {b} on {self.only_b}: a difference "
            f"of {self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}), {p}."
        )


def paired_test(a: pd.DataFrame, b: pd.DataFrame) -> Paired:
    """Compare two results on the same reviews, matched by id.

    McNemar's test (1947, Psychometrika 12, 153–157) in its exact form: of the reviews on which
    just one of the two is right, each should win half if they were equally good; by scipy's
    binomtest. The difference's interval is a bootstrap over reviews.

    a, b: id and correct of each review, as `evaluation.run` gives them
    Raises WorkbookError when the two were not asked about the same reviews.
    """
    if set(a["id"]) != set(b["id"]) or len(a) != len(b):
        raise WorkbookError("A paired test needs two results on the same reviews.")
    from scipy.stats import binomtest

    right_a = a.set_index("id")["correct"].to_numpy(dtype=bool)
    right_b = b.set_index("id")["correct"].reindex(a["id"]).to_numpy(dtype=bool)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    uneven = only_a + only_b
    low, high = of_mean(right_a.astype(int) - right_b.astype(int))
    return Paired(
        both=int((right_a & right_b).sum()),
        only_a=only_a,
        only_b=only_b,
        neither=int((~right_a & ~right_b).sum()),
        difference=(only_a - only_b) / len(a),
        low=low,
        high=high,
        p=float(binomtest(only_a, uneven).pvalue) if uneven else 1.0,
    )
