"""What mends each kind of mistake: the safe fixes, and those that are made only when named.

Safe is what changes no word that the model learns from. Every change takes a row and gives it back
mended: the very same object where there was nothing to mend. Knows no files.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workbook.doctor import damaged_text, personal_data, secret_keys
from workbook.doctor.fixes import learned_fixes, row_fixes
from workbook.doctor.fixes.editing import (
    Edit,
    Row,
    edit_messages,
    edit_pairs,
    edit_texts,
    edit_turns,
)
from workbook.doctor.limits import LONG_TEXT


@dataclass(frozen=True)
class Fix:
    """One kind of fix; with neither function it is made by writing the file anew.

    safe: whether it is made without being named.
    effect: what it does, in words.
    change: returns the row mended, or None to leave it out.
    learn: sees all rows first and returns the change.
    """

    safe: bool
    effect: str
    change: Edit | None = None
    learn: Callable[[Iterable[Row]], Edit] | None = None


FIXES: dict[str, Fix] = {
    "bom": Fix(True, "the byte order mark goes"),
    "bom-inside": Fix(True, "byte order marks inside the file go"),
    "line-ends": Fix(True, "lines end with LF"),
    "comma": Fix(True, "commas after objects go"),
    "stray-sign": Fix(True, "signs around objects that nobody sees go"),
    "python": Fix(True, "JSON is written in the place of Python"),
    "json-escape": Fix(True, "signs in texts are escaped as JSON asks"),
    "json-in-text": Fix(True, "lists and objects are written once, not as text"),
    "json-spread": Fix(True, "one example a line is written"),
    "form": Fix(True, "rows of other tools become chat, pairs or preferences"),
    "blank-line": Fix(True, "empty lines go"),
    "encoding": Fix(True, "UTF-8 is written"),
    "compressed": Fix(True, "it is written unpacked"),
    "json-list": Fix(True, "one example a line is written"),
    "not-jsonl": Fix(True, "JSONL is written"),
    "repeated-key": Fix(True, "the last of two values stays, as every reader takes it"),
    "key-case": Fix(True, "keys get their right spelling", row_fixes.key_case),
    "weight": Fix(
        True,
        'true, "1" become 1; weights of others than the assistant go',
        lambda row: edit_messages(row, row_fixes.weight),
    ),
    "control-character": Fix(
        True,
        "invisible characters go; what parts words or lines becomes a blank or a line",
        lambda row: edit_texts(row, damaged_text.without_controls),
    ),
    "wrong-characters": Fix(
        False,
        "letters are read in the encoding in which they were written, where that is sure",
        lambda row: edit_texts(row, damaged_text.read_again),
    ),
    "escaped-lines": Fix(
        False,
        "\\n becomes a new line",
        lambda row: edit_texts(row, damaged_text.with_lines),
    ),
    "html-entities": Fix(
        False,
        "&amp; and the like become letters",
        lambda row: edit_texts(row, damaged_text.without_entities),
    ),
    "not-json": Fix(False, "lines that can't be read are left out"),
    "not-utf8": Fix(False, "lines that can't be read are left out"),
    "long-line": Fix(False, "lines that can't be read are left out"),
    "quote": Fix(False, "rows whose quotes are wrong are left out"),
    "cells": Fix(False, "rows that can't be read are left out"),
    "formula": Fix(False, "rows with formulas in the place of values are left out"),
    "judged": Fix(False, "answers marked as bad are left out, and the marks", row_fixes.judged),
    "tool-call": Fix(
        True,
        "arguments of calls become JSON in a text, calls of functions get their type",
        lambda row: edit_messages(row, row_fixes.arguments),
    ),
    "broken-character": Fix(
        False,
        "half characters become �",
        lambda row: edit_texts(row, row_fixes.whole_characters),
    ),
    "role": Fix(
        False,
        "bot, human, asistant, … become assistant, user",
        lambda row: edit_messages(row, row_fixes.role),
    ),
    "unknown-key": Fix(False, "keys that the format doesn't know go", row_fixes.unknown_key),
    "empty-content": Fix(
        False, "examples with empty texts are left out", row_fixes.without("empty-content")
    ),
    "system-place": Fix(
        False, "the system message moves to the front", edit_turns(row_fixes.system_place)
    ),
    "last-turn": Fix(False, "turns after the last answer go", edit_turns(row_fixes.last_turn)),
    "alternation": Fix(
        False, "turns of one speaker in a row are joined", edit_turns(row_fixes.alternation)
    ),
    "duplicate": Fix(False, "of equal examples one stays"),
    "near-duplicate": Fix(False, "of nearly equal examples one stays"),
    "long-text": Fix(
        False, f"pairs over {LONG_TEXT:,} characters are left out", row_fixes.without("long-text")
    ),
    "refusal": Fix(False, "examples that refuse are left out", row_fixes.without("refusal")),
    "upper-case": Fix(
        False,
        "capitals become small letters",
        lambda row: edit_texts(row, row_fixes.small_letters),
    ),
    "personal-data": Fix(
        False,
        "addresses, phone and card numbers are masked, and keys",
        lambda row: edit_texts(row, personal_data.mask),
    ),
    "secret": Fix(False, "keys are masked", lambda row: edit_texts(row, secret_keys.hide)),
    "no-separator": Fix(
        False,
        "prompts end with a separator",
        learn=learned_fixes.ending_sign("prompt", learned_fixes.SEPARATORS),
    ),
    "no-ending": Fix(
        False,
        "completions end with a sign",
        learn=learned_fixes.ending_sign("completion", learned_fixes.ENDINGS),
    ),
    "user-prefix": Fix(
        False,
        "what opens every question goes, in chat into the system message",
        learn=learned_fixes.user_prefix,
    ),
    "answer-prefix": Fix(False, "what opens every answer goes", learn=learned_fixes.answer_prefix),
    "no-space": Fix(
        False,
        "completions begin with a space",
        edit_pairs("completion", lambda text: text if text[:1].isspace() else f" {text}"),
    ),
}
"""Every fix, by the code of what it mends."""
