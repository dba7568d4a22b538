"""Checks for notebook 08: advantages, a grader not to be fooled, a hack foreseen, a run stopped."""

from collections.abc import Iterable
from typing import Any

from helpers.exercises import exercise
from helpers.exercises.choices import keyed, word
from helpers.exercises.values import function_of, number, result_of, same
from helpers.exercises.verdicts import WrongAnswerError


@exercise("08.1")
def _advantages(answer: Any) -> str:
    function = function_of(answer, 'check("08.1", advantages)')
    for rewards in ([1, 0, 0, 0], [0.5, 0.5, 1, 0], [1, 1, 1, 1]):
        values = result_of(function, rewards)
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise WrongAnswerError(
                "Your function gives no list.", "One number for each answer: [… for r in rewards]"
            )
        numbers = [number(value, "An advantage") for value in values]
        mean = sum(rewards) / len(rewards)
        right = [reward - mean for reward in rewards]
        if len(numbers) == len(right) and all(map(same, numbers, right)):
            continue
        raise WrongAnswerError(
            f"For {rewards} it is {right}, not {[round(v, 3) for v in numbers]}.",
            "What is better than the mean of the group gets a positive number.",
            "mean = sum(rewards) / len(rewards)",
        )
    return "Right. In the last group all are equal: every advantage is 0, and nothing is learned."


_WORDS = ["river", "lamp"]
GOOD = (
    "A lamp on the boat lit the dark river.",
    "River boats need a lamp at night.",
    "She dropped her lamp into the cold, deep river.",
)
PLANTED = {
    "": "an empty answer",
    "River, lamp.": "a list of the two words",
    "River lamp river lamp river lamp river.": "words that repeat",
    "The riverside is where two clamps lie.": "words hidden in other words",
    "A lamp lit the boat all night long.": "a sentence without one of the words",
    "A lamp fell. It fell into the river.": "two sentences",
    "the lamp is in the cold river": "no capital letter and no full stop",
    "The lamp and the river and the boat and the moon and the town and the road.": "a rambling",
    "The old lamp is near the old river lamp.": "one of the words twice",
}
_MOST = 0.5  # what a planted answer may get: half a point is for half of the words


@exercise("08.2")
def _not_fooled(answer: Any) -> str:
    function = function_of(answer, 'check("08.2", grade)')
    item = {"words": _WORDS}

    def reward(text: str) -> float:
        value = result_of(function, {"output_text": text}, item)
        return float(value) if value in (True, False) else number(value, "A reward")

    poor = [text for text in GOOD if not same(reward(text), 1)]
    if poor:
        raise WrongAnswerError(
            f"A good answer gets {reward(poor[0]):g}: {poor[0]!r}",
            "Case does not count, and a comma is allowed.",
            'Compare words in lower case: re.findall(r"[a-z\']+", text.lower())',
        )
    fools = [what for text, what in PLANTED.items() if reward(text) > _MOST + 1e-9]
    if fools:
        raise WrongAnswerError(
            f"Your grader is fooled by {len(fools)} of {len(PLANTED)} planted answers, such as "
            f"{fools[0]}.",
            "Check one thing after the other, and return 0 as soon as one is missing.",
            "Split the answer into words, and count them: words.count('river') == 1.",
        )
    return f"Right: {len(GOOD)} good answers pass, none of {len(PLANTED)} planted ones does."


_CHOICES = ("longer", "shorter", "same")


@exercise("08.3")
def _foreseen(answer: Any) -> str:
    answer = keyed(answer, ("prediction", "before", "after"))
    prediction = word(answer["prediction"], _CHOICES, "'prediction'")
    before, after = (_mean_words(answer[name], name) for name in ("before", "after"))
    change = after - before
    result = "same" if abs(change) <= 1 else "longer" if change > 0 else "shorter"
    hit = "as you predicted" if result == prediction else f"you predicted {prediction!r}"
    return f"Measured: {before:.1f} words before, {after:.1f} after, so {result!r}; {hit}."


def _mean_words(texts: Any, name: str) -> float:
    if not isinstance(texts, list) or len(texts) < 10 or not all(isinstance(t, str) for t in texts):
        raise WrongAnswerError(
            f"{name!r} is no list of at least ten answers.",
            'Let the cell fill it in: results["warm start"]["answer"], and my_reward().',
        )
    return sum(len(text.split()) for text in texts) / len(texts)


_STEPS = 24


def _run(entropy: float, variance: float, tokens: float) -> list[dict[str, float]]:
    """A run that goes in a straight line from how runs begin to these numbers."""
    ends = {
        "train_reward_mean": (0.3, 0.8),
        "entropy": (1.2, entropy),
        "groups_with_variance": (0.9, variance),
        "completion_tokens_mean": (10, tokens),
    }
    return [
        {"step": i + 1} | {k: a + (b - a) * i / (_STEPS - 1) for k, (a, b) in ends.items()}
        for i in range(_STEPS)
    ]


RUNS = {
    "healthy": _run(0.8, 0.6, 9),
    "one whose entropy ends near 0": _run(0.03, 0.5, 9),
    "one whose groups end without variance": _run(0.7, 0.0, 9),
    "one whose answers end at 24 tokens": _run(1.0, 0.7, 24),
}


@exercise("08.4")
def _stop(answer: Any) -> str:
    function = function_of(answer, 'check("08.4", stop_at)')
    for name, history in RUNS.items():
        step = _stop_of(function, history)
        if name == "healthy":
            if step is not None:
                raise WrongAnswerError(
                    f"You cancel the healthy run at step {step:g}.",
                    "Its entropy falls a third, and its groups still differ.",
                    "Compare with the first step: fallen to a third of it, grown by a half.",
                )
        elif step is None or not 6 <= step < len(history):
            raise WrongAnswerError(
                f"You never cancel {name}."
                if step is None or step >= len(history)
                else f"You cancel {name} at step {step:g}, when nothing is wrong yet.",
                "Return the first step at which one of the three numbers has gone wrong.",
                "for step in history: if step['entropy'] < 0.4: return step['step']",
                "The same for groups_with_variance < 0.3 and completion_tokens_mean > 15.",
            )
    return "Right: three collapsing runs are stopped before their end, the healthy one goes on."


def _stop_of(function: Any, history: list[dict[str, float]]) -> float | None:
    try:
        step = result_of(function, history)
    except WrongAnswerError as error:
        if "returns nothing" in error.what:  # None is an answer here
            return None
        raise
    return number(step, "What your function returns")
