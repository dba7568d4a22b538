"""Solutions of notebook 06, and answers that must not pass."""

import math

import numpy as np


def loss_of(probabilities, mask):
    losses = [-math.log(p) for p, is_learned in zip(probabilities, mask, strict=True) if is_learned]
    return sum(losses) / len(losses)


def _with_numpy(probabilities, mask):
    return -np.log(np.array(probabilities)[np.array(mask)]).mean()


def _sum(probabilities, mask):
    return loss_of(probabilities, mask) * sum(mask)


def _all_tokens(probabilities, mask):
    return loss_of(probabilities, [True] * len(mask))


def _divides_by_all(probabilities, mask):
    return _sum(probabilities, mask) / len(mask)


def _curves(highest: dict[int, float]) -> dict[int, list[float]]:
    return {m: [2.0, top, 1.0, 0.7] for m, top in highest.items()}


_MEASURED = _curves({1: 2.1, 3: 1.8, 10: 1.9, 30: 11.0, 100: float("nan")})
_NEVER = _curves({1: 2.1, 3: 1.8, 10: 1.9, 30: 3.0, 100: 3.9})
_WITHOUT_100 = {m: losses for m, losses in _MEASURED.items() if m != 100}
_GOOD = {"numbers": 135_168, "digit_losses": [1.2] * 200}

SOLUTIONS = {
    "06.1": [loss_of, _with_numpy, lambda p, m: np.float32(loss_of(p, m))],
    "06.2": [2_027_520, 8 * 30 * 8448.0, np.int64(2_027_520)],
    "06.3": [
        {"guess": 30, "losses": _MEASURED},
        {"guess": 100, "losses": _MEASURED},
        {"guess": 3.0, "losses": _NEVER},
    ],
    "06.4": [_GOOD, {"numbers": np.int64(67_584), "digit_losses": np.full(40, 1.3)}],
}

WRONG = {
    "06.1": [
        (0.5, "Hand in the function itself"),
        (lambda p, m: -loss_of(p, m), "of the wrong sign"),
        (_sum, "that is a sum"),
        (_divides_by_all, "divided by all tokens"),
        (_all_tokens, "a mean over all tokens"),
        (lambda p, m: loss_of(p, m) / math.log(2), "in bits"),
        (lambda p, m: 1 - p[0], "the loss is"),
        (lambda p, m: math.log(0), "stops with ValueError"),
    ],
    "06.2": [
        (67_584, "one layer"),
        (4_055_040, "rank 16"),
        (1_081_344, "16 layers"),
        (783_360, "A only"),
        (1_244_160, "B only"),
        (106_168_320, "what W has"),
        (8448, "Not 8448"),
        ("2,027,520", "a text, not a number"),
    ],
    "06.3": [
        ({"guess": 10, "losses": [0.5]}, "a dictionary: multiplier"),
        ({"guess": "10", "losses": _MEASURED}, "Your guess is a text"),
        ({"guess": 7, "losses": _MEASURED}, "7 is none of the multipliers"),
        ({"guess": 10, "losses": _WITHOUT_100}, "× 100"),
        ({"guess": 10, "losses": _MEASURED | {3: (_GOOD, [0.5])}}, "× 3"),
        ({"guess": 10, "losses": _MEASURED | {1: [0, 0, 0, 0]}}, "no losses"),
        (
            {"guess": 10, "losses": {m: [2.0, 1.0, 0.9, 0.8] for m in _MEASURED}},
            "went the same way",
        ),
    ],
    "06.4": [
        (135_168, "a dictionary with numbers"),
        ({**_GOOD, "numbers": 2_162_688}, "2,162,688 numbers"),
        ({**_GOOD, "numbers": 0}, "0 numbers"),
        ({**_GOOD, "digit_losses": [1.2] * 10}, "at least 40 reviews"),
        ({**_GOOD, "digit_losses": [1.2] * 40 + [float("nan")]}, "at least 40 reviews"),
        ({**_GOOD, "digit_losses": [1.58] * 200}, "the bar is"),
    ],
}
