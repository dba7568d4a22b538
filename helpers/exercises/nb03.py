"""Checks for notebook 03: the bill of a job, a promotion, and a decision with hosting in it."""

from datetime import date
from typing import Any

from helpers.exercises import exercise
from helpers.exercises.values import function_of, number, result_of, same, word
from helpers.exercises.verdicts import WrongAnswerError
from workbook.prices import costs, registry


@exercise("03.1")
def _bill(answer: Any) -> str:
    function = function_of(answer, 'check("03.1", bill)')
    files = {
        "50 examples of 100 tokens": [100] * 50,
        "10 examples of 100 tokens": [100] * 10,
        "50 examples, one of them with 9,000 tokens": [100] * 49 + [9000],
        "20,000 examples of 100 tokens": [100] * 20_000,
    }
    limit, price = 4096, 8.0
    for name, counts in files.items():
        usd = number(result_of(function, counts, limit, price), "What your function returns")
        epochs = costs.default_epochs(len(counts))
        expected = costs.billed_tokens(counts, epochs, limit) * price / 1e6
        if same(usd, expected):
            continue
        sentence = f"For {name} at $8 a million your bill is {costs.usd(usd)}"
        if same(usd, expected * 1e6):
            raise WrongAnswerError(
                f"{sentence}.", "The price is for a million tokens, not for one."
            )
        if same(usd, sum(counts) * price / 1e6):
            raise WrongAnswerError(
                f"{sentence}: one epoch, and no limit.",
                "Three things are in a bill: the tokens up to the limit, the epochs, the price.",
            )
        if same(usd, expected / epochs):
            raise WrongAnswerError(f"{sentence}: that is one epoch.", "Each epoch is billed again.")
        if same(usd, sum(counts) * epochs * price / 1e6):
            raise WrongAnswerError(
                f"{sentence}: the cut-off tokens are in it.", "min(count, limit)"
            )
        if same(usd, expected / epochs * 3):
            raise WrongAnswerError(
                f"{sentence}: three epochs.",
                "Ask costs.default_epochs: this file doesn't get three.",
            )
        raise WrongAnswerError(
            f"{sentence}; it should be {costs.usd(expected)}.", "Epochs × tokens × price / 1e6."
        )
    return "Right, for small files, large files and examples over the limit."


@exercise("03.2")
def _promotion(answer: Any) -> str:
    if not isinstance(answer, dict) or set(answer) != {"23 September", "1 December"}:
        raise WrongAnswerError(
            "The answer keeps its two days, each with a number.",
            '{"23 September": dollars, "1 December": dollars}',
        )
    model = registry.from_source_documents("004")[0]
    days = {"23 September": date(2024, 9, 23), "1 December": date(2024, 12, 1)}
    for name, day in days.items():
        free = model.free_training_tokens(day)
        expected = costs.training_cost(400_000, 3, model, day, free_tokens=free)
        full = costs.training_cost(400_000, 3, model, day)
        once = costs.training_cost(400_000, 1, model, day)
        usd = number(answer[name], name)
        if same(usd, expected):
            continue
        if same(usd, once) or same(usd, max(0.0, once - 25)):
            raise WrongAnswerError(
                f"{name}: the file is read three times.", "400,000 × 3 tokens are billed."
            )
        if free and same(usd, full):
            raise WrongAnswerError(
                f"{name}: a part of the tokens was free.", "Take the free tokens off first."
            )
        if not free and same(usd, full - 25):
            raise WrongAnswerError(
                f"{name}: nothing was free any more.", "The promotion ended on 31 October."
            )
        raise WrongAnswerError(f"{name}: not {costs.usd(usd)}.", "(billed − free) × 25 / 1,000,000")
    return "Right: $5.00 with the free million, $30.00 without it."


@exercise("03.3")
def _decision(answer: Any) -> str:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise WrongAnswerError(
            "The answer is a pair: the cheaper way and dollars.", '("prompt", 12.5)'
        )
    way, difference = answer
    way = word(way, ("prompt", "tuned"), "The first part")
    article = registry.from_source_documents("004")[0]
    model = registry.get(f"azure/{article.base_id}")
    volume, hosting = 200_000, model.hosting_per_hour
    prompt = costs.monthly_cost(costs.request_cost(model, 2000, 50), volume)
    request = costs.request_cost(model.as_tuned(), 100, 50)
    tuned = costs.monthly_cost(request, volume, hosting)
    elsewhere = costs.request_cost(article.as_tuned(), 100, 50)
    amount = abs(number(difference, "The second part"))
    if _close(amount, prompt - request * volume):
        raise WrongAnswerError("The hosting is missing from the tuned month.", "$1.70 × 730 hours")
    if _close(amount, costs.monthly_cost(elsewhere, volume, hosting) - prompt):
        raise WrongAnswerError(
            "You took OpenAI's raised price for the tuned tokens.",
            "On Azure they cost what the base model's cost: azure_4o.as_tuned() has its own.",
        )
    if not _close(amount, tuned - prompt):
        raise WrongAnswerError(
            f"The difference is not {costs.usd(amount)} a month.",
            "Two bills of a month: costs.monthly_cost(request, 200_000, hosting).",
        )
    if way != "prompt":
        raise WrongAnswerError(
            "The amount is right, but look again which bill is the smaller.", "Print both."
        )
    return f"Right: here the long prompt is cheaper by {costs.usd(tuned - prompt)} a month."


def _close(usd: float, expected: float) -> bool:
    return abs(usd - expected) < 0.51  # whole dollars will do
