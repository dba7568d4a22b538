"""The trial exercises of notebook 00."""

from datetime import date, datetime
from typing import Any

from helpers.exercises import exercise
from helpers.exercises.values import number
from helpers.exercises.verdicts import WrongAnswerError
from workbook.prices import registry


@exercise("00.1")
def which_backend_is_free(answer: str) -> str:
    """The name of the backend that runs on the student's own machine."""
    if not isinstance(answer, str):
        raise WrongAnswerError("That is not a text.", 'Write the name in quotes, like "openai".')
    if answer.strip().casefold() != "lab":
        raise WrongAnswerError(
            f"{answer!r} is not it.", "The set-up cell prints the name, and what it costs."
        )
    return "Right: the lab is yours, so there is nobody to pay."


@exercise("00.2")
def messages_with_a_system_prompt(answer: list[dict[str, Any]]) -> str:
    """Two messages: a system prompt, then a question of the user's."""
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise WrongAnswerError(
            "This is not a list of dictionaries.", "Start with [ and put a { } for each."
        )
    if len(answer) != 2:
        raise WrongAnswerError(
            f"The list should have 2 messages, not {len(answer)}.", "One system, one user."
        )
    for place, (message, role) in enumerate(zip(answer, ("system", "user"), strict=True), start=1):
        if set(message) != {"role", "content"}:
            raise WrongAnswerError(
                f"Message {place} has the keys {sorted(map(str, message))}.",
                'Every message here has two keys: "role" and "content".',
            )
        if message["role"] != role:
            raise WrongAnswerError(
                f"The role of message {place} is {message['role']!r}.",
                "First the system prompt, then what the user says.",
            )
        if not isinstance(message["content"], str) or not message["content"].strip():
            raise WrongAnswerError(
                f"The content of message {place} is empty.", "Write a sentence in quotes."
            )
    return "Right: a system prompt and a question. The next cell sends them."


@exercise("00.3")
def the_temperature_for_measuring(answer: float) -> str:
    """The temperature at which nothing is drawn."""
    temperature = number(answer)
    if not 0 <= temperature <= 2:
        raise WrongAnswerError(
            f"{temperature:g} is no temperature.", "They run from 0 to 2 in OpenAI's API."
        )
    if temperature:
        raise WrongAnswerError(
            f"At {temperature:g} words are still drawn.",
            "Ask twice at that temperature: do you get the same answer?",
        )
    return "Right: at 0 the most likely word is taken each time, so only the prompt differs."


@exercise("00.4")
def the_last_day(answer: str | date) -> str:
    """The first day on which nobody can create a fine-tuning job at OpenAI."""
    if isinstance(answer, datetime):  # pandas' Timestamp is one
        answer = answer.date()
    if isinstance(answer, str):
        try:
            answer = date.fromisoformat(answer.strip())
        except ValueError:
            raise WrongAnswerError(
                f"{answer!r} is not a date.", 'Write year-month-day in quotes: "2026-10-23".'
            ) from None
    if not isinstance(answer, date):
        raise WrongAnswerError(f"{answer!r} is not a date.", 'Write it in quotes: "2026-10-23".')
    closing = max(model.tunable_until for model in registry.hosted() if model.tunable_until)
    if answer != closing:
        raise WrongAnswerError(f"{answer} is another date.", "Look for “anyone” in the table.")
    return "Right. On the lab there is no such day."
