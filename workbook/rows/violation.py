"""A broken rule in words, and how its sentences are made. Knows no rule by itself."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from workbook.quoting import excerpt


@dataclass(frozen=True)
class Violation:
    """A rule that a row breaks, in words, and the value to quote."""

    rule: str
    message: str
    value: Any


def meant(name: Any, known: Iterable[str]) -> str:
    """“; did you mean …?”, where one of the known names is much like it."""
    close = get_close_matches(name.lower(), known, 1, 0.75) if isinstance(name, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


def json_hint(value: Any) -> str:
    """“: JSON written as text”, for a text that looks like a list or an object."""
    is_json = isinstance(value, str) and value.strip()[:1] in ("[", "{")
    return ": it is JSON written as text, and must be JSON itself" if is_json else ""


def unknown_keys(row: Mapping, known: Collection[str], where: str = "") -> Iterator[Violation]:
    """Keys that are not known, or not in this spelling."""
    for key in row:
        if key in known:
            continue
        name = excerpt(key, 30)
        if isinstance(key, str) and key.strip().lower() in known:
            text = f"key `{name}` is not written as it should be"
            yield Violation("key-case", f"{where}{text}", {key: row[key]})
        else:
            allowed = ", ".join(f"`{each}`" for each in sorted(known))
            text = f"key `{name}` is not one of {allowed}{meant(key, known)}"
            yield Violation("key", f"{where}{text}", {key: row[key]})
