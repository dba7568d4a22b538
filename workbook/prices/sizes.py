"""How many tokens a training row, an answer or a request has: at least, expected, at most.

`for_model(name)` gives the one way to count for a model: the doctor, estimates and budgets use it.
Counted are texts, names, roles, calls of functions and their definitions, schemas of answers, and
images. A text part costs what the same string costs.

How exact that is: plain chats follow OpenAI's published rule, which agrees with its API to the
token. For functions, schemas and images `at_least` and `at_most` say what is certain. Sounds, files
and tools that a host runs itself (searching the web, say) can't be foreseen: they are `gaps`.

Reads rows and bodies of requests as they are, also wrong ones. Knows no prices and no files.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workbook.prices import function_sizes, image_sizes, registry
from workbook.prices.model import Model
from workbook.prices.size import Size, exactly
from workbook.prices.token_rules import TokenRules
from workbook.prices.vocabularies import vocabulary

TokenCounter = Callable[[str], int]
OUTPUTS = ("preferred_output", "non_preferred_output")
_IMAGES = ("image_url", "input_image", "image")
_GAPS = {
    "input_audio": "a sound",
    "audio": "a sound",
    "file": "a file",
    "input_file": "a file",
    "item_reference": "an earlier answer, kept by the host",
}
_PIECE = 100_000  # characters
_SHORT = 2_000  # characters of texts whose tokens are remembered


@dataclass(frozen=True)
class Sizer:
    """Counts rows and requests by the rules of one model.

    count: the tokens of one text
    """

    rules: TokenRules
    count: TokenCounter

    def row(self, row: Mapping[str, Any]) -> Size:
        """The training tokens of a row in any format, in one epoch.

        Of a preference: the prompt and both answers. OpenAI says nothing of whether the prompt is
        billed with each of them, so `at_most` has it twice.
        """
        return self._bounded(self._row, row)

    def answers(self, row: Mapping[str, Any]) -> int:
        """The tokens of a row that are learned: what the assistant says and the calls it makes.

        Of a preference only its two answers are learned from.
        """
        if is_preference(row):
            messages = [message for output in OUTPUTS for message in _objects(row.get(output))]
        elif "messages" in row:
            messages = _objects(row.get("messages"))
        else:
            return self._text(row.get("completion")).expected
        return sum(
            self._content(message).expected
            + sum(map(self.tokens, function_sizes.texts_of_calls(message)))
            for message in messages
            if message.get("role") == "assistant" and message.get("weight", 1) != 0
        )

    def request(self, body: Mapping[str, Any]) -> Size:
        """The tokens that a request sends: of chat completions, completions or responses.

        `at_most` takes the JSON text where that is longer, for hosts with marks of their own.
        """
        return self._bounded(self._request, body)

    # Parts

    def _bounded(self, size_of: Callable[[Mapping[str, Any]], Size], value: Any) -> Size:
        """What a function counts, with the bounds of the vocabulary; a gap where it can't."""
        try:
            return size_of(value).within(self.rules.low, self.rules.high)
        except RecursionError:  # JSON in JSON in JSON, some hundred times
            return Size(gaps=frozenset({"what is nested too deep"}))

    def _row(self, row: Mapping[str, Any]) -> Size:
        if is_preference(row):
            return self._preference(row)
        if "messages" in row:
            return self._chat(row.get("messages"), row)
        pair = self._text(row.get("prompt")) + self._text(row.get("completion"))
        return pair + Size(0, self.rules.pair_end, self.rules.pair_end)

    def _request(self, body: Mapping[str, Any]) -> Size:
        if "messages" in body:
            size = self._chat(body.get("messages"), body)
            texts = body.get("messages")
        elif "input" in body or "instructions" in body:
            messages = _messages_of(body)
            size, texts = self._chat(messages, body), messages
        else:
            size, texts = self._prompts(body.get("prompt")), body.get("prompt")
        size += self._schema(body)
        written = function_sizes.json_at_most(_without_images(texts), self.tokens)
        size = Size(size.at_least, size.expected, max(size.at_most, written), size.gaps)
        if body.get("previous_response_id") or body.get("conversation"):
            size += Size(gaps=frozenset({_GAPS["item_reference"]}))
        return size

    def _preference(self, row: Mapping[str, Any]) -> Size:
        prompt = row.get("input")
        prompt = prompt if isinstance(prompt, Mapping) else {}
        question = self._chat(prompt.get("messages"), prompt)
        answers = [message for output in OUTPUTS for message in _objects(row.get(output))]
        size = sum((self._message(message) for message in answers), question)
        repeated = (self.rules.preference_prompts - 1) * question.expected
        at_most = size.at_most + question.at_most
        expected = size.expected + repeated
        return Size(size.at_least, expected, max(expected, at_most), size.gaps)

    def _chat(self, messages: Any, around: Mapping[str, Any]) -> Size:
        """Messages with the functions that stand beside them."""
        messages = _objects(messages)
        size = sum((self._message(message) for message in messages), Size())
        marks = self.rules.conversation
        if not messages or messages[0].get("role") not in ("system", "developer"):
            marks += self.rules.without_system
        functions, gaps = _functions(around)
        size += function_sizes.definitions(functions, self.rules.functions, self.tokens)
        return size + Size(0, marks, marks, gaps)

    def _message(self, message: Mapping[str, Any]) -> Size:
        marks, role = self.rules.message, message.get("role")
        content = message.get("content")
        if len(message) == 2 and isinstance(role, str) and isinstance(content, str):  # most are so
            texts = self.tokens(role) + self.tokens(content)
            return Size(texts, texts + marks, texts + marks)
        texts = self.tokens(role) if isinstance(role, str) else 0
        if isinstance(message.get("name"), str):
            marks += self.rules.name + self.tokens(message["name"]) * bool(self.rules.name)
        answered = message.get("tool_call_id")
        unseen = self.tokens(answered) if isinstance(answered, str) else 0
        size = Size(0, marks, marks + unseen) + exactly(texts) + self._content(message)
        return size + function_sizes.calls(message, self.rules.call, self.tokens)

    def _content(self, message: Mapping[str, Any]) -> Size:
        return self._text(message.get("content")) + self._text(message.get("refusal"))

    def _text(self, value: Any) -> Size:
        """A string, or a list of parts, each of which has a text or is an image."""
        if isinstance(value, str):
            return exactly(self.tokens(value))
        size = Size()
        for part in value if isinstance(value, (list, tuple)) else []:
            if isinstance(part, str):
                size += exactly(self.tokens(part))
            elif isinstance(part, Mapping) and _is_image(part):
                size += image_sizes.of(part, self.rules.images)
            elif isinstance(part, Mapping):
                gap = _GAPS.get(str(part.get("type")))
                size += Size(gaps=frozenset({gap} if gap else ()))
                texts = (part.get("text"), part.get("refusal"))
                size += exactly(sum(self.tokens(text) for text in texts if isinstance(text, str)))
        return size

    def _prompts(self, value: Any) -> Size:
        """What text completions take: a text, several, or the numbers of tokens."""
        if isinstance(value, str):
            return exactly(self.tokens(value))
        size = Size()
        for item in value if isinstance(value, list) else []:
            size += exactly(1) if isinstance(item, int) else self._prompts(item)
        return size

    def _schema(self, body: Mapping[str, Any]) -> Size:
        shape = body.get("response_format") or _of(body.get("text"), "format")
        size = function_sizes.schema(shape, self.rules.schema, self.tokens)
        return size if self.rules.with_schema else Size(0, 0, size.at_most)

    def tokens(self, text: str) -> int:
        """The tokens of a text of any length: tiktoken gives up on a million spaces in a row. Half
        a character is one "?"."""
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")
        if len(text) <= _PIECE:
            return self.count(text)
        return sum(self.count(text[i : i + _PIECE]) for i in range(0, len(text), _PIECE))


