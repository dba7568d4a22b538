"""Examples for other evaluation programs, and what those say of them, read back.

Knows the files of inspect-ai and promptfoo; asks nobody, and grades nothing itself. Graders that
the two have as well: "exact" (the label, white space aside) and "contains" (the label somewhere in
the answer, whatever its case).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from workbook import files
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example

Shared = Literal["exact", "contains"]
_INSPECT = {"exact": "exact", "contains": "includes"}
_PROMPTFOO = {"exact": "equals", "contains": "icontains"}
_TASK = '''\
"""{n} examples, to be asked with inspect-ai, in this folder:

    inspect eval task.py --model openai-api/lab/MODEL

with the lab's address in LAB_BASE_URL and its key in LAB_API_KEY.
"""

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import {scorer}
from inspect_ai.solver import generate


@task
def examples():
    return Task(
        dataset=json_dataset(str(Path(__file__).parent / "dataset.jsonl")),
        solver=generate(),
        scorer={scorer}(),
        config=GenerateConfig(temperature=0, max_tokens={max_tokens}),
    )
'''


def to_inspect(
    examples: Sequence[Example], folder: Path, grader: Shared, max_tokens: int = 64
) -> Path:
    """Write `dataset.jsonl` and `task.py` for inspect-ai into a folder; the value is the task.

    max_tokens: of one answer
    Raises EvaluationError for a grader that it has not, and where a file is there already.
    """
    _check(grader)
    rows = [
        {
            "id": example.id,
            "input": [dict(message) for message in example.messages],
            "target": str(example.label),
        }
        for example in examples
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    _write(folder / "dataset.jsonl", lines)
    task = _TASK.format(n=len(rows), scorer=_INSPECT[grader], max_tokens=max_tokens)
    return _write(folder / "task.py", task)


def from_inspect(log: Path) -> dict[str, float]:
    """The score of each example by its id, from a log that inspect-ai wrote as JSON.

    Raises EvaluationError where it is none, or the run failed.
    """
    content = _read(log)
    if content.get("status") != "success" or "samples" not in content:
        raise EvaluationError(
            f"{log.name} is no log of a run that ended well (status {content.get('status')!r})."
        )
    scores = {}
    for sample in content["samples"]:
        [score] = sample["scores"].values()
        value = score["value"]
        scores[str(sample["id"])] = {"C": 1.0, "I": 0.0}.get(value, value)
    return scores


def to_promptfoo(
    examples: Sequence[Example],
    folder: Path,
    grader: Shared,
    model: str,
    base_url: str,
    max_tokens: int = 64,
) -> Path:
    """Write `promptfooconfig.json` into a folder; the value is that file.

    base_url: of the lab or another host; the key is read from OPENAI_API_KEY
    max_tokens: of one answer
    Raises EvaluationError for a grader that it has not, and where the file is there already.
    """
    _check(grader)
    config = {
        "description": f"{len(examples)} examples",
        "providers": [
            {
                "id": f"openai:chat:{model}",
                "config": {"apiBaseUrl": base_url, "temperature": 0, "max_tokens": max_tokens},
            }
        ],
        # The conversation is a variable: what stands in it is not read as a template.
        "prompts": ["{{ messages | dump | safe }}"],
        "tests": [
            {
                "description": example.id,
                "vars": {"messages": [dict(message) for message in example.messages]},
                "assert": [{"type": _PROMPTFOO[grader], "value": str(example.label)}],
                "options": {"disableVarExpansion": True, "transform": "output.trim()"},
            }
            for example in examples
        ],
    }
    text = json.dumps(config, ensure_ascii=False, indent=1) + "\n"
    return _write(folder / "promptfooconfig.json", text)


def from_promptfoo(results: Path) -> dict[str, float]:
    """The score of each example by its id, from what `promptfoo eval --output FILE.json` wrote.

    Raises EvaluationError where it is none.
    """
    content = _read(results)
    try:
        rows = content["results"]["results"]
        return {row["testCase"]["description"]: float(row["success"]) for row in rows}
    except (KeyError, TypeError):
        raise EvaluationError(f"{results.name} holds no results of promptfoo.") from None


def _check(grader: str) -> None:
    if grader not in _INSPECT:
        raise EvaluationError(
            f"{grader!r} can't be taken along: {' and '.join(_INSPECT)} are known to both programs."
        )


def _write(path: Path, text: str) -> Path:
    if path.exists():
        raise EvaluationError(f"{path} is there already. Name another folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace_text(path, text)
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path} can't be read as JSON: {error}.") from None
    return content if isinstance(content, dict) else {}
