"""How long an example is: its messages and its tokens, as OpenAI counts them in any format.

What is no text counts as the texts in it. Knows no vocabulary: a counter of tokens is handed in.
"""

from collections.abc import Callable, Mapping
from typing import Any

from workbook.doctor.row_parts import messages_of
from workbook.prices.tokens import PER_CONVERSATION, PER_MESSAGE, PER_NAME
from workbook.rows.rules import MESSAGE_KEYS
from workbook.rows.validator import format_of

TokenCounter = Callable[[str], int]
_PIECE = 100_000  # characters


def piecewise(count: TokenCounter) -> TokenCounter:
    """The counter, shown a long text in pieces: tiktoken gives up on a million spaces in a row."""

    def count_pieces(text: str) -> int:
        if len(text) <= _PIECE:
            return count(text)
        return sum(count(text[start : start + _PIECE]) for start in range(0, len(text), _PIECE))

    return count_pieces


def tokens_of(row: Mapping[str, Any], count: TokenCounter) -> tuple[int, int]:
    """(all tokens, those of the answers that are learned) of an example in any format.

    count: the tokens of one text of any length.
    """
    if format_of(row) == "completion":
        completion = _tokens(row.get("completion"), count)
        return _tokens(row.get("prompt"), count) + completion, completion
    total, answers = PER_CONVERSATION, 0
    for message in messages_of(row):
        total += PER_MESSAGE + PER_NAME * ("name" in message)
        for key, value in message.items():
            if key in MESSAGE_KEYS and key != "weight":
                number = _tokens(value, count)
                total += number
                if (
                    key == "content"
                    and message.get("role") == "assistant"
                    and message.get("weight", 1) != 0
                ):
                    answers += number
    return total, answers


def _tokens(value: Any, count: TokenCounter) -> int:
    """Tokens of all text in a value, as `tokens.count_chat` counts, but of any text and depth."""
    total, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, str):
            # Half a character is one "?".
            total += count(value.encode("utf-8", "replace").decode("utf-8"))
    return total
