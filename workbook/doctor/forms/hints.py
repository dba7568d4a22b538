"""Rows that are known by their keys and yet can't be trained on as they are: what they are, and the
way on. Knows no files."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workbook.doctor.forms.examples import COMPLETIONS, CONVERSATIONS, PROMPTS
from workbook.doctor.forms.turns import is_turns
from workbook.doctor.lines import Problem
from workbook.quoting import kind_of
from workbook.rows.validator import format_of

_TEMPLATES = re.compile(
    r"### ?(Human|Instruction|User|Input|Question|Response|Assistant|Answer)|\[INST\]"
    r"|<\|(im_start|user|assistant|start_header_id)\|>|<start_of_turn>|(?m:^(Q|User|Human): )"
)
_GOOD = ("true", "1", "good", "desirable", "chosen", "thumbs_up", "positive_feedback")
_BAD = ("false", "0", "-1", "bad", "undesirable", "rejected", "thumbs_down", "negative_feedback")
_NAMING = "--columns prompt={},completion={}"


def judged(row: Mapping[str, Any]) -> bool | None:
    """What the mark on one answer says, as KTO has it; None where there is none."""
    for key in ("label", "kto_tag"):
        mark = row.get(key)
        if isinstance(mark, str) and (word := mark.strip().lower()) in (*_GOOD, *_BAD):
            return word in _GOOD
        if isinstance(mark, (bool, int)) and mark in (0, 1, -1):
            return mark == 1
    return None


def hints(row: Mapping[str, Any], in_table: bool) -> Iterator[Problem]:
    """What is to be said of a row, after its form was looked for.

    in_table: whether its keys are the headings of a table.
    """
    kind = format_of(row)
    if kind in ("chat", "completion") and (mark := judged(row)) is not None:
        value = f"label: {str(mark).lower()}"
        yield "judged", "one answer with a mark, good or bad, as KTO has it", value
    elif (several := _several_answers(row)) and "completion" not in row and kind != "chat":
        yield "unknown-form", several, row
    elif (kind == "completion" and (what := _unanswered(row))) or (
        kind is None and (what := _named(row, in_table))
    ):
        yield "unknown-form", what, row


def _several_answers(row: Mapping[str, Any]) -> str:
    """What a row is that has a list of answers to one question, as UltraFeedback has them."""
    for key in ("completions", "responses", "answers", "candidates", "generations", "output"):
        listed = row.get(key)
        if isinstance(listed, list) and len(listed) > 1 and set(PROMPTS) & row.keys():
            return (
                f"several answers to one question, `{key}`: keep the best as `chosen` and a worse "
                "one as `rejected`, or the best alone as `completion`"
            )
    return ""


def _unanswered(row: Mapping[str, Any]) -> str:
    """What a row with a prompt and without a completion is, if something else is beside it."""
    others = [key for key, value in row.items() if key != "prompt" and _holds_words(value)]
    if "completion" in row or not others:
        return ""
    if is_turns(row["prompt"]):
        return (
            "`prompt` is a list of messages: call it `messages`, and let it end with the answer "
            "(for reinforcement it ends with the question, and the reference stands beside it)"
        )
    if {"chosen", "rejected"} <= row.keys():
        return (
            "two answers, `chosen` and `rejected`, of which one is neither a text nor a list of "
            "messages: write one answer under each"
        )
    listed = ", ".join(f"`{key}`" for key in others[:8])
    way = _NAMING.format("prompt", others[0])
    return f"no `completion` beside `prompt`: which of {listed} is the answer? For example {way}"


def _holds_words(value: Any) -> bool:
    return isinstance(value, (str, list, Mapping)) and bool(value)


def _named(row: Mapping[str, Any], in_table: bool) -> str:
    """What a row without a known format is, and the way on."""
    keys = [key for key in row if isinstance(key, str)]
    body = row.get("body")
    if isinstance(body, Mapping) and "url" in row:
        return "requests of a batch: they have no answers to learn from"
    if isinstance(row.get("response"), Mapping):
        return (
            "answers of an interface, as a batch or a log has them: put each behind the messages "
            "of its request, as `messages` of one row"
        )
    if "input_ids" in row:
        return "token ids, made for one model: go back to the texts that they were made of"
    if {"role", "content"} <= row.keys():
        return (
            "one message a row: the messages of a conversation must stand together, as the list "
            "`messages` of one row; group them by their conversation first"
        )
    if row.keys() >= {"text", "label"}:
        way = _NAMING.format("text", "label")
        return f"a text with its class, `text` and `label`: to learn the class, {way}"
    text = row.get("text")
    if isinstance(text, str):
        if _TEMPLATES.search(text):
            return (
                "whole conversations in one text, `text`, with the marks of a template: take them "
                "apart into `messages`, a list of roles and contents"
            )
        return (
            "texts without a question, `text`: to learn the style alone, --columns completion=text"
        )
    if {"train", "test"} & row.keys() and len(keys) <= 3:
        return "several sets in one object: write each to a file of its own"
    question = next((key for key in keys if key in PROMPTS and row[key]), None)
    answer = next((key for key in keys if key in COMPLETIONS and key != question), None)
    if question and answer and isinstance(row[answer], (bool, int, float)):
        return f"the answer, `{answer}`, is {kind_of(row[answer])}: write it as text, in quotes"
    for key in CONVERSATIONS:
        turns = row.get(key)
        if isinstance(turns, list) and turns and all(isinstance(turn, str) for turn in turns):
            return f"`{key}` is a list of texts: who says which? Write {{role, content}} for each"
    texts = [key for key in keys if isinstance(row[key], str) and row[key]]
    spelling = {key.strip().lower(): row[key] for key in keys}
    if not in_table and (len(texts) < 2 or format_of(spelling) is not None):
        return ""
    keys = keys if in_table else texts
    listed = ", ".join(f"`{key}`" for key in keys[:8])
    first = next((key for key in keys if key in PROMPTS), keys[0] if keys else "A")
    second = next((key for key in keys if key != first), "B")
    way = _NAMING.format(first, second)
    what = "columns" if in_table else "keys"
    return f"the {what} {listed}: which is the question and which the answer? For example {way}"
