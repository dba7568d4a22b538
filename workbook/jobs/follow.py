"""A job followed in a terminal: its messages, and how far its training is, on standard error.

A bar that is drawn over in a terminal, plain lines elsewhere. Knows how a job's events read;
creates no job and knows no options.
"""

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbook.jobs.results import ENDED

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
    from tqdm import tqdm


def follow(
    client: "OpenAI",
    job_id: str,
    every: float,
    on_event: "Callable[[FineTuningJobEvent], object]",
) -> "FineTuningJob":
    """Show what happens to a job until it has ended; the value is the job as it ended.

    every: seconds between two looks
    on_event: called with each event, oldest first
    """
    known: set[str] = set()
    with contextlib.closing(_Bar() if sys.stderr.isatty() else _Lines()) as display:
        while True:
            job = client.fine_tuning.jobs.retrieve(job_id)
            for event in _new_events(client, job_id, known):
                on_event(event)
                display.show(event)
            display.refresh()
            if job.status in ENDED:
                return job
            time.sleep(every)


def _new_events(client: "OpenAI", job_id: str, known: set[str]) -> "list[FineTuningJobEvent]":
    """The events whose ids are not known yet, oldest first; from now on they are."""
    new = []
    for event in client.fine_tuning.jobs.list_events(job_id, limit=100):
        if event.id in known:
            break
        new.append(event)
    known.update(event.id for event in new)
    return new[::-1]


def _numbers(event: "FineTuningJobEvent") -> dict[str, Any]:
    """An event's step and losses; empty where it has none."""
    data = event.data if isinstance(event.data, dict) else {}
    return data if event.type == "metrics" and "step" in data else {}


def _losses(data: dict[str, Any]) -> str:
    return " · ".join(
        f"{name} {data[name]:.3f}"
        for name in ("train_loss", "valid_loss")
        if isinstance(data.get(name), (int, float))
    )


class _Bar:
    """For a terminal: messages, and below them one bar with the losses."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None  # drawn from the first step on

    def show(self, event: "FineTuningJobEvent") -> None:
        from tqdm import tqdm

        data = _numbers(event)
        if not data:
            tqdm.write(event.message, file=sys.stderr)
            return
        if self._bar is None:
            self._bar = tqdm(
                total=data.get("total_steps"),
                file=sys.stderr,
                leave=False,
                bar_format="step {n_fmt} of {total_fmt} {percentage:3.0f}%|{bar:24}| "
                "{elapsed}, {remaining} to go{postfix}",
            )
        self._bar.n = data["step"]
        self._bar.set_postfix_str(_losses(data), refresh=False)

    def refresh(self) -> None:
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _Lines:
    """Elsewhere: a line a message, and one for about every tenth of the steps."""

    def __init__(self) -> None:
        self._last_step = 0

    def show(self, event: "FineTuningJobEvent") -> None:
        data = _numbers(event)
        if not data:
            print(event.message, file=sys.stderr, flush=True)
            return
        step, steps = data["step"], data.get("total_steps") or 0
        if step >= self._last_step + max(1, steps / 10) or step == steps:
            self._last_step = step
            of = f" of {steps}" if steps else ""
            print(f"step {step}{of} · {_losses(data)}", file=sys.stderr, flush=True)

    def refresh(self) -> None:
        """There is nothing to redraw."""

    def close(self) -> None:
        """There is nothing to clear."""
