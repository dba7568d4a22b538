"""Two models on the same examples: which is better, by how much, how sure, and what flipped.

Knows graded tables. Knows nothing of asking, of jobs and of how a report is shown.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbook.evals import statistics
from workbook.evals.statistics import Comparison

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Report:
    """What there is to say of two models, `names`, by one `score`.

    shares: mean score of each with its 95 % interval
    flips: the examples on which they differ: id, label, the answers of a and b, who is better
    """

    names: tuple[str, str]
    score: str
    comparison: Comparison
    shares: tuple[tuple[float, float, float], tuple[float, float, float]]
    flips: "pd.DataFrame"

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        a, b = self.names
        result = self.comparison
        interval = f"{result.difference:+.3f} (95 %: {result.low:+.3f} to {result.high:+.3f})"
        p = "p < 0.001" if result.p < 0.001 else f"p = {result.p:.3f}"
        if result.verdict == "no difference":
            return (
                f"No difference that {result.n} examples can show: {interval}, {p}. A real "
                "difference smaller than this interval is wide would not be seen."
            )
        better, worse = (a, b) if result.difference > 0 else (b, a)
        return f"{better} is better than {worse}: {interval}, {p}."


def report(
    names: tuple[str, str],
    tables: "tuple[pd.DataFrame, pd.DataFrame]",
    score: str,
    clustered: bool = False,
) -> Report:
    """Compare two tables of `results.grade`. Raises EvaluationError as `statistics.compare`."""
    a, b = tables
    comparison = statistics.compare(a, b, score, clustered)
    other = b.set_index("id").reindex(a["id"]).reset_index()
    differs = (a[score] != other[score]).to_numpy()
    flips = a.loc[differs, ["id", "label"]].assign(
        a=a.loc[differs, "answer"].to_numpy(),
        b=other.loc[differs, "answer"].to_numpy(),
        better=["a" if more else "b" for more in (a[score] > other[score]).to_numpy()[differs]],
    )
    shares = tuple(
        (
            float(table[score].mean()),
            *statistics.of_scores(table[score], table["cluster"] if clustered else None),
        )
        for table in tables
    )
    return Report(names, score, comparison, (shares[0], shares[1]), flips.reset_index(drop=True))
