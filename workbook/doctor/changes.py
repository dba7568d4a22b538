"""What a fix did to a row, and how that is shown: the places that differ, keys hidden.

Knows nothing of which fixes there are.
"""

import difflib
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbook import quoting
from workbook.doctor import secret_keys
from workbook.doctor.forms.values import is_empty
from workbook.doctor.row_parts import messages_of

_WIDTH = 160  # characters of a line that is shown whole
_AROUND = 30  # characters shown beside a difference
_COLORS = {"-": "#d1605e", "+": "#2a9d6f", "@": "#8a8a8a"}


@dataclass(frozen=True)
class Change:
    """What the fixes did to one row; `after` is None where the row is left out."""

    line: int
    codes: tuple[str, ...]
    before: Any
    after: Any


def parts_gone(change: Change) -> Iterator[str]:
    """What the row had and has no longer: its keys, those of its messages, whole messages."""
    before, after = change.before, change.after
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return
    yield from _keys_gone(before, after, "")
    old, new = messages_of(before), messages_of(after)
    if len(new) < len(old) and "alternation" not in change.codes:
        yield "turns after the last answer"
    keys = {
        key
        for one, other in zip(old, new, strict=False)
        for key in _keys_gone(one, other, " of messages")
    }
    yield from sorted(keys)


def _keys_gone(before: Mapping, after: Mapping, where: str) -> Iterator[str]:
    small = {key.strip().lower() if isinstance(key, str) else key for key in before}
    spelled = len(small) == len(before)
    for key in before.keys() - after.keys():
        mended = spelled and isinstance(key, str) and key.strip().lower() in after
        if not mended and not is_empty(before[key]):
            yield f"`{key}`{where}"


def diff_lines(change: Change) -> Iterator[str]:
    """The change as lines of a unified diff, without lines around it."""
    yield f"@@ line {change.line}: {', '.join(change.codes)}"
    before = _as_text(change.before)
    after = "" if change.after is None else _as_text(change.after)
    if change.after is None or max(len(before), len(after)) <= _WIDTH:
        yield f"- {_cut(before)}"
        if after:
            yield f"+ {after}"
        return
    # Long rows: only the places that differ, with a few characters around.
    matcher = difflib.SequenceMatcher(None, before[:5000], after[:5000], autojunk=False)
    edits = [edit for edit in matcher.get_opcodes() if edit[0] != "equal"]
    (_, start, _, new_start, _), (_, _, end, _, new_end) = edits[0], edits[-1]
    yield f"- …{_cut(before[max(0, start - _AROUND) : end + _AROUND])}…"
    yield f"+ …{_cut(after[max(0, new_start - _AROUND) : new_end + _AROUND])}…"


def diff_html(change: Change) -> str:
    """The same in colours."""
    return "".join(
        f'<div style="border-left:4px solid {_COLORS[text[0]]};padding-left:.5em">'
        f"{html.escape(text)}</div>"
        for text in diff_lines(change)
    )


def _as_text(row: Any) -> str:
    return secret_keys.hide(quoting.excerpt(quoting.as_json(row, in_order=False), 10_000))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}…"
