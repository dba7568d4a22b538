"""Fine-tuning jobs as a student watches them: live progress, and the loss mask.

Works with any backend through the plain `openai` client. Knows how a job looks in a notebook;
creates none and knows nothing of what they train. Without Python: `workbook jobs follow`.
"""

import html
import math
import sys
import time
from typing import TYPE_CHECKING, Any

from workbook import display
from workbook.budget import comparison
from workbook.errors import WorkbookError
from workbook.jobs import ENDED

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import DisplayHandle
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

DRAW_SECONDS = 2.0  # drawing the curve takes time from the training on the same machine


def watch(client: "OpenAI", job_id: str, every: float = 1.0) -> "FineTuningJob":
    """Follow a job to its end with a live display; return the job as it ended.

    A failed or cancelled job is returned like any other: read `.status` and `.error`. Its estimate
    and bill are noted.

    every: seconds between two looks
    Raises WorkbookError when the cell is interrupted: the job goes on, and can be joined again.
    """
    try:
        return _follow(client, job_id, every)
    except KeyboardInterrupt:
        raise WorkbookError(
            f"You stopped watching. Job {job_id} goes on by itself: run this cell again to join "
            f'it, or stop it, too, by client.fine_tuning.jobs.cancel("{job_id}").'
        ) from None


def _follow(client: "OpenAI", job_id: str, every: float) -> "FineTuningJob":
    screen = _Screen()
    last_drawn = -math.inf
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        has_ended = job.status in ENDED
        if has_ended or time.monotonic() - last_drawn > DRAW_SECONDS:
            screen.show(job, progress(client, job))
            last_drawn = time.monotonic()
        if has_ended:
            comparison.keep(client, job)
            return job
        time.sleep(every)


def progress(client: "OpenAI", job: "FineTuningJob") -> "pd.DataFrame":
    """What the job's metrics events say so far: step, steps, train_loss, valid_loss.

    One row a step, in order; a host that sends fewer events gives fewer rows. NaN where a loss was
    not taken.
    """
    import pandas as pd

    rows = {}
    for event in client.fine_tuning.jobs.list_events(job.id, limit=100):
        data = event.data if isinstance(event.data, dict) else {}
        if event.type == "metrics" and "step" in data:
            rows[int(data["step"])] = {
                "step": int(data["step"]),
                "steps": data.get("total_steps"),
                "train_loss": data.get("train_loss"),
                "valid_loss": data.get("valid_loss"),
            }
    columns = ["step", "steps", "train_loss", "valid_loss"]
    table = pd.DataFrame([rows[step] for step in sorted(rows)], columns=columns)
    return table.astype({"train_loss": float, "valid_loss": float})  # None: NaN


def show_loss_mask(client: "OpenAI", row: dict[str, Any]) -> list[dict[str, Any]]:
    """Show the tokens of a training row; those on which the loss is computed stand out.

    Asks the lab, which answers with what its trainer would see. Other hosts don't tell: then a
    note says so. Returns the tokens, each with "text" and "trained"; none from another host.
    """
    import openai

    try:
        answer: Any = client.post("/lab/loss_mask", body=row, cast_to=object)
    except openai.NotFoundError:
        display.box("This host doesn't show its tokens. The lab does.", "note")
        return []
    tokens = answer["tokens"]
    n_trained = sum(token["trained"] for token in tokens)
    sentence = f"{len(tokens)} tokens; the loss is computed on {n_trained} of them (underlined)."
    plain = "".join(f"[{t['text']}]" if t["trained"] else t["text"] for t in tokens)
    display.show(f"<div>{_mask_html(tokens)}<p>{sentence}</p></div>", f"{plain}\n{sentence}")
    return tokens


def _mask_html(tokens: list[dict[str, Any]]) -> str:
    """Each token in a thin frame; trained ones are bold and underlined too, not only coloured."""
    cells = []
    for token in tokens:
        text = html.escape(token["text"]).replace("\n", "↵<br>").replace(" ", "&nbsp;")
        style = "border:1px solid #8888;border-radius:3px;padding:0 2px;margin:1px;"
        if token["trained"]:
            style += "background:#e69f00;color:#000;font-weight:bold;text-decoration:underline;"
        cells.append(f'<span style="{style}">{text}</span>')
    return f'<div style="font-family:monospace;line-height:1.9">{"".join(cells)}</div>'


class _Screen:
    """One output that is written over: status line, bar and curve; a line on stderr elsewhere."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._handle: DisplayHandle | None = None

    def show(self, job: "FineTuningJob", rows: "pd.DataFrame") -> None:
        line = self._line(job, rows)
        if not display.in_notebook():
            end = "\n" if job.status in ENDED else ""
            print(f"\r{line}\033[K", end=end, file=sys.stderr, flush=True)
            return
        from IPython.display import HTML
        from IPython.display import display as put

        shown = f"<div>{html.escape(line)}{self._bar(job, rows)}{_curve(rows)}</div>"
        picture = HTML(display.without_formulas(shown))
        if self._handle is None:
            self._handle = put(picture, display_id=True)
        else:
            self._handle.update(picture)

    def _line(self, job: "FineTuningJob", rows: "pd.DataFrame") -> str:
        parts = [f"{job.id} · {job.status.replace('_', ' ')}"]
        if len(rows) and job.status == "running":
            parts.append(f"step {rows.step.iloc[-1]}" + _of_total(rows))
        if rows.train_loss.notna().any():
            parts.append(f"train_loss {rows.train_loss.dropna().iloc[-1]:.3f}")
        parts.append(f"{time.monotonic() - self._start:.0f} s")
        if job.fine_tuned_model:
            parts.append(job.fine_tuned_model)
        if job.error and job.error.message:
            parts.append(job.error.message)
        return " · ".join(parts)

    @staticmethod
    def _bar(job: "FineTuningJob", rows: "pd.DataFrame") -> str:
        if job.status in ENDED or not len(rows) or not rows.steps.notna().any():
            return ""
        step, steps = int(rows.step.iloc[-1]), int(rows.steps.dropna().iloc[-1])
        return (
            f'<div><progress value="{step}" max="{steps}" style="width:100%" '
            f'aria-label="training step {step} of {steps}"></progress></div>'
        )


def _of_total(rows: "pd.DataFrame") -> str:
    return f" of {int(rows.steps.dropna().iloc[-1])}" if rows.steps.notna().any() else ""


def _curve(rows: "pd.DataFrame") -> str:
    if len(rows) < 2:
        return ""
    from helpers import charts  # brings matplotlib
    from workbook import figures

    return figures.as_html(
        charts.loss_curve(rows), f"Loss by step, now at step {rows.step.iloc[-1]}."
    )
