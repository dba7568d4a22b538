"""Solutions of notebook 01, and answers that must not pass."""


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


SOLUTIONS = {
    "01.1": [_messages, _as_developer],
    "01.2": [_TOOLS, {key: value.title() for key, value in _TOOLS.items()}],
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
        ({**_TOOLS, "a": "tune"}, "a: 'tune' would not be the first choice"),
        ({**_TOOLS, "c": "tune"}, "c: 'tune' would not be the first choice"),
        ({**_TOOLS, "d": "finetune"}, "d is 'finetune', which is none"),
        ({"a": "schema"}, "a dictionary with a, b, c and d"),
        ("tune", "a dictionary with a, b, c and d"),
    ],
}
