"""A job's result file: a table of its steps, as OpenAI's.

Knows the names of metrics and columns; knows nothing of jobs or of where files are kept.
"""

import base64
import csv
import io
from typing import Any

NAME = "step_metrics.csv"

# OpenAI's columns, in its order, and the metrics that they hold.
_COLUMNS = {
    "step": "step",
    "train_loss": "train_loss",
    "train_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}


def content(metrics: list[dict[str, Any]]) -> bytes:
    """The file's bytes: the table in Base64, as OpenAI sends it.

    metrics: of each step, in order.
    """
    return base64.b64encode(_table(metrics).encode())


def _table(metrics: list[dict[str, Any]]) -> str:
    """A row a step; a cell is empty where nothing was measured.

    What a method measures besides OpenAI's metrics follows in columns of its own. A job that learns
    from rewards has none of those metrics; what is no number (samples, errors) is in its events.
    """
    standard = {*_COLUMNS.values(), "total_steps"}
    others = {
        name: name
        for data in metrics
        for name, value in data.items()
        if name not in standard and isinstance(value, int | float)
    }
    rewards = any({"valid_reward_mean", "train_reward_mean"} & data.keys() for data in metrics)
    columns = ({"step": "step"} if rewards else _COLUMNS) | others
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for data in metrics:
        values = (data.get(name) for name in columns.values())
        table.writerow(
            "" if v is None else v if isinstance(v, int) else round(v, 5) for v in values
        )
    return text.getvalue()
