"""ChatML, the chat template of the course's own model: which tokens a conversation becomes.

Other bases bring a template of their own, see `chat_template`. Knows nothing of weights or HTTP.
"""

from collections.abc import Callable
from typing import Any

DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


class ChatML:
    """A turn is `<|im_start|>ROLE\\nTEXT<|im_end|>\\n`."""

    default_system = DEFAULT_SYSTEM  # where a conversation has no system message
    opening: tuple[int, ...] = ()  # what every text begins with: nothing

    def __init__(self, encode: Callable[[str], list[int]], special: Callable[[str], int]) -> None:
        """
        encode: token ids of plain text.
        special: the id of a special token, by name; may raise ValueError.
        """
        self._encode = encode
        self.start = special("<|im_start|>")
        self.end = special("<|im_end|>")
        self.end_of_text = special("<|endoftext|>")
        self.stops = frozenset({self.end, self.end_of_text})
        self.special = {self.start, *self.stops}

    def prompt(self, turns: list[dict[str, Any]]) -> list[int]:
        """As `chat_template.ChatTemplate.prompt`."""
        return self.example(turns)[0] + [self.start, *self._encode("assistant\n")]

    def example(self, turns: list[dict[str, Any]]) -> tuple[list[int], list[bool]]:
        """As `chat_template.ChatTemplate.example`."""
        ids: list[int] = []
        mask: list[bool] = []
        for turn in turns:
            role, text = turn["role"], turn["text"]
            if role == "assistant":  # its role is read, its text is written: they share no token
                head, body = self._encode("assistant\n"), self._encode(text)
            else:
                head, body = self._encode(f"{role}\n{text}"), []
            ids += [self.start, *head, *body, self.end, *(newline := self._encode("\n"))]
            is_trained = role == "assistant" and turn["weight"] != 0
            mask += [False] * (1 + len(head))
            mask += [is_trained] * (len(body) + 1)  # and the end of the turn
            mask += [False] * len(newline)
        return ids, mask
