"""Two answers to one question in the forms of other tools, as OpenAI's preference examples.

Knows TRL's, also with an implicit prompt, UltraFeedback, HH-RLHF, Orca pairs, LLaMA-Factory's
ranking, ms-swift's `rejected_response`. What is not used stays in the row.
"""

import re
from collections.abc import Mapping
from typing import Any

from workbook.doctor.common_text import common_start
from workbook.doctor.forms.examples import CONVERSATIONS, asked
from workbook.doctor.forms.tool_lists import tools_of
from workbook.doctor.forms.turns import is_turn, is_turns, messages_from, with_system
from workbook.doctor.forms.values import Row, decoded, decoded_if, first_key, is_empty, text_in

_CHOSEN = ("chosen", "chosen_response", "response_chosen", "preferred", "preferred_response")
_REJECTED = (
    "rejected", "rejected_response", "response_rejected", "dispreferred", "rejected_messages",
    "dispreferred_response",
)  # fmt: skip
_HH = re.compile(r"\n\n(Human|Assistant):")
_ONE_ANSWER = ("response", "completion", "answer", "output")
UNLIKE = "The two answers differ before their last message: a preference example compares one."
NO_QUESTION = "Two answers, and no question before them: name its key, --columns prompt=…."
ONE_EMPTY = "One of the two answers is empty: a preference example compares two."


class UnlikeError(ValueError):
    """Two conversations of which more than the last message differs, or that end elsewhere; no
    question, no second answer."""


def preference(rest: Row) -> Row | None:
    """The row as a preference example; None where it holds no two answers.

    Raises UnlikeError where one message each can't show what was preferred.
    """
    rejected_key = first_key(rest, _REJECTED)
    chosen_key = first_key(rest, _CHOSEN)
    if _is_half(rest):
        raise UnlikeError(ONE_EMPTY)
    if rejected_key is None or "preferred_output" in rest:
        return _ranked(rest)
    if chosen_key is None and "messages" not in rest:  # ms-swift's, with `query` and `response`
        chosen_key = first_key(rest, _ONE_ANSWER)
    messages = decoded(rest.get("messages"))
    rejected = _answer_turns(rest[rejected_key])
    chosen: list[Row] | None = _answer_turns(rest[chosen_key]) if chosen_key else []
    if rejected is None or chosen is None:
        return None
    if chosen_key is not None:
        del rest[rejected_key], rest[chosen_key]
        if is_turns(messages) and _all_words(messages_from(messages)) == _all_words(chosen):
            del rest["messages"]  # UltraFeedback has the better conversation twice
            if messages_from(messages) != chosen:
                rest["messages (not used)"] = messages
        before = _before(rest)
        if not before and not chosen[:-1]:
            return None
    elif is_turns(messages) and messages[-1].get("role") == "assistant":
        del rest[rejected_key], rest["messages"]
        before = messages_from(messages)
        if rejected[:-1]:  # a whole conversation beside another
            before, chosen = _before(rest), before
        else:
            chosen = [before.pop()]
    else:
        return None
    return _compared(rest, before, chosen, rejected)


def _is_half(row: Row) -> bool:
    """Whether one of two answers is there, and nothing that could be the other."""
    there = [not is_empty(row.get(key)) for key in ("chosen", "rejected")]
    return any(there) and not all(there) and not {"messages", *_ONE_ANSWER} & row.keys()


def implicit(rest: Row) -> Row | None:
    """TRL's two texts without a question: what both begin with is the question.

    Raises UnlikeError where they begin otherwise, or where the question may be under another key.
    """
    keys = first_key(rest, _CHOSEN), first_key(rest, _REJECTED)
    answers = [rest.pop(key) for key in keys if key]
    if len(answers) < 2 or not all(isinstance(answer, str) for answer in answers):
        return None
    start = common_start(*answers)
    start = start[: max(start.rfind(" "), start.rfind("\n")) + 1]
    ends = [answer[len(start) :].strip() for answer in answers]
    if not start.strip() or not all(ends) or any(isinstance(v, str) for v in rest.values()):
        raise UnlikeError(NO_QUESTION)
    chosen, rejected = ([{"role": "assistant", "content": end}] for end in ends)
    return _compared(rest, [{"role": "user", "content": start.strip()}], chosen, rejected)


