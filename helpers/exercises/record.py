"""Which exercises are done: a small file in the student's folder, and a table of it.

Knows ids of exercises and verdicts. What can't be read is kept beside, and a new record begun.
"""

import json
from datetime import date
from typing import Any

from workbook import display, files, paths

FILE = "exercises.json"


def add(id: str, status: str) -> None:
    """Remember a verdict: how often the exercise was tried, and the day it was right first."""
    record = load()
    entry = record.setdefault(id, {"tries": 0, "done": None})
    if entry["done"] is None:
        entry["tries"] += 1
        if status == "right":
            entry["done"] = date.today().isoformat()
        text = json.dumps(record, indent=1, sort_keys=True)
        files.replace_text(paths.work() / FILE, text)


def load() -> dict[str, dict[str, Any]]:
    """The record by exercise: tries, and the day it was done or None."""
    path = paths.work() / FILE
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {id: {"tries": int(e["tries"]), "done": e["done"]} for id, e in record.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        path.replace(path.with_suffix(".damaged.json"))
        return {}


def show(ids: list[str]) -> None:
    """Show how far a student is: one row a notebook, the exercises done and still open."""
    record = load()
    rows = []
    for notebook in sorted({id.partition(".")[0] for id in ids}):
        own = [id for id in ids if id.startswith(f"{notebook}.")]
        done = [id for id in own if record.get(id, {}).get("done")]
        left = [id for id in own if id not in done]
        rows.append(
            {
                "notebook": notebook,
                "done": f"{len(done)} of {len(own)}",
                "open": ", ".join(left) or "none",
            }
        )
    display.table(rows)
