"""Which of a job's checkpoints are kept, and which one its model is.

After rewards those with the highest one (of the validation file, as OpenAI, where there is one);
else the last ones.
Knows records and metrics; nothing of files.
"""

from collections.abc import Iterable

from workbook.lab.state.records import Checkpoint
from workbook.lab.training import defaults

_Rank = tuple[float, int]


def order(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The one to prefer first."""
    return sorted(checkpoints, key=lambda each: _rank(each.step, each.metrics), reverse=True)


def better(checkpoints: Iterable[Checkpoint], step: int, metrics: dict[str, float]) -> int:
    """How many are preferred to the one of a step, which may be among them."""
    return sum(_rank(each.step, each.metrics) > _rank(step, metrics) for each in checkpoints)


def _rank(step: int, metrics: dict[str, float]) -> _Rank:
    return metrics.get(defaults.rank_metric(metrics), 0.0), step
