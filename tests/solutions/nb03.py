"""Solutions of notebook 03, and answers that must not pass."""

from decimal import Decimal
from fractions import Fraction

import numpy as np

from workbook.prices import costs


def bill(token_counts, limit, price):
    epochs = costs.default_epochs(len(token_counts))
    return epochs * sum(min(count, limit) for count in token_counts) * price / 1e6


SOLUTIONS = {
    "03.1": [bill, lambda c, limit, price: np.float64(bill(c, limit, price))],
    "03.2": [
        {"23 September": 5.0, "1 December": 30},
        {"23 September": Fraction(5), "1 December": Decimal(30)},
    ],
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
        (5, "keeps its two days"),
        ({"23 September": 5.0}, "keeps its two days"),
        ({"23 September": 30.0, "1 December": 30.0}, "a part of the tokens was free"),
        ({"23 September": 5.0, "1 December": 5.0}, "nothing was free any more"),
        ({"23 September": 0.0, "1 December": 10.0}, "read three times"),
        ({"23 September": "$5", "1 December": "$30"}, "23 September is a text"),
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
