"""A base's own chat template (Jinja): which tokens a conversation becomes, and which are trained.

Renders as transformers' `apply_chat_template` does, by `template_rendering`. Knows nothing of
weights, training or HTTP.
"""

import json
import re
from os.path import commonprefix
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Encoder

from workbook.lab.model import template_rendering
from workbook.lab.model.template_rendering import TemplateError as TemplateError

# For a base that has none, as models that were never taught to chat.
PLAIN = (
    "{{ bos_token }}{% for m in messages %}{{ m.role | capitalize }}: {{ m.content }}"
    "{{ eos_token if m.role == 'assistant' else '' }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
_SEAM = "\ufdd0"  # no character: it parts the spelling of a special token in somebody's text


class ChatTemplate:
    """A chat template with the tokenizer that it is written for."""

    default_system = ""  # the template says what it wants where there is no system message

    def __init__(self, folder: Path) -> None:
        """
        folder: a registered base, whose base.json holds the template.
        Raises TemplateError.
        """
        about = json.loads((folder / "base.json").read_text(encoding="utf-8"))
        # It reads special tokens where the template writes them; texts are parted beforehand.
        self._encoder = Encoder.from_file(str(folder / "tokenizer.json"))
        added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
        self.special = {token["id"] for token in added if token["special"]}
        spellings = sorted((token["content"] for token in added if token["special"]), key=len)
        self._spellings = re.compile("|".join(map(re.escape, spellings[::-1])) or r"(?!)")
        self._template = about["chat_template"] or PLAIN
        self._special_texts = {name: about[name] or "" for name in ("bos_token", "eos_token")}
        self.end = self._end(about["stops"])
        eos = self._encoder.token_to_id(self._special_texts["eos_token"])
        self.end_of_text = self.end if eos is None else eos
        self.stops = frozenset({self.end, self.end_of_text, *about["stops"]})
        self.opening = self._encoder.encode(
            ""
        ).ids  # what every text begins with (BOS), if anything

    def _end(self, stops: list[int]) -> int:
        """The token that ends the assistant's turn."""
        question, answer = {"role": "user", "text": "a"}, {"role": "assistant", "text": "b"}
        prompt, whole = self._render([question], True), self._render([question, answer], False)
        after = whole[len(_shared_start(prompt, whole)) :].partition("b")[2]
        ids = self._encoder.encode(after, add_special_tokens=False).ids
        ends = [token for token in ids if token in self.special] + stops
        if not ends:
            raise TemplateError("nothing ends the assistant's turn: there is no eos_token")
        return ends[0]

    def prompt(self, turns: list[dict[str, Any]]) -> list[int]:
        """Ids of a conversation, ending where the assistant's answer begins.

        turns: {role, text} in order.
        Raises TemplateError.
        """
        return self._encode(self._render(turns, True))[0]

    def example(self, turns: list[dict[str, Any]]) -> tuple[list[int], list[bool]]:
        """Ids of a conversation, and for each whether the loss is computed on it.

        Trained: what the assistant says and the token that ends its turn, unless the turn has
        `"weight": 0`. Raises TemplateError.
        """
        text = self._render(turns, False)
        spans = [
            self._span(turns, i, text)
            for i, turn in enumerate(turns)
            if turn["role"] == "assistant" and turn["weight"] != 0
        ]
        ids, places = self._encode(text)
        return ids, [any(first <= place < last for first, last in spans) for place in places]

    def _span(self, turns: list[dict[str, Any]], i: int, text: str) -> tuple[int, int]:
        """Where in the whole text turn i says something: from its prompt to its last sign."""
        after = _shared_start(self._render(turns[: i + 1], False), text)
        if i == 0:  # many templates can't begin with the assistant: then there is no prompt
            return text.find(turns[0]["text"].strip()), len(after.rstrip())
        before = _shared_start(self._render(turns[:i], True), text)
        return len(before), len(after.rstrip())

    def _render(self, turns: list[dict[str, Any]], add_generation_prompt: bool) -> str:
        messages = [
            {"role": _role(turn["role"]), "content": self._part_specials(turn["text"])}
            for turn in turns
        ]
        variables = {
            "messages": messages,
            "tools": None,
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
        }
        return template_rendering.render(self._template, variables | self._special_texts)

    def _part_specials(self, text: str) -> str:
        """Somebody's text that spells "</s>" is text: the seam keeps it from being read as one."""
        plain = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        plain = plain.replace(_SEAM, "")
        return self._spellings.sub(lambda match: match[0][:1] + _SEAM + match[0][1:], plain)

    def _encode(self, text: str) -> tuple[list[int], list[int]]:
        """Ids of a rendered text, and where in it each begins."""
        ids: list[int] = []
        places: list[int] = []
        begin = 0
        for part in text.split(_SEAM):
            encoding = self._encoder.encode(part, add_special_tokens=False)
            ids += encoding.ids
            places += [begin + first for first, _ in encoding.offsets]
            begin += len(part) + len(_SEAM)
        return ids, places


def _shared_start(a: str, b: str) -> str:
    return commonprefix([a, b])  # noqa: RUF071 - of texts, sign by sign, is what is meant


def _role(role: str) -> str:
    """Few templates know tools: what one answers is read as the user's."""
    return "user" if role == "tool" else role
