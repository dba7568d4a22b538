"""Solutions of notebook 01, and answers that must not pass."""

import json

from openai.types.chat import ChatCompletion

from workbook import paths


def _messages(text: str, last: str | None = None, words=("Spanish", "Portuguese")) -> list[dict]:
    return [
        {"role": "system", "content": "Spanish or Portuguese? Answer with one word."},
        {"role": "user", "content": "¿Dónde está la estación?"},
        {"role": "assistant", "content": words[0]},
        {"role": "user", "content": "Não sei onde fica."},
        {"role": "assistant", "content": words[1]},
        {"role": "user", "content": text if last is None else last},
    ]


_TOOLS = {"a": "schema", "b": "tune", "c": "prompt", "d": "tune"}


def _as_developer(text):
    shots = [("Hola, ¿qué tal?", "Spanish"), ("A loja fica longe.", "Portuguese")] * 2
    messages = [{"role": "developer", "content": "Name the language."}]
    for question, word in shots:
        messages += [{"role": "user", "content": question}]
        messages += [{"role": "assistant", "content": word}]
    return [*messages, {"role": "user", "content": f"Text: {text}"}]


def _swapped(text):
    return _messages(text, words=("Portuguese", "Spanish"))


def _broken(text):
    return [{"role": "system", "content": "Spanish " + 5}, text]


_LINES = paths.data("order_messages.jsonl").read_text(encoding="utf-8").splitlines()
_NUMBERS = {row["message"]: row["order"] for row in map(json.loads, _LINES)}


def _completion(text: str, tokens: int = 230) -> ChatCompletion:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": tokens, "completion_tokens": 5, "total_tokens": tokens + 5}
    return ChatCompletion.model_validate(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        | {"choices": [choice], "usage": usage}
    )


def _finds(message):
    return _completion(_NUMBERS[message])


def _finds_most(message):  # what the model does with five examples: 26 of 30 on the lab
    return _completion(f" {_NUMBERS[message]}\n" if "E" not in _NUMBERS[message] else "E", 229)


def _chats(message):
    return _completion(f"The order number is {_NUMBERS[message]}.")


def _is_long(message):
    return _completion(_NUMBERS[message], 346)


SOLUTIONS = {
    "01.1": [_messages, _as_developer],
    "01.2": [_finds, _finds_most],
    "01.3": [_TOOLS, {key: value.title() for key, value in _TOOLS.items()}],
}

WRONG = {
    "01.1": [
        (_messages("a text"), "Hand in the function itself"),
        (lambda text: _messages(text)[1:], "first message should be the system"),
        (lambda text: _messages(text)[:1] + _messages(text)[-1:], "No solved example answers"),
        (lambda text: _messages(text, last="Which one?"), "last message is the user's"),
        (lambda text: _messages(text, words=("Spanish", "Spanish")), "No solved example answers"),
        (lambda text: _messages(text, words=("Spanish.", "Portuguese.")), "answers 'Spanish.'"),
        (_swapped, "is Spanish, and the example answers Portuguese"),
        (_broken, "stops with TypeError.* in the line `return .*Spanish"),
        (lambda text: text, "returns a list of messages"),
        (lambda text: None, "returns nothing"),
        (lambda text, more: [text, more], "called with 1 argument; its parameters are: text, more"),
    ],
    "01.2": [
        ("A-2041", "Hand in the function itself"),
        (_chats, "0 of 30 are right; the bar is 24.*The order number is"),
        (_is_long, "30 of 30 are right, with 346 tokens in; the limit is 260"),
        (lambda message: _NUMBERS[message], "returns a str, not what the API answered"),
        (lambda message: None, "returns nothing"),
        (lambda message: _completion(message.order), "stops with AttributeError"),
    ],
    "01.3": [
        ({**_TOOLS, "a": "tune"}, "a: 'tune' would not be the first choice"),
        ({**_TOOLS, "c": "tune"}, "c: 'tune' would not be the first choice"),
        ({**_TOOLS, "d": "finetune"}, "d is 'finetune', which is none"),
        ({"a": "schema"}, "a dictionary with a, b, c and d"),
        ("tune", "a dictionary with a, b, c and d"),
    ],
}
