"""What a check found, as numbers and for programs.

Knows neither how it is shown nor how it is mended.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbook.doctor.codes import CODES, SEVERITIES
from workbook.doctor.findings import Finding
from workbook.doctor.partial_results import BOUNDS
from workbook.errors import WorkbookError
from workbook.prices import costs, tokens

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CheckResult:
    """All that was found. `ok` means: no errors; there may be warnings and notes."""

    name: str
    findings: tuple[Finding, ...]
    counts: "pd.DataFrame"
    """One row an example: line, messages; with a model also tokens, answer_tokens, and the bounds
    of tokens: tokens_at_least, tokens_at_most."""
    labels: Mapping[str, int] | None = None
    """How often each answer occurs, where the answers are labels."""
    model: str | None = None
    codes: Mapping[str, int] = field(default_factory=dict)
    """How often each code was found."""
    source: Any = None
    """What was checked: an opened file, or the rows."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """How many examples there are of each format."""
    gaps: frozenset[str] = frozenset()
    """What of the examples no rule counts, such as a sound."""

    @property
    def ok(self) -> bool:
        return not any(CODES[code].severity == "error" for code in self.codes)

    @property
    def summary(self) -> str:
        """One sentence: examples, findings by severity, tokens."""
        totals: Counter[str] = Counter()
        for code, count in self.codes.items():
            totals[CODES[code].severity] += count
        words = [
            f"{totals[severity]} {severity}{'' if totals[severity] == 1 else 's'}"
            for severity in SEVERITIES
            if totals[severity]
        ]
        size = f"{len(self.counts):,} example{'' if len(self.counts) == 1 else 's'}"
        if "tokens" in self.counts:
            about = "about " if tokens.is_approximate(str(self.model)) else ""
            size += f", {about}{int(self.counts['tokens'].sum()):,} tokens for {self.model}"
        return f"{self.name}: {size}; {', '.join(words) or 'nothing wrong found'}."

    @property
    def kind(self) -> str:
        """What the examples are, by the removed tool's rule: "chat", "preference", or for pairs
        "open-ended", "classification" (answers are labels) or "conditional"."""
        if not self.kinds:
            return "nothing"
        kind = max(self.kinds, key=lambda kind: self.kinds[kind])
        if kind != "completion":
            return kind
        if "open-ended" in self.codes:
            return "open-ended"
        return "classification" if self.labels else "conditional"

    def stats(self) -> "pd.DataFrame":
        """Messages and tokens an example: mean, smallest, tenths, median, largest.

        The Cookbook's notebook calls its tenths p5 and p95; here they are called what they are.
        """
        import pandas as pd

        numbers = self.counts.drop(columns=["line", *BOUNDS], errors="ignore")
        return pd.DataFrame(
            {
                "mean": numbers.mean(),
                "min": numbers.min(),
                "10 %": numbers.quantile(0.1),
                "median": numbers.median(),
                "90 %": numbers.quantile(0.9),
                "max": numbers.max(),
            }
        )

    def cost(
        self, n_epochs: int | None = None, validation: "CheckResult | None" = None
    ) -> costs.Estimate:
        """What training on the file costs with the model it was checked for, at its last known
        price. Raises WorkbookError without a model, without examples, or where no price is known.

        validation: what was found in the validation file, checked for the same model
        """
        if not self.model:
            raise WorkbookError("Say for which model: doctor.check(file, model=…).")
        at_least, at_most = (self.counts[bound].tolist() for bound in BOUNDS)
        return costs.estimate(
            self.counts["tokens"].tolist(),
            self.model,
            n_epochs,
            at_least=at_least,
            at_most=at_most,
            validation=validation.counts[BOUNDS[1]].tolist() if validation else (),
            gaps=self.gaps | (validation.gaps if validation else frozenset()),
            method="dpo" if self.kind == "preference" else "supervised",
        )

    def table(self) -> "pd.DataFrame":
        """All findings: severity, code, line, message, excerpt, why, fix."""
        import pandas as pd

        columns = ["severity", "code", "line", "message", "excerpt", "why", "fix"]
        return pd.DataFrame(
            [[getattr(finding, name) for name in columns] for finding in self.findings],
            columns=columns,
        ).astype({"line": "Int64"})
