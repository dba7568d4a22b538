"""Which of a job's checkpoints are kept, and which one its model is.

After rewards those with the highest one on the validation file, as OpenAI; else the last ones.
Knows records and metrics; nothing of files.
"""

from collections.abc import Iterable

from workbook.lab.state.records import Checkpoint

_Rank = tuple[float, int]


def order(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The one to prefer first."""
    return sorted(checkpoints, key=lambda each: _rank(each.step, each.metrics), reverse=True)


def better(checkpoints: Iterable[Checkpoint], step: int, metrics: dict[str, float]) -> int:
    """How many are preferred to the one of a step, which may be among them."""
    return sum(_rank(each.step, each.metrics) > _rank(step, metrics) for each in checkpoints)


def _rank(step: int, metrics: dict[str, float]) -> _Rank:
    return metrics.get("valid_reward_mean", 0.0), step
