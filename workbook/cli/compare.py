"""`workbook compare`: two models, or the models of two jobs, on a file of examples.

Knows options and how a report is shown. Asking, grading and statistics stand in `workbook.evals`.
"""

import json
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from workbook import doctor, paths
from workbook.cli import exits
from workbook.cli.jobs import Caller, calling
from workbook.errors import WorkbookError
from workbook.evals import asking, comparison, examples, graders, results
from workbook.evals.comparison import Report

if TYPE_CHECKING:
    import pandas as pd

Rows = list[dict[str, Any]]

_GENERAL = ""  # what click hands over for `--general` without a file: the course's own
_SHOWN = 5  # examples that flipped, each way
_GRADERS: dict[str, Callable[[], graders.Grader]] = {
    "exact": lambda: graders.exact,
    "same-word": lambda: graders.same_word,
    "contains": lambda: graders.contains,
}


class GraderOption(click.ParamType):
    """`exact`, `same-word`, `contains`, `number-within=K`, `one-of=A|B|C` or `regex=PATTERN`."""

    name = "grader"

    def convert(self, value: Any, param: Any, ctx: Any) -> graders.Grader:
        if callable(value):
            return value
        kind, _, rest = value.partition("=")
        try:
            if kind in _GRADERS and not rest:
                return _GRADERS[kind]()
            if kind == "number-within":
                return graders.number_within(float(rest))
            if kind == "one-of":
                return graders.one_of(*rest.split("|"))
            if kind == "regex" and rest:
                return graders.regex(rest)
        except ValueError:
            message = f"{rest!r} is no number; write number-within=1"
        except WorkbookError as error:
            message = str(error)
        else:
            message = f"{value!r} is none; there are {GraderOption.__doc__}"
        raise click.BadParameter(message, ctx, param)


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--data", required=True, metavar="FILE", help="Examples that neither has learned.")
@click.option(
    "--general",
    is_flag=False,
    flag_value=_GENERAL,
    metavar="[FILE]",
    help="What was forgotten? A second file, of something else; without FILE, 160 simple "
    "questions. An answer is right where it contains the right one.",
)
@click.option(
    "--grader",
    type=GraderOption(),
    default="exact",
    show_default=True,
    help="exact, same-word, contains, number-within=K, one-of=A|B|C or regex=PATTERN.",
)
@click.option("--max-tokens", type=click.IntRange(1), default=64, show_default=True, metavar="N")
@click.option("--limit", type=click.IntRange(2), metavar="N", help="Only the first N examples.")
@click.option("--yes", is_flag=True, help="Agree to the price beforehand.")
@calling
def compare(
    caller: Caller,
    a: str,
    b: str,
    data: str,
    general: str | None,
    grader: graders.Grader,
    max_tokens: int,
    limit: int | None,
    yes: bool,
) -> int:
    """Compare two models, A and B, or the models of two jobs, on the examples in FILE.

    Each row is a conversation that ends with the right answer. Every answer is kept, and not
    asked for again when the command is repeated.
    """
    client = caller.backend.client
    ids = (_model(client, a), _model(client, b))
    # Several models on one disk may share a long name: A and B tell them apart.
    names = ("A", "B")
    values: dict[str, Any] = {"models": dict(zip(names, ids, strict=True))}
    lines = [f"{name}  {id}" for name, id in zip(names, ids, strict=True)]
    if general == _GENERAL:
        general = str(paths.data("general.jsonl"))
    parts = [(data, grader, _rows(data, limit))]
    if general is not None:
        parts.append((general, graders.contains, _rows(general, limit)))
    _confirm(caller, ids, [row for _, _, rows in parts for row in rows], max_tokens, yes)
    for path, right, rows in parts:
        asked = examples.from_rows(rows)
        tables = tuple(_table(client, id, asked, right, max_tokens) for id in ids)
        report = comparison.report(names, (tables[0], tables[1]), "score")
        overlaps = {
            name: _overlap(client, source, rows) for name, source in zip(names, (a, b), strict=True)
        }
        values[path] = as_json(report) | {"trained_on": overlaps}
        lines += ["", f"{path}, {len(rows)} examples", *as_lines(report, overlaps)]
    caller.answer(values, "\n".join(lines))
    return exits.DONE


