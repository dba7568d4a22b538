"""Solutions of notebook 03, and answers that must not pass."""

from workbook.prices import costs


def bill(token_counts, limit, price):
    epochs = costs.default_epochs(len(token_counts))
    return epochs * sum(min(count, limit) for count in token_counts) * price / 1e6


SOLUTIONS = {
    "03.1": bill,
    "03.2": {"23 September": 5.0, "1 December": 30},
    "03.3": ("prompt", 366.0),
}

WRONG = {
    "03.1": [
        2.4,
        lambda counts, limit, price: sum(counts) * price / 1e6,
        lambda counts, limit, price: 3 * sum(min(c, limit) for c in counts) * price / 1e6,
        lambda counts, limit, price: costs.default_epochs(len(counts)) * sum(counts) * price / 1e6,
        lambda counts, limit, price: bill(counts, limit, price) * 1e6,
        lambda counts, limit, price: bill(counts, limit, price) + 1,
    ],
    "03.2": [
        5,
        {"23 September": 5.0},
        {"23 September": 30.0, "1 December": 30.0},
        {"23 September": 5.0, "1 December": 5.0},
        {"23 September": 0.0, "1 December": 10.0},
        {"23 September": "$5", "1 December": "$30"},
    ],
    "03.3": [
        ("tuned", 366.0),
        ("tuned", 875.0),
        ("prompt", 291.0),
        ("prompt", 100.0),
        ("prompt", "$366"),
        366.0,
        ("both", 366.0),
    ],
}
