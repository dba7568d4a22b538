"""Checks for notebook 01: a few-shot prompt, one that is measured, and which tool fits where."""

import functools
import json
import re
from typing import Any

from helpers.exercises import exercise
from helpers.exercises.choices import keyed, word
from helpers.exercises.values import function_of, result_of
from helpers.exercises.verdicts import WrongAnswerError
from workbook import paths
from workbook.evals.completions import text_of

_WORDS = ("Spanish", "Portuguese")
_TRIAL = "A loja abre às nove horas."


@exercise("01.1")
def _few_shot(answer: Any) -> str:
    function = function_of(answer, 'check("01.1", messages_for)')
    messages = result_of(function, _TRIAL)
    if not isinstance(messages, list) or not all(
        isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages
    ):
        raise WrongAnswerError(
            "The function returns a list of messages, each with a role and a content.",
            '[{"role": "system", "content": "…"}, …]',
        )
    roles = [message.get("role") for message in messages]
    roles = ["system" if role == "developer" else role for role in roles]  # its newer name
    if strange := set(roles) - {"system", "user", "assistant"}:
        raise WrongAnswerError(
            f"There is no role {strange.pop()!r}.", "system, user and assistant."
        )
    if roles[:1] != ["system"]:
        raise WrongAnswerError(
            "The first message should be the system message.", "It says what the task is."
        )
    if roles[-1] != "user" or _TRIAL not in messages[-1]["content"]:
        raise WrongAnswerError(
            "The last message is the user's, with the text to be judged.",
            'End with {"role": "user", "content": text}.',
        )
    _check_examples(messages[1:-1])
    if function("Otro texto.") == messages:
        raise WrongAnswerError(
            "The list is the same for every text.", "Use the function's argument."
        )
    return "Right: an instruction, solved examples of both kinds, and the question at the end."


def _check_examples(examples: list[dict[str, str]]) -> None:
    if [m["role"] for m in examples] != ["user", "assistant"] * (len(examples) // 2):
        raise WrongAnswerError(
            "Each solved example is a user message followed by an assistant message.",
            "user: the text. assistant: the one word.",
        )
    answers = [m["content"] for m in examples if m["role"] == "assistant"]
    if other := [a for a in answers if a not in _WORDS]:
        raise WrongAnswerError(
            f"An example answers {other[0]!r}.", "Exactly one word: Spanish or Portuguese."
        )
    if missing := [word for word in _WORDS if word not in answers]:
        raise WrongAnswerError(
            f"No solved example answers {missing[0]}.", "At least one example of each."
        )
    texts = [m["content"] for m in examples if m["role"] == "user"]
    for text, label in zip(texts, answers, strict=True):
        if (language := _language(text)) not in (None, label):
            raise WrongAnswerError(
                f"“{text[:60]}” is {language}, and the example answers {label}.",
                "Which language has ñ and ¿, which has ã and ç?",
                "A model that is shown wrong answers learns wrong answers.",
            )
    if any(_TRIAL in text for text in texts):
        raise WrongAnswerError(
            "The text to be judged stands among the examples.", "Use texts of your own."
        )
    if any(len(text.split()) < 2 for text in texts):
        raise WrongAnswerError(
            "An example's text is shorter than two words.", "Show real sentences."
        )


_MARKS = {
    "Spanish": re.compile(r"[ñ¿¡]|\b(?:el|los|las|una|y|muy|pero|con)\b", re.I),
    "Portuguese": re.compile(r"[ãõç]|\b(?:os|uma|não|é|são|mas|com|muito)\b", re.I),
}


def _language(text: str) -> str | None:
    """The language whose signs and small words are in a text, where the other's are not."""
    named = [word for word, marks in _MARKS.items() if marks.search(text)]
    return named[0] if len(named) == 1 else None


_BAR, _MOST_TOKENS = 24, 260


@functools.cache
def _trial_messages() -> list[dict[str, str]]:
    lines = paths.data("order_messages.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == "held out"]


@exercise("01.2")
def _order_numbers(answer: Any) -> str:
    """Asks the model: a student's request, for each message that was held out."""
    function = function_of(answer, 'check("01.2", find_number)')
    rows = _trial_messages()
    completions = [_completion(result_of(function, row["message"])) for row in rows]
    texts = [text_of(completion).strip() for completion in completions]
    right = sum(text == row["order"] for text, row in zip(texts, rows, strict=True))
    tokens = sum(completion.usage.prompt_tokens for completion in completions) / len(rows)
    if right < _BAR:
        text, row = next((t, r) for t, r in zip(texts, rows, strict=True) if t != r["order"])
        raise WrongAnswerError(
            f"{right} of {len(rows)} are right; the bar is {_BAR}. For “{row['message']}” the "
            f"answer was “{text[:60]}”.",
            "An instruction alone brings sentences. Show solved examples.",
            "In an example the assistant's answer is the number and nothing else.",
            "Examples that differ (12-34, A5678, 9-B) teach more than examples that are alike.",
        )
    if tokens > _MOST_TOKENS:
        raise WrongAnswerError(
            f"{right} of {len(rows)} are right, with {tokens:.0f} tokens in; the limit is "
            f"{_MOST_TOKENS}.",
            "Leave out the examples that teach nothing new, or the product in the answers.",
        )
    return f"Right: {right} of {len(rows)} with {tokens:.0f} tokens in. A prompt is enough here."


def _completion(result: Any) -> Any:
    """The whole answer of the API, so that its tokens can be counted."""
    if not hasattr(result, "choices") or getattr(result, "usage", None) is None:
        raise WrongAnswerError(
            f"Your function returns a {type(result).__name__}, not what the API answered.",
            "return client.chat.completions.create(…), without .choices behind it.",
        )
    return result


_REASONS = {
    "a": ("schema", "The model knows the answer; only its form fails sometimes."),
    "b": ("tune", "The skill is missing and the examples are there."),
    "c": ("prompt", "No data yet: what can be tried at once?"),
    "d": ("tune", "What would become of the 3,000 tokens if the model had learned the examples?"),
}


@exercise("01.3")
def _tools(answer: Any) -> str:
    answer = keyed(answer, _REASONS, "The answer is a dictionary with a, b, c and d,")
    for key, (tool, hint) in _REASONS.items():
        if word(answer[key], ("prompt", "schema", "tune"), key) != tool:
            raise WrongAnswerError(f"{key}: {answer[key]!r} would not be the first choice.", hint)
    return "Right: form by schema, new ideas by prompt, missing skill and long prompts by tuning."
