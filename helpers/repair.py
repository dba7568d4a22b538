"""Fixes of what the dataset doctor finds: the safe ones at once, the others by name.

Safe is what changes no word that the model learns from. Nothing is written before it is asked for,
and the original never is. Knows rows; how files are read stands in `helpers.readers`.
"""

import difflib
import html
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import checks, content, masks, readers, sets
from helpers.checks import CHAT_KEYS, COMPLETION_KEYS, MESSAGE_KEYS, PREFERENCE_KEYS, Line
from helpers.errors import WorkbookError
from helpers.examples import example_of
from helpers.report import Report

SEPARATOR, ENDING = "\n\n###\n\n", " END"
"""What is put after prompts and completions of the older format, as the removed tool did."""
SHOWN = 8
"""Changes shown; `.changes` has them all."""

Row = Any
_ROLES = {"bot": "assistant", "ai": "assistant", "gpt": "assistant", "model": "assistant",
          "human": "user", "customer": "user", "instruction": "system"}


@dataclass(frozen=True)
class Fix:
    """One kind of fix. `change` returns the row mended, or None to leave it out."""

    safe: bool
    told: str
    change: Callable[[Row], Row] | None = None


def _messages(row: Row, change: Callable[[dict], dict | None]) -> Row:
    """The row with every message changed, or dropped where the change gives None."""
    def all_of(listed: Any) -> Any:
        if not isinstance(listed, list):
            return listed
        changed = [change(dict(message)) if isinstance(message, Mapping) else message
                   for message in listed]
        return [message for message in changed if message is not None]

    if not isinstance(row, Mapping):
        return row
    row = dict(row)
    for key in ("messages", "preferred_output", "non_preferred_output"):
        if key in row:
            row[key] = all_of(row[key])
    if isinstance(row.get("input"), Mapping):
        row["input"] = dict(row["input"]) | (
            {"messages": all_of(row["input"]["messages"])} if "messages" in row["input"] else {})
    return row


def _texts(row: Row, change: Callable[[str], str]) -> Row:
    """The row with every text that is said changed; keys, roles and names are not."""
    def in_message(message: dict) -> dict:
        said = message.get("content")
        if isinstance(said, str):
            message["content"] = change(said)
        elif isinstance(said, list):
            message["content"] = [
                part | {"text": change(part["text"])} if isinstance(part, dict)
                and isinstance(part.get("text"), str) else part for part in said]
        return message

    row = _messages(row, in_message)
    if isinstance(row, dict):
        for key in COMPLETION_KEYS:
            if isinstance(row.get(key), str):
                row[key] = change(row[key])
    return row


def _key_case(row: Row) -> Row:
    def renamed(value: Mapping, known: set[str]) -> dict:
        fixed: dict = {}
        for key, item in value.items():
            small = key.strip().lower() if isinstance(key, str) else key
            fixed[small if small in known and small not in value else key] = item
        return fixed

    if not isinstance(row, Mapping):
        return row
    row = renamed(row, CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS)
    return _messages(row, lambda message: renamed(message, MESSAGE_KEYS))


def _unknown_key(row: Row) -> Row:
    kind = checks.format_of(row)
    known = {"chat": CHAT_KEYS, "completion": COMPLETION_KEYS,
             "preference": PREFERENCE_KEYS}.get(kind)
    if known is None:
        return row
    row = {key: value for key, value in row.items() if key in known}
    return _messages(row, lambda message: {key: value for key, value in message.items()
                                           if key in MESSAGE_KEYS})


def _weight(message: dict) -> dict:
    weight = message.get("weight")
    if "weight" in message and message.get("role") != "assistant":
        del message["weight"]
    elif isinstance(weight, bool):
        message["weight"] = int(weight)
    elif weight in ("0", "1"):
        message["weight"] = int(weight)
    return message


def _role(message: dict) -> dict:
    role = message.get("role")
    if isinstance(role, str) and role not in checks.ROLES:
        small = role.strip().lower()
        message["role"] = _ROLES.get(small, small if small in checks.ROLES else role)
    return message


def _system_place(row: Row) -> Row:
    listed = row.get("messages") if isinstance(row, Mapping) else None
    if not isinstance(listed, list):
        return row
    first = [message for message in listed if isinstance(message, Mapping)
             and message.get("role") in ("system", "developer")]
    return dict(row) | {"messages": first + [each for each in listed if each not in first]}


def _last_turn(row: Row) -> Row:
    listed = row.get("messages") if isinstance(row, Mapping) else None
    if not isinstance(listed, list):
        return row
    listed = list(listed)
    while listed and isinstance(listed[-1], Mapping) and listed[-1].get("role") != "assistant":
        listed.pop()
    return dict(row) | {"messages": listed} if listed else None