COMMANDS = {"compare": compare}


def _model(client: Any, name: str) -> str:
    """The id of a model, or of the model that a job has made."""
    if not name.startswith("ftjob-"):
        return name
    job = client.fine_tuning.jobs.retrieve(name)
    if job.fine_tuned_model is None:
        raise WorkbookError(f"Job {name} has made no model: it is {job.status}.")
    return job.fine_tuned_model


def _rows(path: str, limit: int | None) -> Rows:
    rows = doctor.read(path)[:limit]
    if len(rows) < 2:
        raise WorkbookError(f"{path} has {len(rows)} examples; a comparison needs at least two.")
    return rows


def _confirm(caller: Caller, ids: tuple[str, str], rows: Rows, max_tokens: int, yes: bool) -> None:
    """Ask for a yes to the price where there is one; answers that are kept already are counted."""
    backend = caller.backend
    tokens = backend.count(rows) // len(rows)
    prices = [backend.requests_usd(len(rows), tokens, max_tokens, id) for id in ids]
    usd = None if None in prices else sum(price or 0.0 for price in prices)
    backend.confirm(f"{len(ids) * len(rows)} requests to the two models", usd, agreed=yes)


def _table(
    client: Any, model: str, asked: list[examples.Example], grader: graders.Grader, tokens: int
) -> "pd.DataFrame":
    answers = asking.run(
        client,
        model,
        asked,
        paths.work() / "evaluations" / "compare.jsonl",
        temperature=0,
        max_completion_tokens=tokens,
    )
    return results.grade(asked, answers, {"score": grader})


def _overlap(client: Any, source: str, rows: Rows) -> int | None:
    """How many of these rows ask what a job's training file asks; None where nobody knows."""
    import openai

    jobs = client.fine_tuning.jobs
    try:
        if source.startswith("ftjob-"):
            job = jobs.retrieve(source)
        else:
            job = next(each for each in jobs.list(limit=100) if each.fine_tuned_model == source)
        text = client.files.content(job.training_file).text
    except (StopIteration, openai.OpenAIError):
        return None
    known = {
        doctor.question_of(row) for row in map(json.loads, filter(str.strip, text.split("\n")))
    }
    return sum(doctor.question_of(row) in known for row in rows)


def as_json(report: Report) -> dict[str, Any]:
    result = report.comparison
    return {
        "examples": result.n,
        "scores": {
            name: dict(zip(("mean", "low", "high"), share, strict=True))
            for name, share in zip(report.names, report.shares, strict=True)
        },
        "difference": result.difference,
        "low": result.low,
        "high": result.high,
        "p": result.p,
        "effect": result.effect,
        "verdict": result.verdict,
        "flips": report.flips.astype(object).where(report.flips.notna(), None).to_dict("records"),
    }


def as_lines(report: Report, overlaps: dict[str, int | None]) -> list[str]:
    """The report for a terminal."""
    lines = [
        f"  {name}: {mean:.3f} ({low:.3f} to {high:.3f})"
        for name, (mean, low, high) in zip(report.names, report.shares, strict=True)
    ]
    result = report.comparison
    lines += textwrap.wrap(f"  {report.verdict}", 96, subsequent_indent="  ")
    lines.append(f"  better for A: {result.only_a}, for B: {result.only_b}")
    for better in ("a", "b"):
        for flip in report.flips[report.flips["better"] == better].head(_SHOWN).itertuples():
            lines.append(
                f"    {flip.id}: right {_short(flip.label)}, A {_short(flip.a)}, B {_short(flip.b)}"
            )
    for name, count in overlaps.items():
        if count:
            lines.append(
                f"  Beware: {name} was trained on {count} of these questions; it may know them by "
                "heart."
            )
    return lines


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
