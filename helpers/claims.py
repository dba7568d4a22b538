"""The claims of the source documents, and the verdicts that measured evidence gives them.

Knows `data/claims.json`: five documents in Spanish and Portuguese, 44 statements that can be
checked, each with the rule that decides it and the evidence of the last full run. Measures
nothing itself: a notebook hands over numbers, the rule decides, and the student's own numbers
are kept in `work/evidence.json`.
"""

import functools
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from workbook import display, files, paths
from workbook.errors import WorkbookError

FILE = "evidence.json"
# What a verdict means, and its colour (also told apart by the word itself).
VERDICTS = {
    "holds": "#2a9d6f",  # tested here, and so it is
    "holds with conditions": "#6a994e",  # tested here: so it is, but not always
    "refuted": "#d1605e",  # tested here, and it isn't so
    "inconclusive": "#8a8a8a",  # tested here, and the numbers don't decide
    "sourced": "#4c8bc4",  # can't be tested here; a primary source says so
    "was true": "#c98a1b",  # so it was when it was written, and is no longer
    "not testable here": "#777777",  # neither measured here nor found in a primary source
}


class Interval(NamedTuple):
    """A measured value and its 95 % interval. In a sentence: `0.05 (0.04 to 0.06)`."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec or ".2f") for number in self)
        return f"{value} ({low} to {high})"


Value = float | str | bool | Interval | tuple[float, float, float] | None


@dataclass(frozen=True)
class Claim:
    """One statement: the `quotation`, what it says in English, where and how it is decided.

    rules: verdict → a comparison of the evidence's names, as `gain.low > 0`; the first that is
        true decides, and none means "inconclusive"
    sentence: the evidence in words, a template with the same names
    evidence: the values of the last full run; None: none was stored yet
    """

    number: int
    document: str
    language: str
    quotation: str
    statement: str
    notebook: str | None
    rules: Mapping[str, str]
    sentence: str
    evidence: Mapping[str, Any] | None
    day: str | None

    def verdict(self, evidence: Mapping[str, Value]) -> str:
        """What follows from these values. Raises WorkbookError where one is missing."""
        names = {name: _value(value) for name, value in evidence.items()}
        if None in names.values():
            return "inconclusive"
        try:
            for verdict, rule in self.rules.items():
                if eval(rule, {"__builtins__": {}, "abs": abs, "min": min, "max": max}, names):
                    return verdict
        except (NameError, AttributeError, TypeError) as error:
            raise WorkbookError(f"Claim {self.number} can't be decided: {error}.") from error
        return "inconclusive"

    def words(self, evidence: Mapping[str, Value]) -> str:
        """The evidence as a sentence."""
        lacking = [name for name, value in evidence.items() if value is None]
        if lacking:
            return f"Not measured in this run: {', '.join(lacking)}."
        return self.sentence.format(**{name: _value(value) for name, value in evidence.items()})


@functools.cache
def load() -> dict[int, Claim]:
    """All claims by number, 1 to 44."""
    stored = json.loads(paths.data("claims.json").read_text(encoding="utf-8"))
    documents = stored["documents"]
    return {
        row["number"]: Claim(
            number=row["number"],
            document=documents[row["document"]]["title"],
            language=documents[row["document"]]["language"],
            quotation=row["quotation"],
            statement=row["statement"],
            notebook=row["notebook"],
            rules=row.get("rules", {}),
            sentence=row.get("sentence", ""),
            evidence=row.get("evidence"),
            day=row.get("day"),
        )
        for row in stored["claims"]
    }


def show(evidence: Mapping[int, Mapping[str, Value]]) -> None:
    """Decide claims and show them: `{30: {"words": 12_345, "gain": (0.05, 0.04, 0.06)}}`.

    A value is a number, a text, or value, low and high of an interval; None: not measured.
    The values are kept in the student's folder. Raises WorkbookError for a claim that doesn't
    exist, and for values that its rule doesn't know.
    """
    _check(evidence)
    display.show(_as_html(evidence), _as_text(evidence))
    _keep(evidence)


def table() -> None:
    """Show the verdict on every claim: from the student's own numbers, else the stored ones."""
    stored = {n: claim.evidence for n, claim in load().items() if claim.evidence is not None}
    own = {int(number): entry["values"] for number, entry in read().items()}
    evidence = {number: own.get(number, stored[number]) for number in sorted(stored)}
    display.show(_as_html(evidence, own), _as_text(evidence))


def read() -> dict[str, dict[str, Any]]:
    """The student's own evidence by claim: its values, and the day they were measured."""
    path = paths.work() / FILE
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        path.replace(path.with_suffix(".damaged.json"))
        return {}


def _keep(evidence: Mapping[int, Mapping[str, Value]]) -> None:
    entries = read()
    for number, values in evidence.items():
        entries[str(number)] = {"values": dict(values), "day": date.today().isoformat()}
    text = json.dumps(entries, indent=1, ensure_ascii=False, default=_plain)
    files.replace_text(paths.work() / FILE, text)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def _value(value: Any) -> Any:
    return Interval(*map(float, value)) if isinstance(value, list | tuple) else value


def _check(evidence: Mapping[int, Mapping[str, Value]]) -> None:
    for number, values in evidence.items():
        if number not in load():
            raise WorkbookError(f"There is no claim {number}; they run from 1 to {len(load())}.")
        claim = load()[number]
        if not claim.rules or not claim.sentence:
            raise WorkbookError(f"Claim {number} has no rule and sentence in data/claims.json.")
        try:
            claim.verdict(values)
            claim.words(values)
        except (KeyError, ValueError, AttributeError, IndexError) as error:
            raise WorkbookError(f"Claim {number} can't be put in words: {error!r}.") from error


def _as_html(
    evidence: Mapping[int, Mapping[str, Value]], own: Mapping[int, Any] | None = None
) -> str:
    cell = 'style="text-align:left;vertical-align:top;padding:.4em .8em;white-space:normal"'
    titles = ["#", "Claim", "Verdict", "Evidence"] + (["From"] if own is not None else [])
    head = "".join(f'<th scope="col" {cell}>{title}</th>' for title in titles)
    rows = []
    for number, values in evidence.items():
        claim = load()[number]
        verdict = claim.verdict(values)
        origin = "your run" if own and number in own else f"stored, {claim.day}"
        rows.append(
            f"<tr><td {cell}>{number}</td>"
            f"<td {cell}>{html.escape(claim.statement)}<br>"
            f'<small lang="{claim.language}">“{html.escape(claim.quotation)}”</small></td>'
            f'<td {cell}><b style="white-space:nowrap;border-bottom:3px solid {VERDICTS[verdict]}">'
            f"{verdict}</b></td>"
            f"<td {cell}>{_linked(html.escape(claim.words(values)))}</td>"
            + (f"<td {cell}>{origin}</td>" if own is not None else "")
            + "</tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _linked(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\((https://[^\s)]+)\)", r'<a href="\2">\1</a>', text)


def _as_text(evidence: Mapping[int, Mapping[str, Value]]) -> str:
    return "\n".join(
        f"{number}. {load()[number].statement}\n"
        f"   {load()[number].verdict(values)}: {load()[number].words(values)}"
        for number, values in evidence.items()
    )