def _alternation(row: Row) -> Row:
    listed = row.get("messages") if isinstance(row, Mapping) else None
    if not isinstance(listed, list):
        return row
    joined: list[Any] = []
    for message in listed:
        before = joined[-1] if joined else None
        if isinstance(message, Mapping) and isinstance(before, Mapping) \
                and message.keys() == before.keys() == {"role", "content"} \
                and message["role"] == before["role"] in ("user", "assistant") \
                and isinstance(message["content"], str) and isinstance(before["content"], str):
            joined[-1] = dict(before) | {"content": f"{before['content']}\n{message['content']}"}
        else:
            joined.append(message)
    return dict(row) | {"messages": joined}


def _without(*codes: str) -> Callable[[Row], Row]:
    """Leave out rows that the checks of single rows find with one of these codes."""
    def change(row: Row) -> Row:
        return None if any(code in codes for code, _, _ in checks.check_row(row)) else row

    return change


def _pair(key: str, change: Callable[[str], str]) -> Callable[[Row], Row]:
    def mended(row: Row) -> Row:
        if checks.format_of(row) == "completion" and isinstance(row.get(key), str):
            return dict(row) | {key: change(row[key])}
        return row

    return mended


def _no_key(text: str) -> str:
    return masks.hide(text)


def _lower(text: str) -> str:
    return text.lower() if checks._shouted(text) else text


FIXES: dict[str, Fix] = {
    "bom": Fix(True, "the byte order mark goes"),
    "blank-line": Fix(True, "empty lines go"),
    "encoding": Fix(True, "UTF-8 is written"),
    "compressed": Fix(True, "it is written unpacked"),
    "json-list": Fix(True, "one example a line is written"),
    "not-jsonl": Fix(True, "JSONL is written"),
    "repeated-key": Fix(True, "the last of two values stays, as every reader takes it"),
    "key-case": Fix(True, "keys get their right spelling", _key_case),
    "weight": Fix(True, "true, \"1\" become 1; weights of others than the assistant go",
                  lambda row: _messages(row, _weight)),
    "control-character": Fix(True, "invisible characters go",
                             lambda row: _texts(row, content.clean)),
    "not-json": Fix(False, "lines that can't be read are left out"),
    "not-utf8": Fix(False, "lines that can't be read are left out"),
    "role": Fix(False, "bot, human, … become assistant, user", lambda row: _messages(row, _role)),
    "unknown-key": Fix(False, "keys that the format doesn't know go", _unknown_key),
    "empty-content": Fix(False, "examples with empty texts are left out",
                         _without("empty-content")),
    "system-place": Fix(False, "the system message moves to the front", _system_place),
    "last-turn": Fix(False, "turns after the last answer go", _last_turn),
    "alternation": Fix(False, "turns of one speaker in a row are joined", _alternation),
    "duplicate": Fix(False, "of equal examples one stays"),
    "near-duplicate": Fix(False, "of nearly equal examples one stays"),
    "long-text": Fix(False, "pairs over 10,000 characters are left out", _without("long-text")),
    "refusal": Fix(False, "examples that refuse are left out", _without("refusal")),
    "upper-case": Fix(False, "capitals become small letters", lambda row: _texts(row, _lower)),
    "personal-data": Fix(False, "addresses, phone and card numbers are masked, and keys",
                         lambda row: _texts(row, masks.mask)),
    "secret": Fix(False, "keys are masked", lambda row: _texts(row, _no_key)),
    "no-separator": Fix(False, "prompts end with a separator", _pair(
        "prompt", lambda text: text if text.endswith(SEPARATOR) else text + SEPARATOR)),
    "no-ending": Fix(False, "completions end with “ END”", _pair(
        "completion", lambda text: text if text.endswith(ENDING) else text + ENDING)),
    "no-space": Fix(False, "completions begin with a space", _pair(
        "completion", lambda text: text if text[:1].isspace() else f" {text}")),
}
"""Every fix, by the code of what it mends."""


@dataclass(frozen=True)
class Change:
    """What one fix did to one row; `after` is None where the row is left out."""

    line: int
    codes: tuple[str, ...]
    before: Any
    after: Any


