"""Two answers beside each other: a judge model in both orders, and people's votes.

A judge that prefers whatever stands first is no judge: it is asked twice, with the answers
exchanged, and only where it says the same both times it has decided (Zheng et al. 2023, "Judging
LLM-as-a-judge", position bias). Knows nothing of who answered.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example
from workbook.evals.graders import Grader

if TYPE_CHECKING:
    from openai import OpenAI

Winner = Literal["a", "b", "tie"]
_ASK = (
    "Two answers to the same question. {criterion}\n\nQuestion:\n{question}\n\n"
    "Answer 1:\n{first}\n\nAnswer 2:\n{second}\n\nWhich one? Say 1 or 2 and nothing else."
)


def in_both_orders(
    client: "OpenAI", model: str, criterion: str, question: str, a: str, b: str, **settings: Any
) -> Winner:
    """Which of two answers a judge prefers; "tie" where its choice depends on their order.

    criterion: a sentence that says what to look for
    settings: of `chat.completions.create`; default: temperature 0
    Raises EvaluationError where the judge names neither, and what the client raises.
    """
    choices = []
    for first, second in ((a, b), (b, a)):
        text = _ASK.format(criterion=criterion, question=question, first=first, second=second)
        answer = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            **({"temperature": 0, "max_completion_tokens": 4} | settings),
        )
        content = (answer.choices[0].message.content or "").strip()
        if content[:1] not in ("1", "2"):
            raise EvaluationError(f"The judge said {content[:60]!r} where 1 or 2 was asked for.")
        choices.append(content[0])
    if choices == ["1", "2"]:
        return "a"
    return "b" if choices == ["2", "1"] else "tie"


def votes(by_id: Mapping[str, float]) -> Grader:
    """People's own grades, by the examples' ids: 0 to 1; None where nobody voted.

    Raises EvaluationError for a grade outside.
    """
    for id, grade in by_id.items():
        if not 0 <= grade <= 1:
            raise EvaluationError(f"The vote on {id!r} is {grade}, not 0 to 1.")

    def grade_of(answer: str, example: Example) -> float | None:
        return by_id.get(example.id)

    return grade_of


def votes_needed(share: float, power: float = 0.8, level: float = 0.05) -> int:
    """How many blind votes it takes to see, with probability `power`, that one of two is preferred.

    The smallest number for which the exact two-sided binomial test at `level` has that power.

    share: of the votes that the better one would get, if everybody voted
    Raises EvaluationError for a share that no number of votes could show.
    """
    import numpy as np
    from scipy.stats import binom

    if not 0 < power < 1 or not 0 < level < 1 or not 0 <= share <= 1 or abs(share - 0.5) < 0.005:
        raise EvaluationError(
            f"A preference of {share:.3f} is too near to one half: no number of votes would do."
        )
    n = np.arange(1, 50 + round(4 / (share - 0.5) ** 2 / (1 - power)))
    # The most votes for the loser at which the test still rejects.
    most = binom.ppf(level / 2, n, 0.5)
    most = np.where(binom.cdf(most, n, 0.5) > level / 2, most - 1, most)
    reached = binom.cdf(most, n, share) + binom.sf(n - most - 1, n, share)
    enough = n[(reached >= power) & (most >= 0)]
    return int(enough[0])
