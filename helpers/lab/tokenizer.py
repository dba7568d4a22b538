"""Text to token ids and back, and the chat template: which tokens a conversation becomes.

Also says on which of them the loss is computed. Knows nothing of weights, training or HTTP.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Encoder

DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
CALL_OPEN, CALL_CLOSE = "<tool_call>", "</tool_call>"
_CALL_RULE = (
    "You can call the functions below. To call one, answer with nothing but "
    f'{CALL_OPEN}{{"name": NAME, "arguments": ARGUMENTS}}{CALL_CLOSE}.'
)


class Tokenizer:
    """The base model's byte-pair encoding with its ChatML template."""

    def __init__(self, folder: Path) -> None:
        self._encoder = Encoder.from_file(str(Path(folder) / "tokenizer.json"))
        # A student's text that spells "<|im_end|>" is text: only this file places special tokens.
        self._encoder.encode_special_tokens = True
        self.start = self._special("<|im_start|>")
        self.end = self._special("<|im_end|>")
        self.end_of_text = self._special("<|endoftext|>")
        self.stops = frozenset({self.end, self.end_of_text})

    def _special(self, name: str) -> int:
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
        if token in (self.start, self.end, self.end_of_text):
            return self._encoder.id_to_token(token)
        return self._encoder.decode([token], skip_special_tokens=False)

    def chat_prompt(self, messages: list[dict], tools: list[dict] | None = None) -> list[int]:
        """Ids of a conversation, ending where the assistant's answer begins."""
        ids, _ = self.chat_example(messages, tools)
        return ids + [self.start, *self.encode("assistant\n")]

    def chat_example(
        self, messages: list[dict], tools: list[dict] | None = None
    ) -> tuple[list[int], list[bool]]:
        """Ids of a conversation, and for each whether the loss is computed on it.

        Trained: what the assistant says and the token that ends its turn, unless the message has
        `"weight": 0`. Not trained: everything the assistant only reads.
        """
        ids: list[int] = []
        trained: list[bool] = []
        for message in _with_system(messages, tools):
            role, text = message["role"], message["text"]
            if role == "assistant":
                head, body = self.encode("assistant\n"), self.encode(text)
            else:
                head, body = self.encode(f"{role}\n{text}"), []
            learn = role == "assistant" and message["weight"] != 0
            turn = [self.start, *head, *body, self.end, *self.encode("\n")]
            first, last = 1 + len(head), 1 + len(head) + len(body)
            trained += [learn and first <= i <= last for i in range(len(turn))]
            ids += turn
        return ids, trained

    def pair_example(self, prompt: str, completion: str) -> tuple[list[int], list[bool]]:
        """The older prompt/completion format: plain text; the completion and its end are trained."""
        head, body = self.encode(prompt), [*self.encode(completion), self.end_of_text]
        return head + body, [False] * len(head) + [True] * len(body)

    def row_example(self, row: dict[str, Any]) -> tuple[list[int], list[bool]]:
        """`chat_example` or `pair_example`, whichever fits a row of a training file."""
        if "messages" in row:
            tools = row.get("tools") or [{"function": f} for f in row.get("functions") or []]
            return self.chat_example(row["messages"], tools or None)
        return self.pair_example(row["prompt"], row["completion"])


def _with_system(messages: list[dict], tools: list[dict] | None) -> list[dict]:
    """Messages as {role, text, weight}, with the template's system message and the tools in it."""
    turns = [
        {"role": _role(m["role"]), "text": _text(m), "weight": m.get("weight")} for m in messages
    ]
    if not turns or turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "text": DEFAULT_SYSTEM, "weight": None})
    if tools:
        listing = "\n".join(json.dumps(tool.get("function", tool)) for tool in tools)
        turns[0]["text"] += f"\n{_CALL_RULE}\n{listing}"
    return turns


def _role(role: str) -> str:
    return {"developer": "system", "function": "tool"}.get(role, role)


def _text(message: dict) -> str:
    """What a message says, its tool calls written out."""
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text") or part.get("refusal") or "" for part in content)
    calls = [call["function"] for call in message.get("tool_calls") or []]
    calls += [message["function_call"]] if message.get("function_call") else []
    return content + "".join(_call(call) for call in calls)


def _call(call: dict) -> str:
    # Arguments are a JSON string already; they stay as they were written.
    return f'{CALL_OPEN}{{"name": {json.dumps(call["name"])}, "arguments": {call["arguments"]}}}{CALL_CLOSE}'
