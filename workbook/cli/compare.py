"""`workbook compare`: two models, or the models of two jobs, on a file of examples.

Knows options and how a report is shown. Asking, grading and statistics stand in `workbook.evals`.
"""

import textwrap
from typing import Any

import click

from workbook import paths
from workbook.cli import exits
from workbook.cli.jobs import Caller, calling
from workbook.errors import WorkbookError
from workbook.evals import graders, two_models
from workbook.evals.comparison import Report

_GENERAL = ""  # what click hands over for `--general` without a file: the course's own
_SHOWN = 5  # examples that flipped, each way


class GraderOption(click.ParamType):
    """The name of a grader, as `graders.by_name` takes it."""

    name = "grader"

    def convert(self, value: Any, param: Any, ctx: Any) -> graders.Grader:
        if callable(value):
            return value
        try:
            return graders.by_name(value)
        except WorkbookError as error:
            raise click.BadParameter(str(error), ctx, param) from None


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
    help=f"{graders.NAMES}.",
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
    ids = (two_models.model_of(client, a), two_models.model_of(client, b))
    names = two_models.NAMES
    values: dict[str, Any] = {"models": dict(zip(names, ids, strict=True))}
    lines = [f"{name}  {id}" for name, id in zip(names, ids, strict=True)]
    if general == _GENERAL:
        general = str(paths.data("general.jsonl"))
    parts = [(data, grader, two_models.rows_of(data, limit))]
    if general is not None:
        parts.append((general, graders.contains, two_models.rows_of(general, limit)))
    _confirm(caller, ids, [row for _, _, rows in parts for row in rows], max_tokens, yes)
    for path, right, rows in parts:
        answers = paths.work() / "evaluations" / "compare.jsonl"
        report = two_models.compare(client, ids, rows, right, max_tokens, answers)
        overlaps = {
            name: two_models.overlap(client, source, rows)
            for name, source in zip(names, (a, b), strict=True)
        }
        values[path] = as_json(report) | {"trained_on": overlaps}
        lines += ["", f"{path}, {len(rows)} examples", *as_lines(report, overlaps)]
    caller.answer(values, "\n".join(lines))
    return exits.DONE


COMMANDS = {"compare": compare}


def _confirm(
    caller: Caller, ids: tuple[str, str], rows: list[Any], max_tokens: int, yes: bool
) -> None:
    """Ask for a yes to the price where there is one; answers that are kept already are counted."""
    backend = caller.backend
    tokens = backend.count(rows) // len(rows)
    prices = [backend.requests_usd(len(rows), tokens, max_tokens, id) for id in ids]
    usd = None if None in prices else sum(price or 0.0 for price in prices)
    backend.confirm(f"{len(ids) * len(rows)} requests to the two models", usd, agreed=yes)


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
