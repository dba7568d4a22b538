"""What a check can say of an answer."""

from dataclasses import dataclass


class WrongAnswerError(Exception):
    """Raised by a check: `what` is wrong, and hints, each telling a little more."""

    def __init__(self, what: str, *hints: str) -> None:
        super().__init__(what)
        self.what, self.hints = what, hints


class UntouchedError(Exception):
    """Raised by a check that meets the three dots deeper than `grade` looks."""


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer."""

    status: str  # "right", "wrong" or "untouched"
    message: str
    hints: tuple[str, ...] = ()
