"""For authors: from a full run of a notebook into `data/claims.json`, saying which numbers moved.

Knows the student's evidence of `helpers.claims`, and the stored one. Decides no verdict.
"""

import json
from typing import Any

from helpers import claims, scale
from workbook import paths

PATH = paths.data("claims.json")


def store(notebook: str) -> list[str]:
    """Store what notebook `notebook` ("05") has just measured for its claims.

    Returns one line for each value or verdict that is not as it was stored. Nothing is stored at
    the quick scale.
    """
    if scale.is_quick():
        return []
    own = claims.read()
    document = json.loads(PATH.read_text(encoding="utf-8"))
    lines = []
    for row in document["claims"]:
        entry = own.get(str(row["number"]))
        if row["notebook"] != notebook or entry is None:
            continue
        lines += moved(row["number"], row.get("evidence") or {}, entry["values"])
        row["evidence"] = entry["values"]
        row["day"] = entry["day"]
    text = json.dumps(document, indent=1, ensure_ascii=False)
    PATH.write_text(text + "\n", encoding="utf-8")
    claims.load.cache_clear()
    return lines


def moved(number: int, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """One line for each value of claim `number` that differs, and one where its verdict does."""
    if not old:
        return [f"claim {number}: first evidence"] if new else []
    lines = [
        f"claim {number}: {name} {old.get(name)} → {value}"
        for name, value in new.items()
        if old.get(name) != value
    ]
    claim = claims.load()[number]
    if old.keys() == new.keys() and claim.verdict(old) != claim.verdict(new):
        lines.append(f"claim {number}: {claim.verdict(old)} → {claim.verdict(new)}")
    return lines
