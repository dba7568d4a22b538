"""What is said of every kind of mistake. The codes themselves stand in the modules beside this."""

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Code:
    """One kind of mistake: how bad it is, why it matters, what to do."""

    severity: str
    why: str
    fix: str
