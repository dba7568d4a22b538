"""Solutions of notebook 03, and answers that must not pass."""

import numpy as np

from workbook.prices import costs, registry


def bill(token_counts, limit, price):
    epochs = costs.default_epochs(len(token_counts))
    return epochs * sum(min(count, limit) for count in token_counts) * price / 1e6


def cheapest():
    return min(registry.sold_by_the_token(registry.today()), key=_price)


def second():
    return sorted(registry.sold_by_the_token(registry.today()), key=_price)[1]


def _price(model):
    return model.price("training", registry.today())


def plan(epochs=2, model=None):
    """As many reviews as 50 cents pay for, seen so often."""
    model = model or cheapest()
    examples = min(2400, int(0.50 / (70 * epochs * _price(model) / 1e6)) - 200)
    return {"model": model, "examples": examples, "epochs": epochs}


SOLUTIONS = {
    "03.1": [bill, lambda c, limit, price: np.float64(bill(c, limit, price))],
    "03.2": [lambda: plan(), lambda: plan(np.int64(2)) | {"model": cheapest().id}],
    "03.3": [("prompt", 291.0), ["prompt", np.int64(-291)]],
}

WRONG = {
    "03.1": [
        (2.4, "Hand in the function itself"),
        (lambda c, limit, price: sum(c) * price / 1e6, "one epoch, and no limit"),
        (lambda c, limit, price: 3 * sum(min(n, limit) for n in c) * price / 1e6, "three epochs"),
        (
            lambda c, limit, price: costs.default_epochs(len(c)) * sum(c) * price / 1e6,
            "cut-off tokens",
        ),
        (lambda c, limit, price: bill(c, limit, price) * 1e6, "your bill is"),
        (lambda c, limit, price: bill(c, limit, price) + 1, "it should be"),
    ],
    "03.2": [
        (5, "keeps its three keys"),
        ({"model": "gpt-4o", "examples": 900}, "keeps its three keys"),
        (lambda: plan() | {"model": "gpt-5-mine"}, "none of the models that can be trained"),
        (lambda: plan() | {"model": registry.lab()}, "none of the models"),
        (lambda: plan(1), "at least twice"),
        (lambda: plan(3.5), "no whole number"),
        (lambda: plan() | {"epochs": "2"}, "'epochs' is a text"),
        (lambda: plan() | {"examples": 5000}, "There are 1 to 2,400 reviews"),
        (lambda: plan() | {"epochs": 25}, "more than"),
        (lambda: plan() | {"examples": plan()["examples"] + 150}, "The validation reviews"),
        (lambda: plan() | {"examples": 300}, "the money pays for more reviews"),
        (lambda: plan(model=second()), "with another model for more"),
    ],
    "03.3": [
        (("tuned", 291.0), "which bill is the smaller"),
        (("tuned", 950.0), "hosting is missing"),
        (("prompt", 366.0), "OpenAI's raised price"),
        (("prompt", 100.0), "The difference is not"),
        (("prompt", "$291"), "The second part is a text"),
        (291.0, "a pair"),
        (("both", 291.0), "The first part is 'both', which is none"),
    ],
}
