"""An eval defined for OpenAI's service, which ended on 30 November 2026, run here instead.

Knows the definition (`testing_criteria`), the rows of its data (`{"item": …}`) and the template of
what is asked; graders do the rest. Asks nobody.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example
from workbook.evals.graders import Grader, openai_grader
from workbook.grading import templates


def load(
    definition: Mapping[str, Any],
    rows: Path | Sequence[Mapping[str, Any]],
    template: Sequence[Mapping[str, str]],
    client: Any = None,
) -> tuple[list[Example], dict[str, Grader]]:
    """The examples and graders of an eval, for `evals.run` and `results.grade`.

    definition: what `client.evals.create` was given, or its `model_dump()`
    rows: the data, as objects or as a JSONL file of them; each `{"item": {…}}`
    template: the messages of a run's `input_messages`, with {{item.NAME}} in their content
    client: of the judge, for score_model and label_model
    Raises EvaluationError for a definition without graders, a row without an item, and a template
    that names what an item lacks.
    """
    criteria = definition.get("testing_criteria")
    if not criteria:
        raise EvaluationError("The definition has no `testing_criteria`: nothing can be graded.")
    graders = {}
    for number, criterion in enumerate(criteria, start=1):
        grader = {key: value for key, value in dict(criterion).items() if value is not None}
        grader.pop("id", None)  # the service's own
        graders[str(grader.get("name") or number)] = openai_grader(grader, client)
    examples = []
    for number, row in enumerate(_rows(rows), start=1):
        item = row.get("item")
        if not isinstance(item, Mapping):
            raise EvaluationError(f"Row {number} has no `item`; such data is one object a line.")
        examples.append(Example(str(number), _filled(template, dict(item), number), item=item))
    return examples, graders


def _rows(rows: Path | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    if not isinstance(rows, Path):
        return rows
    try:
        lines = rows.read_text(encoding="utf-8-sig").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{rows} can't be read as JSONL: {error}.") from None


def _filled(
    template: Sequence[Mapping[str, str]], item: dict[str, Any], number: int
) -> list[Mapping[str, Any]]:
    try:
        return [
            {"role": message["role"], "content": templates.fill_item(message["content"], item)}
            for message in template
        ]
    except (KeyError, ValueError) as error:
        raise EvaluationError(f"Row {number} does not fit the template: {error}.") from None