def is_preference(row: Mapping[str, Any]) -> bool:
    """Whether a row is made for DPO: a prompt with a preferred and another answer."""
    return any(output in row for output in OUTPUTS)


def for_model(model: str | Model) -> Sizer:
    """How rows and requests are counted for this model, or for one tuned from it.

    Raises UnknownModelError, and WorkbookError where nothing is known of its vocabulary.
    """
    rules = model.token_rules if isinstance(model, Model) else registry.token_rules(model)
    encode = vocabulary(rules.encoding).encode

    def count(text: str) -> int:
        return len(encode(text))

    # Roles and system messages come again and again, answers twice.
    remembering_count = lru_cache(2_000)(count)
    return Sizer(rules, lambda text: (remembering_count if len(text) <= _SHORT else count)(text))


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _is_image(part: Mapping[str, Any]) -> bool:
    return part.get("type") in _IMAGES or ("image_url" in part and "text" not in part)


def _functions(around: Mapping[str, Any]) -> tuple[list[Any], frozenset[str]]:
    """The functions beside messages, and what can't be counted: tools that a host runs itself."""
    functions, gaps = list(_objects(around.get("functions"))), set()
    for tool in _objects(around.get("tools")):
        kind = tool.get("type", "function")
        if kind == "function":
            functions.append(tool.get("function", tool))
        elif kind == "custom":
            functions.append(tool.get("custom", tool))
        else:
            gaps.add(f"what the tool {kind} reads")
    return functions, frozenset(gaps)


def _messages_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A request of the Responses API as messages."""
    messages: list[Mapping[str, Any]] = []
    if isinstance(body.get("instructions"), str):
        messages.append({"role": "system", "content": body["instructions"]})
    given = body.get("input")
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    for item in _objects(given):
        kind = item.get("type", "message")
        if kind == "function_call":
            call = {"function": {"name": item.get("name"), "arguments": item.get("arguments")}}
            messages.append({"role": "assistant", "tool_calls": [call]})
        elif kind == "function_call_output":
            messages.append({"role": "tool", "content": item.get("output")})
        elif kind == "message":
            messages.append(item)
        else:  # reasoning, a reference, a tool's answer: only the host knows it
            messages.append({"role": "user", "content": [{"type": "item_reference"}]})
    return messages


def _without_images(value: Any) -> Any:
    """The same without what is counted otherwise than by its text."""
    if isinstance(value, Mapping):
        return {} if _is_image(value) else {k: _without_images(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_without_images(item) for item in value]
    return value
