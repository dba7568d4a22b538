"""How hosts are called: one entry of data/hosts.json each.

Knows addresses, clients and the meaning of settings; what a host asks of a file, the doctor's
profiles know, and what it costs, the registry of prices.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from workbook import paths
from workbook.errors import WorkbookError
from workbook.prices import registry, registry_file
from workbook.prices.registry_file import Host

FACTOR, RATE = "factor", "rate"  # what learning_rate_multiplier means


@dataclass(frozen=True)
class Contract:
    """One host.

    profile: of the doctor; None: its rules for files are not known
    client: "openai", "google-genai", or "own": a package of the host's
    model_prefix, model_end: what the registry adds to, and what the host adds to a model's name
    suffix: the longest, and signs that it may not have; None: there is no such setting
    learning_rate: FACTOR or RATE; base_rate: what a factor is multiplied with where it is RATE,
        None where that is not known
    settings: the names of hyperparameters that are called otherwise
    extra: fields beside OpenAI's, with their values where they are known
    deployment: what must be done before the model answers; "": nothing
    """

    id: str
    label: str
    profile: str | None
    client: str
    base_url: str
    key: str
    model_prefix: str
    model_end: str
    regions: tuple[str, ...]
    suffix: Mapping[str, Any] | None
    learning_rate: str
    base_rate: float | None
    settings: Mapping[str, str]
    extra: Mapping[str, Any]
    grader: str | None
    deployment: str
    use: str
    notes: tuple[str, ...]
    host: Host
    source: str
    url: str
    checked: date
    confidence: str

    def rate(self, multiplier: float) -> float | None:
        """What is sent for a factor where this host takes the learning rate itself; None where it
        takes the factor, or its usual rate is not known.

        A number below 0.01 is no factor that anybody means: it is taken for a rate already.
        """
        if self.learning_rate != RATE:
            return None
        if multiplier < 0.01:
            return multiplier
        return multiplier * self.base_rate if self.base_rate else None

    def model_name(self, model: str) -> str:
        """A model by the name that this host's interface takes."""
        name = model.removeprefix(self.model_prefix)
        return name if name.endswith(self.model_end) else name + self.model_end


@functools.cache
def contracts() -> dict[str, Contract]:
    """Every host by its short name."""
    stored = json.loads(paths.data("hosts.json").read_text(encoding="utf-8"))
    sellers = {host.id: host for host in registry.hosts()}
    return {
        row["id"]: _contract(row, sellers[row["prices"]], stored["sources"][row["source"]])
        for row in stored["hosts"]
    }


@dataclass(frozen=True)
class End:
    """A day on which a vendor withdrew fine-tuning, or a part of it."""

    day: date
    vendor: str
    text: str
    source: str
    url: str
    confidence: str


@functools.cache
def ends() -> list[End]:
    """Who has withdrawn fine-tuning and who will, oldest first: OpenAI and the others."""
    rows = json.loads(paths.data("hosts.json").read_text(encoding="utf-8"))["ends"]
    registered = registry_file.content()
    sources = registered["sources"]
    rows = rows + [
        row | {"source": sources[row["source"]]["title"], "url": sources[row["source"]]["url"]}
        for row in registered["notices"]
    ]
    found = [
        End(
            date.fromisoformat(row["date"]),
            *(row[name] for name in ("vendor", "text", "source", "url", "confidence")),
        )
        for row in rows
    ]
    return sorted(found, key=lambda end: (end.day, end.vendor))


def contract(host: str) -> Contract:
    """The host of this name. Raises WorkbookError with those that there are."""
    if host not in contracts():
        raise WorkbookError(f"No host {host!r}. There are: {', '.join(contracts())}.")
    return contracts()[host]


def _contract(row: Mapping[str, Any], host: Host, source: Mapping[str, str]) -> Contract:
    return Contract(
        id=row["id"],
        label=host.label,
        profile=row["profile"],
        client=row["client"],
        base_url=row["base_url"],
        key=row["key"],
        model_prefix=row.get("model_prefix", ""),
        model_end=row.get("model_end", ""),
        regions=tuple(row.get("regions", ())),
        suffix=row["suffix"],
        learning_rate=row["learning_rate"],
        base_rate=row.get("base_rate"),
        settings=row.get("settings", {}),
        extra=row.get("extra", {}),
        grader=row.get("grader"),
        deployment=row.get("deployment", ""),
        use=row["use"],
        notes=tuple(row.get("notes", ())),
        host=host,
        source=source["title"],
        url=source["url"],
        checked=date.fromisoformat(row["checked"]),
        confidence=row["confidence"],
    )
