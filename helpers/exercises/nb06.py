"""Checks for notebook 06: a loss by hand, LoRA's numbers, a rate too high, a small adapter."""

import math
from typing import Any

import numpy as np

from helpers.exercises import exercise
from helpers.exercises.values import function_of, number, result_of, same
from helpers.exercises.verdicts import WrongAnswerError

_ROWS = [
    ([0.9, 0.5, 0.25], [False, True, True]),
    ([0.1, 1.0, 0.2, 0.8], [False, False, True, False]),
    ([0.5, 0.5, 0.5, 0.125], [True, True, True, True]),
]


@exercise("06.1")
def _loss(answer: Any) -> str:
    function = function_of(answer, 'check("06.1", loss_of)')
    for probabilities, mask in _ROWS:
        loss = number(result_of(function, probabilities, mask), "What your function returns")
        learned = [p for p, is_learned in zip(probabilities, mask, strict=True) if is_learned]
        right = -sum(map(math.log, learned)) / len(learned)
        mistakes = {
            -right: ("of the wrong sign", "A loss is −ln p: zero or more."),
            right * len(learned): ("a sum", "Divide by the number of learned tokens."),
            right * len(learned) / len(mask): (
                "divided by all tokens",
                "The mean is over the learned tokens only.",
            ),
            -sum(map(math.log, probabilities)) / len(mask): (
                "a mean over all tokens",
                "Leave out those whose mask is False.",
            ),
            right / math.log(2): ("in bits", "math.log is the natural logarithm; log2 gives bits."),
        }
        if same(loss, right, decimals=4):
            continue
        for value, (what, hint) in mistakes.items():
            if same(loss, value, decimals=4):
                raise WrongAnswerError(
                    f"For {probabilities} and {mask} you return {loss:.4f}: that is {what}.", hint
                )
        raise WrongAnswerError(
            f"For {probabilities} and {mask} the loss is {right:.4f}, not {loss:.4f}.",
            "Take −ln p of each learned token.",
            "Then their mean.",
        )
    return "Right: −ln p, averaged over the learned tokens."


_SHAPES = ((960, 576), (576, 576), (3072, 576), (576, 1536))  # (out, in) of a layer's matrices
_RANK, _LAYERS = 8, 30
_NUMBERS = _RANK * _LAYERS * sum(map(sum, _SHAPES))


@exercise("06.2")
def _count(answer: Any) -> str:
    value = number(answer)
    mistakes = {
        _NUMBERS // _LAYERS: ("That is one layer.", "There are 30 of them."),
        2 * _NUMBERS: ("That is rank 16.", "Rank 8: half as many rows of A, columns of B."),
        16 * _NUMBERS // 30: ("That is 16 layers.", "This adapter is on all 30."),
        _RANK * _LAYERS * sum(width for _, width in _SHAPES): ("That is A only.", "And B?"),
        _RANK * _LAYERS * sum(out for out, _ in _SHAPES): ("That is B only.", "And A?"),
        _LAYERS * sum(out * width for out, width in _SHAPES): (
            "That is what W has.",
            "W stays as it is. Count A and B.",
        ),
    }
    if value == _NUMBERS:
        return "Right: 8 × (out + in), for four matrices, in 30 layers."
    for wrong, (what, hint) in mistakes.items():
        if value == wrong:
            raise WrongAnswerError(what, hint)
    raise WrongAnswerError(
        f"Not {value:g}.",
        "A has rank × in numbers, B has out × rank.",
        "Add up 8 × (out + in) over the four matrices, then times the layers.",
    )


_MULTIPLIERS = (1, 3, 10, 30, 100)


@exercise("06.3")
def _too_fast(answer: Any) -> str:
    if not isinstance(answer, dict) or not isinstance(answer.get("losses"), dict):
        raise WrongAnswerError(
            "`measured` is a dictionary: multiplier → list of losses.",
            "measured = {m: train(rows[:40], rate=PEAK * m)[1] for m in (1, 3, …)}",
        )
    guess, peaks = number(answer.get("guess"), "Your guess"), {}
    if guess not in _MULTIPLIERS:
        raise WrongAnswerError(f"{guess:g} is none of the multipliers.", "1, 3, 10, 30 or 100.")
    for multiplier in _MULTIPLIERS:
        losses = answer["losses"].get(multiplier)
        if not isinstance(losses, (list, tuple)) or len(losses) < 4:
            raise WrongAnswerError(
                f"There is no list of at least four losses for × {multiplier}.",
                "`train` returns two things: the adapter, and the list of losses.",
            )
        curve = [float(v) for v in losses if isinstance(v, (float, np.floating))]
        if len(curve) < len(losses) or not curve[0] > 0:
            raise WrongAnswerError(
                f"The losses of × {multiplier} are no losses.", "Numbers above 0, one a step."
            )
        peaks[multiplier] = float(np.max(curve[1:]) / curve[0])
    if len(set(peaks.values())) == 1:
        raise WrongAnswerError(
            "All five trainings went the same way.", "Is the rate of each its own?", "rate=PEAK * m"
        )
    breaks = [m for m in _MULTIPLIERS if not peaks[m] <= 2]  # also where it is nan
    shown = ", ".join(f"× {m}: {peak:.1f}" for m, peak in peaks.items())
    first = f"× {breaks[0]} is the first that breaks" if breaks else "none breaks"
    hit = "as you guessed" if breaks[:1] == [guess] else f"you guessed × {guess:g}"
    return f"Measured: {first}; {hit}. Highest loss against the first: {shown}."


_MOST_NUMBERS, _FEWEST_REVIEWS = 150_000, 40
BAR = 1.35  # nats of the digit, on validation reviews; guessing has 1.61


@exercise("06.4")
def _small_adapter(answer: Any) -> str:
    if not isinstance(answer, dict) or set(answer) != {"numbers", "digit_losses"}:
        raise WrongAnswerError(
            "`my_run` returns a dictionary with numbers and digit_losses.",
            "token_losses(adapter)[0][:, 0] are the digit's losses.",
        )
    count = number(answer["numbers"], "'numbers'")
    try:
        losses = np.asarray(answer["digit_losses"], dtype=float)
    except (TypeError, ValueError, OverflowError):
        losses = np.array([])
    if losses.ndim != 1 or len(losses) < _FEWEST_REVIEWS or not np.isfinite(losses).all():
        raise WrongAnswerError(
            f"'digit_losses' has one number for each of at least {_FEWEST_REVIEWS} reviews.",
            "Measure on all validation reviews: token_losses(adapter)[0][:, 0].tolist()",
        )
    if not 0 < count <= _MOST_NUMBERS:
        raise WrongAnswerError(
            f"{count:,.0f} numbers are trained; at most {_MOST_NUMBERS:,} are allowed.",
            "A lower rank, fewer layers, or only some of the matrices: numbers_of(...) counts.",
        )
    if losses.mean() > BAR:
        raise WrongAnswerError(
            f"The digit's loss is {losses.mean():.2f} nats on {len(losses)} reviews; the bar is "
            f"{BAR}. Guessing has {math.log(5):.2f}.",
            "More rows and more epochs mean more steps.",
            "Rank 1 on 16 layers has 135,168 numbers. Try 300 rows and 3 epochs.",
        )
    return f"Right: {losses.mean():.2f} nats with {count:,.0f} numbers."