def _ranked(rest: Row) -> Row | None:
    """LLaMA-Factory's older form: `output` is a list of the better and the worse answer."""
    answers = rest.get("output")
    if not (isinstance(answers, list) and len(answers) == 2 and "instruction" in rest):
        return None
    if not all(isinstance(answer, str) for answer in answers):
        return None
    del rest["output"]
    chosen, rejected = ([{"role": "assistant", "content": answer}] for answer in answers)
    return _compared(rest, _before(rest), chosen, rejected)


def _answer_turns(value: Any) -> list[Row] | None:
    """An answer, or a whole conversation that ends with it, as messages."""
    value = decoded_if(value, lambda content: is_turn(content) or is_turns(content))
    if isinstance(value, str):
        return _dialogue(value) or [{"role": "assistant", "content": value}]
    if is_turn(value):
        return messages_from([value])
    return messages_from(value) if is_turns(value) else None


def _dialogue(text: str) -> list[Row]:
    """What HH-RLHF has in one text, turn by turn, also without the blank lines before the first;
    nothing where a text is none."""
    bare = text.lstrip()
    if not bare.startswith("Human:") or (bare is text and "\n\nAssistant:" not in text):
        return []
    pieces = _HH.split(f"\n\n{bare}")[1:]
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[name], "content": words.strip()}
        for name, words in zip(pieces[::2], pieces[1::2], strict=True)
    ]


def _before(rest: Row) -> list[Row]:
    """The messages that a row has before its answers; they are taken out of it."""
    for key in ("messages", *CONVERSATIONS):
        turns: Any = decoded(rest.get(key))
        if is_turns(turns):
            del rest[key]
            messages = messages_from(turns)
            system = rest.get("system")
            return with_system(messages, rest.pop("system")) if text_in(system) else messages
    if isinstance(prompt := rest.get("prompt"), str) and (turns := _dialogue(prompt)):
        del rest["prompt"]
        return [turn for turn in turns if turn["content"]]
    if isinstance(prompt, str):
        rest["prompt"] = decoded_if(prompt, is_turns)
    before = asked(rest)
    if before is None and text_in(rest.get("system")):
        return with_system([], rest.pop("system"))
    return before or []


def _compared(rest: Row, before: list[Row], chosen: list[Row], rejected: list[Row]) -> Row:
    if chosen[:-1] != rejected[:-1] or not (
        chosen[-1]["role"] == rejected[-1]["role"] == "assistant"
    ):
        raise UnlikeError(UNLIKE)
    said = chosen[:-1]
    messages = [*before, *said]
    if said and said[0]["role"] != "assistant":  # whole conversations, with their beginning
        messages = _with_beginning(before, said)
    prompt: Row = {"messages": messages}
    if "tools" in rest and not is_empty(tools := tools_of(rest.pop("tools"))):
        prompt["tools"] = tools
    if isinstance(rest.get("parallel_tool_calls"), bool):
        prompt["parallel_tool_calls"] = rest.pop("parallel_tool_calls")
    full = {key: value for key, value in rest.items() if not is_empty(value)}
    return {
        "input": prompt,
        "preferred_output": chosen[-1:],
        "non_preferred_output": rejected[-1:],
        **full,
    }


def _with_beginning(before: list[Row], said: list[Row]) -> list[Row]:
    """A conversation after what stands before it, which is often its own beginning."""
    systems = [message for message in before if message["role"] == "system"]
    others = [message for message in before if message["role"] != "system"]
    known = [_words(message) for message in said]
    if all(_words(message) in known for message in others):
        others = []
    if said[0]["role"] == "system" and all(_words(message) in known for message in systems):
        systems = []
    return [*systems, *others, *said]


def _all_words(messages: list[Row]) -> list[tuple[Any, str | None]]:
    return [_words(message) for message in messages]


def _words(message: Mapping[str, Any]) -> tuple[Any, str | None]:
    text = text_in(message.get("content"))
    return message.get("role"), text.strip() if text is not None else repr(message)
