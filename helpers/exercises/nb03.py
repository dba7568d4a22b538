"""Checks for notebook 03: the bill of a job, a plan within a budget, and hosting or not."""

from datetime import date
from typing import Any

from helpers.exercises import exercise
from helpers.exercises.choices import keyed, word
from helpers.exercises.values import function_of, number, result_of, same, whole
from helpers.exercises.verdicts import WrongAnswerError
from workbook.prices import costs, registry
from workbook.prices.model import Model


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


_REVIEWS, _CHECKED, _TOKENS, _BUDGET = 2400, 200, 70, 0.50


@exercise("03.2")
def _plan(answer: Any) -> str:
    answer = keyed(answer, ("model", "examples", "epochs"), "The plan keeps")
    today = registry.today()
    on_sale = {model: _affordable(model, today) for model in registry.sold_by_the_token(today)}
    model = _model_of(answer["model"], list(on_sale))
    examples, epochs = (whole(answer[key], f"{key!r}") for key in ("examples", "epochs"))
    if not 1 <= examples <= _REVIEWS:
        raise WrongAnswerError(f"There are 1 to {_REVIEWS:,} reviews, not {examples:,}.")
    if epochs < 2:
        raise WrongAnswerError(
            "Each review shall be seen at least twice.", "An epoch is one pass over all of them."
        )
    usd = costs.training_cost((examples + _CHECKED) * _TOKENS, epochs, model, today)
    if usd > _BUDGET:
        alone = costs.training_cost(examples * _TOKENS, epochs, model, today)
        forgotten = " The validation reviews are the part above it." if alone <= _BUDGET else ""
        raise WrongAnswerError(
            f"This plan may cost {costs.usd(usd)}, more than {costs.usd(_BUDGET)}.{forgotten}",
            "(examples + 200) × 70 tokens in each epoch.",
        )
    if examples < 0.9 * on_sale[model]:
        raise WrongAnswerError(
            f"{costs.usd(usd)} of {costs.usd(_BUDGET)}: the money pays for more reviews.",
            "As few epochs as allowed, as many reviews as are paid.",
        )
    if examples < 0.9 * max(on_sale.values()):
        raise WrongAnswerError(
            f"With {model.label} the money pays for {on_sale[model]:,} reviews; with another model "
            "for more.",
            "Look at the prices of training in section 2.",
        )
    return f"Right: {examples:,} reviews, seen {epochs} times, for {costs.usd(usd)} at most."


def _affordable(model: Model, today: date) -> int:
    """How many reviews the budget pays for, each seen twice."""
    one = costs.training_cost(_TOKENS, 2, model, today)
    return min(_REVIEWS, max(0, int(_BUDGET / one + 1e-9) - _CHECKED))


def _model_of(answer: Any, on_sale: list[Model]) -> Model:
    for model in on_sale:
        if answer in (model.id, model.label) if isinstance(answer, str) else answer is model:
            return model
    shown = answer.label if isinstance(answer, Model) else repr(answer)[:40]
    raise WrongAnswerError(
        f"{shown} is none of the models that can be trained.",
        f"One of: {', '.join(repr(model.label) for model in on_sale)}.",
    )


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
