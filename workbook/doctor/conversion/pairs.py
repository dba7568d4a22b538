"""Between chat and the older format, a prompt and its completion. Knows these two, and no files."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbook.doctor.errors import ConversionError
from workbook.doctor.forms.values import is_empty
from workbook.doctor.losses import SEPARATORS

# Ends of prompts in older training files, which told the model where the completion starts.
_SEAM = re.compile(r"(\s*(->|###|=>)\s*|\n+)$")

Row = dict[str, Any]


def to_prompt_completion(row: Mapping[str, Any]) -> Row:
    """One chat example as {"prompt", "completion"}: system and user text, and the answer.

    The older format has no roles, so only a single question with its answer fits; anything else
    raises ConversionError and says what would be lost.
    """
    return pair_of(row)


def pair_of(row: Mapping[str, Any]) -> Row:
    """As `to_prompt_completion`."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not all(
        isinstance(message, Mapping) and isinstance(message.get("content"), str)
        for message in messages
    ):
        raise ConversionError(
            "Only a chat example with text in every message can become a prompt and "
            "a completion. doctor.check says what is wrong with this one."
        )
    roles = [
        "system" if message.get("role") == "developer" else message.get("role")
        for message in messages
    ]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise ConversionError(
            f"A prompt and a completion hold one question and one answer; this "
            f"example has {', '.join(map(str, roles))}: who said what would be "
            "lost. Keep it as chat."
        )
    if len(row) > 1 or any(message.keys() - {"role", "content"} for message in messages):
        raise ConversionError(
            "Tools, weights and names have no place in a prompt and a completion. "
            "Keep this example as chat."
        )
    *question, answer = (message["content"] for message in messages)
    return {"prompt": "\n\n".join(question), "completion": answer}


def to_chat(row: Mapping[str, Any], system: str | None = None) -> Row:
    """One prompt/completion example as chat, under a system message if one is given.

    What only marked the seam in the older format is dropped: a separator at the prompt's end
    (`->`, `###`, line breaks) and the space before the completion. A prompt that starts with the
    `system` text gets it as its system message, so chat → prompt/completion → chat comes back.
    Raises ConversionError for rows that are not two texts, or hold anything else.
    """
    if others := [key for key, value in row.items() if key not in _KEYS and not is_empty(value)]:
        raise ConversionError(
            f"`{others[0]}` has no place beside a prompt and a completion: doctor.convert knows "
            "more forms, and says what is lost."
        )
    return turns_of_pair(dict(row), system, Counter())


_KEYS = ("prompt", "completion")


def turns_of_pair(rest: Row, system: str | None, lost: Counter[str]) -> Row:
    """As `to_chat`; other keys stay in the row.

    lost: counts separators that were dropped.
    """
    prompt, completion = rest.pop("prompt", None), rest.pop("completion", None)
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise ConversionError(
            "An example needs a `prompt` and a `completion`, both text. "
            "doctor.check says what is wrong with this one."
        )
    if system is not None:
        prompt = prompt.removeprefix(f"{system}\n\n")
    messages = [] if system is None else [{"role": "system", "content": system}]
    question = _SEAM.sub("", prompt)
    if prompt.rstrip() != question.rstrip():
        lost[SEPARATORS] += 1
    return {
        "messages": [
            *messages,
            {"role": "user", "content": question},
            {"role": "assistant", "content": completion.strip()},
        ],
        **rest,
    }
