"""What a model is asked about: the messages, the right answer, and what else a grader needs.

Knows how examples come out of training rows and tables. Knows nothing of clients and grading.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbook.evals.errors import EvaluationError

if TYPE_CHECKING:
    import pandas as pd

Message = Mapping[str, Any]
Prompt = Callable[[Any], "list[Message]"]


@dataclass(frozen=True)
class Example:
    """One question with its right answer.

    messages: what is sent, as in `chat.completions.create`
    label: the right answer: a text, a number, anything that the grader understands; None where
        there is none
    cluster: what it belongs to (sentences of one review share it), for intervals; None: to nothing
    item: more that a grader may look at, by name
    """

    id: str
    messages: list[Message]
    label: Any = None
    cluster: str | None = None
    item: Mapping[str, Any] = field(default_factory=dict)


def from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Example]:
    """Examples from rows as they are trained on: the last answer is the label, the rest is asked.

    Keys beside `messages` (tools aside) go into `item`. The id is the row's own `id`, else its
    number, from 1. Raises EvaluationError for a row without messages that end with an answer.
    """
    examples = []
    for number, row in enumerate(rows, start=1):
        messages = row.get("messages") if isinstance(row, Mapping) else None
        is_chat = isinstance(messages, list) and all(isinstance(each, Mapping) for each in messages)
        if not messages or not is_chat:
            raise EvaluationError(
                f"Row {number} has no `messages` as a chat has them, so there is nothing to ask. "
                "Convert the file with `workbook convert --to chat`."
            )
        last = messages[-1]
        if last.get("role") != "assistant" or not isinstance(last.get("content"), str):
            raise EvaluationError(
                f"Row {number} does not end with an answer in words, so nothing can be compared "
                "with it. End it with an assistant message, or build `Example`s yourself."
            )
        item = {key: value for key, value in row.items() if key not in ("messages", "id")}
        id = str(row.get("id", number))
        examples.append(Example(id, list(messages[:-1]), last["content"], item=item))
    return _distinct(examples)


def from_table(
    table: "pd.DataFrame",
    prompt: Prompt,
    label: str = "label",
    id: str = "id",
    cluster: str | None = None,
) -> list[Example]:
    """Examples from a table, one a row.

    prompt: makes the messages from a row of the table
    label, id, cluster: the columns of these
    Raises EvaluationError where a column is missing.
    """
    missing = [name for name in (label, id, cluster) if name and name not in table]
    if missing:
        raise EvaluationError(
            f"The table has no column {missing[0]!r}. It has: {', '.join(map(str, table))}."
        )
    return _distinct(
        [
            Example(
                str(row[id]),
                prompt(row),
                row[label],
                str(row[cluster]) if cluster else None,
                {str(key): value for key, value in row.items()},
            )
            for row in table.to_dict("records")
        ]
    )


def _distinct(examples: list[Example]) -> list[Example]:
    """The same examples. Raises EvaluationError where two have one id."""
    ids: set[str] = set()
    for example in examples:
        if example.id in ids:
            raise EvaluationError(
                f"Two examples have the id {example.id!r}. Results are matched by id, so give each "
                "its own."
            )
        ids.add(example.id)
    return examples
