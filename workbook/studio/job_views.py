"""What there is to see of jobs: their list, one that is followed, its checkpoints, who is to blame.

Asks through the plain client, and each time only for what is new. Changes nothing.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import openai

from workbook.doctor import secret_keys
from workbook.jobs import ENDED
from workbook.quoting import excerpt
from workbook.studio.host import Host

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

_MOST = 2_000  # jobs that are listed
_KINDS = {"loss": "Loss", "accuracy": "Accuracy", "reward": "Reward"}
_BLAMED = 5  # lines that are shown
_EXCERPT = 400  # characters of one


class JobList:
    """The jobs of a host, the newest first; after the first time only what is new is asked for."""

    def __init__(self) -> None:
        self._jobs: dict[str, FineTuningJob] = {}

    def look(self, host: Host) -> "list[FineTuningJob]":
        """All jobs as they are now."""
        jobs = host.client.fine_tuning.jobs.list(limit=100)
        newest = list(islice(jobs, _MOST if not self._jobs else 100))
        for id, job in list(self._jobs.items()):
            if job.status not in ENDED and id not in {each.id for each in newest}:
                self._jobs[id] = host.client.fine_tuning.jobs.retrieve(id)
        self._jobs = {job.id: job for job in newest} | {
            id: job for id, job in self._jobs.items() if id not in {each.id for each in newest}
        }
        return list(self._jobs.values())


def day(seconds: int | None) -> str:
    """When something was, by this machine's clock."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M") if seconds else ""


def clock(seconds: int) -> str:
    """As `day`, for what follows closely."""
    return datetime.fromtimestamp(seconds).strftime("%H:%M:%S")


@dataclass
class Watch:
    """One job that is followed.

    series: by kind of figure and name, the (step, value) pairs so far
    """

    id: str
    job: "FineTuningJob | None" = None
    events: "list[FineTuningJobEvent]" = field(default_factory=list)
    series: dict[str, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)
    step: int = 0
    steps: int = 0
    _known: set[str] = field(default_factory=set)

    def look(self, host: Host) -> "FineTuningJob":
        """The job as it is now; what has happened since the last look is added."""
        # The job first: what its end says is then among the events.
        self.job = host.client.fine_tuning.jobs.retrieve(self.id)
        new = []
        for event in host.client.fine_tuning.jobs.list_events(self.id, limit=100):
            if event.id in self._known:
                break
            new.append(event)
        for event in reversed(new):
            self._known.add(event.id)
            self.events.insert(0, event)
            self._take(event)
        return self.job

    def _take(self, event: "FineTuningJobEvent") -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if event.type != "metrics" or not isinstance(data.get("step"), int):
            return
        self.step, self.steps = data["step"], data.get("total_steps") or self.steps
        for name, value in data.items():
            kind = next((title for word, title in _KINDS.items() if word in name), None)
            if kind and isinstance(value, (int, float)) and not isinstance(value, bool):
                points = self.series.setdefault(kind, {}).setdefault(readable(name), [])
                points.append((data["step"], round(float(value), 5)))

    @property
    def has_ended(self) -> bool:
        return self.job is not None and self.job.status in ENDED

    def curves(self, kind: str) -> dict[str, list[tuple[int, float]]]:
        """The figures of a kind, each once: of rewards, OpenAI and Bedrock name the same ones."""
        return _each_once(self.series[kind])

    def words(self, kind: str) -> str:
        """The last values of a kind of figure, in a sentence."""
        parts = [f"{name} {points[-1][1]:.3f}" for name, points in self.curves(kind).items()]
        return f"{kind} after step {self.step}: {', '.join(parts)}."


def readable(name: str) -> str:
    """A metric's name in words."""
    words = {"train": "training", "valid": "validation"}
    return " ".join(words.get(part, part) for part in name.split("_"))


def _each_once(figures: dict[str, Any]) -> dict[str, Any]:
    """Without those that have the values of an earlier one."""
    names = {json.dumps(values): name for name, values in reversed(figures.items())}
    return {name: values for name, values in figures.items() if name in names.values()}


def checkpoints(host: Host, job_id: str) -> list[dict[str, Any]]:
    """The checkpoints beside each other, by step: `model`, `step`, and the `figures` that tell
    which is better: losses, accuracies, rewards, each once."""
    points = sorted(
        islice(host.client.fine_tuning.jobs.checkpoints.list(job_id), 100),
        key=lambda point: point.step_number,
    )
    measured = [point.metrics.to_dict(mode="json") for point in points]
    names = dict.fromkeys(name for metrics in measured for name in metrics)
    figures = {
        readable(name): [metrics.get(name) for metrics in measured]
        for name in names
        if any(word in name for word in _KINDS)
    }
    figures = {
        name: values for name, values in _each_once(figures).items() if set(values) != {None}
    }
    return [
        {
            "model": point.fine_tuned_model_checkpoint,
            "step": point.step_number,
            "figures": {name: values[place] for name, values in figures.items()},
        }
        for place, point in enumerate(points)
    ]


@dataclass(frozen=True)
class Blame:
    """A line of a file that a failed job is about."""

    file: str
    line: int
    words: str


def blame(host: Host, job: "FineTuningJob") -> Sequence[Blame]:
    """The lines that a job's error names, with what stands there; none where it names none."""
    if job.error is None or not job.error.message:
        return ()
    named = re.findall(r"\b(?:line|example|row) (\d+)", job.error.message, re.IGNORECASE)
    is_validation = "validation" in (job.error.param or job.error.message).lower()
    file = (job.validation_file if is_validation else None) or job.training_file
    if not named or not file:
        return ()
    try:
        lines = host.content(file).decode("utf-8", "replace").split("\n")
    except openai.OpenAIError:  # it was deleted; the message itself stays
        return ()
    numbers = dict.fromkeys(int(number) for number in named)
    return [
        Blame(file, number, excerpt(secret_keys.hide(lines[number - 1]), _EXCERPT))
        for number in islice(numbers, _BLAMED)
        if 1 <= number <= len(lines)
    ]


def hyperparameters(job: "FineTuningJob") -> dict[str, Any]:
    """The hyperparameters of a job, by their names in words."""
    _, settings = settings_of(job)
    return {
        name.replace("_", " ").removeprefix("n "): value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in settings["hyperparameters"].items()
        if value is not None
    }


def settings_of(job: "FineTuningJob") -> tuple[str, dict[str, Any]]:
    """A job's method, and what was set for it, its `hyperparameters` always among it.

    Older jobs, and some hosts, name no method, or no hyperparameters.
    """
    method: dict[str, Any] = job.method.to_dict(mode="json") if job.method else {}
    kind = method.get("type", "supervised")
    settings = {name: value for name, value in (method.get(kind) or {}).items() if value}
    if "hyperparameters" not in settings:
        older = getattr(job, "hyperparameters", None)
        settings["hyperparameters"] = older.to_dict(mode="json") if older else {}
    return kind, settings
