"""What is said of every kind of mistake. The codes themselves stand in the modules beside this."""

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Code:
    """One kind of mistake: how bad it is, why it matters, what to do."""

    severity: str
    why: str
    fix: str
    once: bool = False
    """Whether rows with the same message are told of together, under the first of their lines."""
    explains: tuple[str, ...] = ()
    """Codes that follow from this one, and are not reported of the same row."""
