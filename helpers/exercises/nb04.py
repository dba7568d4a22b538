"""Checks for notebook 04: steps, a checkpoint chosen, a training run of one's own, rows mended."""

from typing import Any

import pandas as pd

from helpers import ratings, reviews
from helpers.exercises import exercise
from helpers.exercises.choices import keyed, looks, word
from helpers.exercises.values import number, whole
from helpers.exercises.verdicts import WrongAnswerError
from workbook import doctor
from workbook.evals import statistics


@exercise("04.1")
def _steps(answer: Any) -> str:
    steps = number(answer)
    mistakes = {
        248: "Some examples would never be seen: 62 batches of 8 are only 496.",
        250: "Close. An epoch ends before the next begins: no batch mixes two of them.",
        2000: "That is one step for each example. A step looks at 8 examples at once.",
    }
    if steps != 252:
        raise WrongAnswerError(
            mistakes.get(int(steps), f"Not {steps:g}."),
            "How many batches has one epoch, the last and smaller one counted?",
            "Batches in one epoch, rounded up, times the epochs.",
        )
    return "Right: 63 batches in an epoch (the last one has 4 examples), times 4 epochs."


_STEPS = {
    40: "Step 40 has the highest of all validation losses but one.",
    104: "Step 104 is no checkpoint: its model was not kept.",
    120: "Step 120 is the best on the exam: what is chosen by it, it can't measure any more.",
    160: "Step 160 is the last, with the lowest training loss: memorising lowers that.",
}


@exercise("04.2")
def _choice(answer: Any) -> str:
    answer = keyed(answer, ("step", "column", "certain"))
    step = whole(answer["step"], "'step'")
    if step != 80:
        raise WrongAnswerError(
            _STEPS.get(step, f"There is no step {step} in the table."),
            "Only checkpoints can be taken.",
            "The loss on all validation reviews decides, `full_valid_loss`.",
        )
    columns = ("train_loss", "valid_loss", "full_valid_loss", "exam")
    column = word(answer["column"], columns, "'column'")
    if column != "full_valid_loss":
        reasons = {
            "train_loss": "The training loss only shows what the model remembers.",
            "valid_loss": "`valid_loss` is of 32 reviews, and lowest where there is no checkpoint.",
            "exam": "The exam must not choose: it is there to measure what was chosen.",
        }
        raise WrongAnswerError(reasons[column], "Which column is of all validation reviews?")
    if word(answer["certain"], ("yes", "no"), "'certain'") != "no":
        raise WrongAnswerError(
            "The interval goes from −0.03 to +0.06.", "Is 0, no difference at all, inside it?"
        )
    return "Right: step 80, by a rule made before, and without claiming more than 200 reviews show."


_LIMIT = 1000  # examples × epochs
_REVIEWS = 2406


@exercise("04.3")
def _plan(answer: Any) -> str:
    keys = ("examples", "n_epochs", "learning_rate_multiplier")
    answer = keyed(answer, keys, "The plan keeps")
    examples = whole(answer["examples"], "'examples'")
    if not 10 <= examples <= _REVIEWS:
        raise WrongAnswerError(
            f"A job takes 10 examples at least, and there are {_REVIEWS:,} reviews."
        )
    return f"Right: {looks(answer, examples, _LIMIT):,} looks at {examples:,} reviews."


_BAR = 0.50


@exercise("04.4")
def _trained(answer: Any) -> str:
    if not isinstance(answer, pd.DataFrame) or not {"id", "answer"} <= set(answer.columns):
        raise WrongAnswerError("Hand in what `rate` returned.", 'check("04.4", mine)')
    splits = reviews.splits()
    ids = {name: set(part["id"]) for name, part in splits.items()}
    own = {name: len(set(answer["id"]) & each) for name, each in ids.items()}
    where = {"train": "training reviews: who learned them knows them", "test": "exam reviews"}
    for name, what in where.items():
        if own[name]:
            raise WrongAnswerError(
                f"{own[name]} of these are {what}.", 'Measure on reviews.splits()["validation"].'
            )
    if len(answer) != len(ids["validation"]) or set(answer["id"]) != ids["validation"]:
        raise WrongAnswerError(
            "These are not the 200 validation reviews, each once.", "rate(model) asks for them."
        )
    truth = splits["validation"].set_index("id")["stars"][answer["id"]]
    stars = [ratings.stars(str(text)) for text in answer["answer"]]
    unreadable = sum(one is None for one in stars) / len(stars)
    if unreadable > 0.1:
        raise WrongAnswerError(
            f"{unreadable:.0%} of the answers name no stars: not even the form was learned.",
            "More looks at a review, or a higher rate. Did you ask the tuned model?",
        )
    hits = sum(one == right for one, right in zip(stars, truth, strict=True))
    low, high = statistics.of_share(hits, len(stars))
    result = f"{hits / len(stars):.3f} exact ({low:.2f} to {high:.2f})"
    if hits / len(stars) < _BAR:
        raise WrongAnswerError(
            f"{result}: below the bar of {_BAR:.2f}.",
            "Is the limit of 1,000 looks used up?",
            "New reviews teach more than the same ones again.",
            "About 500 reviews, twice, at the usual rate, are worth a try.",
        )
    return f"Right: {result} on reviews that the model has not seen, by your own plan."


@exercise("04.5")
def _mended(answer: Any) -> str:
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        raise WrongAnswerError(
            "`mended` is a list of three rows.", "Copy `broken` and repair each row."
        )
    questions = ["What is 2 + 2?", "Is ice cold?", "Who wrote Hamlet?"]
    for place, (row, question) in enumerate(zip(answer, questions, strict=True), start=1):
        problems = [
            finding
            for finding in doctor.check([row] * 10).findings
            if finding.severity == "error" and finding.line in (None, 1)
        ]
        if problems:
            raise WrongAnswerError(f"Row {place}: {problems[0].message}", problems[0].fix or "")
        if not any(
            m.get("role") == "user" and m.get("content") == question for m in row["messages"]
        ):
            raise WrongAnswerError(
                f"Row {place}: the user's question is gone.", f"It was: {question}"
            )
    return "Right: every row has a question, and an answer by the assistant to learn from."
