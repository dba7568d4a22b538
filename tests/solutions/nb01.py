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

SOLUTIONS = {"01.1": _messages, "01.2": _TOOLS}

WRONG = {
    "01.1": [
        _messages("a text"),
        lambda text: _messages(text)[1:],
        lambda text: _messages(text)[:1] + _messages(text)[-1:],
        lambda text: _messages(text, last="Which one?"),
        lambda text: _messages(text, words=("Spanish", "Spanish")),
        lambda text: _messages(text, words=("Spanish.", "Portuguese.")),
        lambda text: text,
    ],
    "01.2": [
        {**_TOOLS, "a": "tune"},
        {**_TOOLS, "c": "tune"},
        {**_TOOLS, "d": "finetune"},
        {"a": "schema"},
        "tune",
    ],
}
