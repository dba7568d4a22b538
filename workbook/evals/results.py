"""Graded answers as a table, and tables summed up: scores with intervals, classes, tokens, price.

Knows answers and graders. Knows nothing of asking and of charts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbook.evals import statistics
from workbook.evals.answers import Answer
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example
from workbook.evals.graders import Grader

if TYPE_CHECKING:
    import pandas as pd

_TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "seconds", "usd")


def grade(
    examples: Sequence[Example], answers: Sequence[Answer], graders: Mapping[str, Grader]
) -> "pd.DataFrame":
    """One row an example: id, cluster, label, answer, error, each grader's score, tokens, price.

    A score is 0 where the grader could not read the answer, or where there is none; the column
    `unread` says in which rows that was so for any grader.
    Raises EvaluationError where examples and answers do not belong together.
    """
    import pandas as pd

    if [each.id for each in examples] != [each.id for each in answers]:
        raise EvaluationError("These answers were not given to these examples, in this order.")
    rows: list[dict[str, Any]] = []
    for example, answer in zip(examples, answers, strict=True):
        scores = {
            name: None if answer.text is None else grader(answer.text, example)
            for name, grader in graders.items()
        }
        rows.append(
            {
                "id": example.id,
                "cluster": example.cluster if example.cluster is not None else example.id,
                "label": example.label,
                "answer": answer.text,
                "error": answer.error,
                **{name: 0.0 if score is None else float(score) for name, score in scores.items()},
                "unread": None in scores.values(),
                **{name: getattr(answer, name) for name in _TOKENS},
            }
        )
    return pd.DataFrame(rows)


def summary(
    results: Mapping[str, "pd.DataFrame"], graders: Sequence[str], clustered: bool = False
) -> "pd.DataFrame":
    """One row a result: answers, each grader's mean with its 95 % interval, unread, tokens, USD.

    Columns of a grader: its name, and name_low, name_high. Tokens are means, seconds the median,
    usd the sum. clustered: what shares a cluster is drawn together.
    """
    import pandas as pd

    rows = {}
    for name, table in results.items():
        row: dict[str, Any] = {"answers": len(table)}
        for grader in graders:
            low, high = statistics.of_scores(table[grader], table["cluster"] if clustered else None)
            row |= {grader: table[grader].mean(), f"{grader}_low": low, f"{grader}_high": high}
        row["unread"] = table["unread"].mean()
        row |= {each: table[each].mean() for each in ("prompt_tokens", "completion_tokens")}
        row["seconds"] = table["seconds"].astype(float).median()
        row["usd"] = table["usd"].astype(float).sum(min_count=len(table))
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def by_class(
    table: "pd.DataFrame", read: Callable[[str], Any], none: str = "none"
) -> "pd.DataFrame":
    """Precision, recall and F1 of each label, by scikit-learn; how often it is right and is said.

    read: the class that an answer names, or None, which counts as a class that is never right
    """
    import pandas as pd
    from sklearn.metrics import precision_recall_fscore_support

    truth = [str(label) for label in table["label"]]
    said = [_said(answer, read, none) for answer in table["answer"]]
    labels = sorted(set(truth))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, said, labels=labels, zero_division=0.0
    )
    counts = [said.count(label) for label in labels]
    columns = {"precision": precision, "recall": recall, "f1": f1, "true": support, "said": counts}
    return pd.DataFrame(columns, index=labels)


def _said(answer: str | None, read: Callable[[str], Any], none: str) -> str:
    value = read(answer) if isinstance(answer, str) else None
    return none if value is None else str(value)