@dataclass(frozen=True, eq=False)
class Repair:
    """Mended rows, and what was changed. Shows its changes; `write` writes the rows."""

    name: str
    rows: list[Any]
    changes: list[Change]
    file_fixes: tuple[str, ...]
    """Codes that writing the file anew mends."""

    @property
    def summary(self) -> str:
        """One sentence: rows changed, left out, kept."""
        dropped = sum(change.after is None for change in self.changes)
        parts = [f"{len(self.changes) - dropped} changed", f"{dropped} left out",
                 f"{len(self.rows)} to be written"]
        by = Counter(code for change in self.changes for code in change.codes)
        codes = ", ".join([*(f"{code} × {count}" for code, count in by.items()), *self.file_fixes])
        return f"{self.name}: {', '.join(parts)}" + (f" ({codes})" if codes else "") + "."

    @property
    def diff(self) -> str:
        """The changes as a unified diff, without lines around them."""
        return "\n".join(text for change in self.changes for text in _diff(change))

    def write(self, name: str | None = None) -> Path:
        """Write the rows to the work folder, by default as NAME_fixed.jsonl.

        A file that is there is kept under another name, the original is never touched.
        """
        from helpers import dataset

        stem = Path(self.name).name.split(".")[0] or "rows"
        return dataset.write(self.rows, name or f"{stem}_fixed.jsonl")

    def __repr__(self) -> str:
        shown = [text for change in self.changes[:SHOWN] for text in _diff(change)]
        return "\n".join([self.summary, *shown, *self._more()])

    def _more(self) -> list[str]:
        hidden = len(self.changes) - SHOWN
        return [f"… and {hidden} more: `.diff` has them all."] if hidden > 0 else []

    def _repr_html_(self) -> str:
        colours = {"-": "#d1605e", "+": "#2a9d6f", "@": "#8a8a8a"}
        shown = "".join(
            f'<div style="border-left:4px solid {colours[text[0]]};padding-left:.5em">'
            f"{html.escape(text)}</div>"
            for change in self.changes[:SHOWN] for text in _diff(change))
        more = "".join(f"<p>{html.escape(text)}</p>" for text in self._more())
        return (f"<p><b>{html.escape(self.summary)}</b></p>"
                f'<div style="font-family:monospace;white-space:pre-wrap">{shown}</div>{more}')


def _diff(change: Change) -> Iterator[str]:
    yield f"@@ line {change.line}: {', '.join(change.codes)}"
    before, after = _shown(change.before), "" if change.after is None else _shown(change.after)
    if change.after is None or max(len(before), len(after)) <= 160:
        yield f"- {_cut(before)}"
        if after:
            yield f"+ {after}"
        return
    # Long rows: only the places that differ, with a few signs around.
    matcher = difflib.SequenceMatcher(None, before[:5000], after[:5000], autojunk=False)
    spots = [spot for spot in matcher.get_opcodes() if spot[0] != "equal"]
    start, end = max(0, spots[0][1] - 30), spots[-1][2] + 30
    start2, end2 = max(0, spots[0][3] - 30), spots[-1][4] + 30
    yield f"- …{_cut(before[start:end])}…"
    yield f"+ …{_cut(after[start2:end2])}…"


def _shown(row: Any) -> str:
    return masks.hide(checks.excerpt(checks.as_json(row, in_order=False), 10_000))


def _cut(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}…"


def lines_of(source: Any) -> Iterator[Line]:
    """The lines of what was checked, read again."""
    if isinstance(source, readers.Source):
        yield from readers.open_source(source.path, **{
            key: value for key, value in source.options.items() if key != "chat"}).lines()
    else:
        for number, row in enumerate(source, start=1):
            yield Line(number, row)


def repair(report: Report, named: tuple[str, ...] = ()) -> Repair:
    """All safe fixes, and the named ones, of what a report holds.

    Raises WorkbookError for a name that is no fix, and for a line that can't be read and that
    nothing mends.
    """
    unknown = [name for name in named if name not in FIXES]
    if unknown:
        raise WorkbookError(f"There is no fix for {unknown[0]!r}. There are: {', '.join(FIXES)}.")
    # Also fixes for what only mending others brings up (a key with capitals hides the rest).
    active = [code for code, fix in FIXES.items() if code in named or fix.safe]
    rows: list[Any] = []
    changes: list[Change] = []
    twice, near = sets.Duplicates(), sets.NearDuplicates()
    for line in lines_of(report.source):
        if not line.readable:
            codes = {code for code, _, _ in line.problems}
            if codes <= {"blank-line", "bom"}:
                continue
            if not codes & set(named):
                raise WorkbookError(f"Line {line.number} of {report.name} can't be read. Mend it "
                                    f"by hand, or leave such lines out: fix({sorted(codes)[0]!r}).")
            changes.append(Change(line.number, tuple(codes), line.problems[0][2], None))
            continue
        row, done = line.value, []
        for code in active:
            change = FIXES[code].change
            if change is None or row is None:
                continue
            mended = change(deepcopy(row))
            if checks.as_json(mended) != checks.as_json(row):
                done.append(code)
                row = mended
        if row is not None and checks.format_of(row):
            example = example_of(Line(line.number, row))
            for code, check in (("duplicate", twice), ("near-duplicate", near)):
                if code in named and row is not None and list(check.add(example)):
                    row = None
                    done.append(code)
        if done:
            changes.append(Change(line.number, tuple(done), line.value, row))
        if row is not None:
            rows.append(row)
    file_fixes = tuple(code for code in report.codes
                       if code in FIXES and FIXES[code].safe and FIXES[code].change is None)
    return Repair(report.name, rows, changes, file_fixes)
