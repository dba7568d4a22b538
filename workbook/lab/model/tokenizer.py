"""Text to token ids and back, and conversations to tokens by the base's chat template.

Also says on which tokens the loss is computed. Templates are kept in `chatml` (the course's own
model) and `chat_template` (any other base). Knows nothing of weights, training or HTTP.
"""

import json
import re
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Encoder

from workbook.lab.model.chat_template import ChatTemplate, TemplateError
from workbook.lab.model.chatml import DEFAULT_SYSTEM, ChatML

__all__ = ["CALL_CLOSE", "CALL_OPEN", "DEFAULT_SYSTEM", "TemplateError", "Tokenizer"]

CALL_OPEN, CALL_CLOSE = "<tool_call>", "</tool_call>"
_CALL_RULE = (
    "You can call the functions below. To call one, answer with nothing but "
    f'{CALL_OPEN}{{"name": NAME, "arguments": ARGUMENTS}}{CALL_CLOSE}.'
)


# Byte-level BPE names a byte by its own character, or by one past 255 where that can't be seen
# (Radford et al. 2019, GPT-2).
_VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_BYTES = {chr(byte): byte for byte in _VISIBLE} | {
    chr(256 + place): byte for place, byte in enumerate(sorted(set(range(256)) - set(_VISIBLE)))
}


class Tokenizer:
    """A base model's tokens with its chat template."""

    def __init__(self, folder: Path) -> None:
        self._encoder = Encoder.from_file(str(Path(folder) / "tokenizer.json"))
        # A student's text that spells "<|im_end|>" is text: only templates place special tokens.
        self._encoder.encode_special_tokens = True
        self._letter = self.encode("a")[-1]
        self._template: ChatTemplate | ChatML
        if (Path(folder) / "base.json").exists():
            self._template = ChatTemplate(Path(folder))
        else:
            self._template = ChatML(self.encode, self.special)
        self.end, self.stops = self._template.end, self._template.stops
        self.end_of_text = self._template.end_of_text
        self.size = self._encoder.get_vocab_size()  # ids are smaller

    def special(self, name: str) -> int:
        """The id of a special token. Raises ValueError when there is none of that name."""
        token = self._encoder.token_to_id(name)
        if token is None:
            raise ValueError(f"tokenizer.json has no {name}: this is not a ChatML model.")
        return token

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text. A lone surrogate (half a character) becomes U+FFFD."""
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        return self._encoder.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        """Text of token ids; special tokens are left out, broken UTF-8 becomes U+FFFD."""
        return self._encoder.decode(ids, skip_special_tokens=True)

    def piece(self, token: int) -> str:
        """One token as it reads in a table: special tokens by name, the rest as text."""
        if token in self._template.special:
            return self._name(token)
        # Not alone: SentencePiece takes the space from what a text begins with.
        whole = self._encoder.decode([self._letter, token], skip_special_tokens=False)
        return whole.removeprefix("a")

    def raw(self, token: int) -> bytes:
        """The bytes of one token. Some hold a part of a character, which `piece` can't show."""
        text, name = self.piece(token), self._name(token)
        if "\ufffd" not in text:
            return text.encode()
        if single := re.fullmatch("<0x([0-9A-F]{2})>", name):  # SentencePiece's way to name a byte
            return bytes.fromhex(single[1])
        return bytes(_BYTES[c] for c in name) if _BYTES.keys() >= set(name) else text.encode()

    def text_prompt(self, text: str) -> list[int]:
        """Ids of a text to be continued as it stands, outside any conversation."""
        return [*self._template.opening, *self.encode(text)]

    def chat_prompt(self, messages: list[dict], tools: list[dict] | None = None) -> list[int]:
        """Ids of a conversation, ending where the assistant's answer begins.

        Raises TemplateError for a conversation that the base's own template does not take.
        """
        return self._template.prompt(self._turns(messages, tools))

    def chat_example(
        self, messages: list[dict], tools: list[dict] | None = None
    ) -> tuple[list[int], list[bool]]:
        """Ids of a conversation, and for each whether the loss is computed on it.

        Trained: what the assistant says and the token that ends its turn, unless the message has
        `"weight": 0`. Not trained: everything the assistant only reads. Raises TemplateError.
        """
        return self._template.example(self._turns(messages, tools))

    def pair_example(self, prompt: str, completion: str) -> tuple[list[int], list[bool]]:
        """The older prompt/completion format: text; the completion and its end are trained."""
        head = self.text_prompt(prompt)
        body = [*self.encode(completion), self.end_of_text]
        return head + body, [False] * len(head) + [True] * len(body)

    def row_example(self, row: dict[str, Any]) -> tuple[list[int], list[bool]]:
        """`chat_example` or `pair_example`, whichever fits a row of a training file."""
        if "messages" in row:
            tools = row.get("tools") or [{"function": f} for f in row.get("functions") or []]
            return self.chat_example(row["messages"], tools or None)
        return self.pair_example(row["prompt"], row["completion"])

    def _turns(self, messages: list[dict], tools: list[dict] | None) -> list[dict[str, Any]]:
        """Messages as {role, text, weight}, with the tools in the system message."""
        turns = [
            {"role": _role(m["role"]), "text": _text(m), "weight": m.get("weight")}
            for m in messages
        ]
        system = self._template.default_system
        if (system or tools) and (not turns or turns[0]["role"] != "system"):
            turns.insert(0, {"role": "system", "text": system, "weight": None})
        if tools:
            listing = "\n".join(json.dumps(tool.get("function", tool)) for tool in tools)
            turns[0]["text"] = f"{turns[0]['text']}\n{_CALL_RULE}\n{listing}".lstrip("\n")
        return turns

    def _name(self, token: int) -> str:
        # A model may have more rows than its tokenizer has tokens: those have no name.
        return self._encoder.id_to_token(token) or ""


def _role(role: str) -> str:
    return {"developer": "system", "function": "tool"}.get(role, role)


def _text(message: dict) -> str:
    """What a message says, its tool calls written out."""
    content = message.get("content") or message.get("refusal") or ""
    if isinstance(content, list):
        content = "".join(part.get("text") or part.get("refusal") or "" for part in content)
    calls = [call["function"] for call in message.get("tool_calls") or []]
    calls += [message["function_call"]] if message.get("function_call") else []
    return content + "".join(_call(call) for call in calls)


def _call(call: dict) -> str:
    # Arguments are a JSON string already; they stay as they were written.
    name, arguments = json.dumps(call["name"]), call["arguments"]
    return f'{CALL_OPEN}{{"name": {name}, "arguments": {arguments}}}{CALL_CLOSE}'
