"""The options that commands share which read training data."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from workbook.doctor import profiles


class Shares(click.ParamType):
    """`train=0.8,test=0.2` as a dictionary."""

    name = "shares"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, float]:
        if isinstance(value, dict):
            return value
        try:
            pairs = (each.split("=") for each in value.split(","))
            return {name: float(share) for name, share in pairs}
        except ValueError:
            self.fail("write it like train=0.8,validation=0.1,test=0.1", param, ctx)


class Columns(click.ParamType):
    """`prompt=Question,completion=Answer` as a dictionary."""

    name = "columns"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        pairs = [each.partition("=") for each in value.split(",")]
        if not all(name.strip() and sign and column.strip() for name, sign, column in pairs):
            self.fail("write it like prompt=Question,completion=Answer", param, ctx)
        return {name.strip(): column.strip() for name, _, column in pairs}


FILE = click.argument("file")
FILES = click.argument("files", nargs=-1, required=True, metavar="FILE…")
MODEL = click.option("--model", help="Count tokens, limits and prices for this model.")
HOST = click.option(
    "--for",
    "host",
    type=click.Choice(list(profiles.all_profiles())),
    help="The host that will train on it: its own rules and limits hold (default: OpenAI's).",
)
FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
SHARES = click.option(
    "--shares",
    type=Shares(),
    default={"train": 0.9, "validation": 0.1},
    metavar="NAME=SHARE,…",
    help="Default: train=0.9,validation=0.1.",
)
SEED = click.option("--seed", type=int, default=42, show_default=True, metavar="N")


def reading(command: Callable[..., int]) -> Callable[..., int]:
    """Add what says how a file is to be read; the command gets it as `reading`, for the doctor."""

    @click.option(
        "--columns",
        type=Columns(),
        metavar="NAME=COLUMN,…",
        help="Which column, or key, is what: prompt=Question,completion=Answer; by number where "
        "there are no headings.",
    )
    @click.option("--assistant", help="WhatsApp: whose words are learned.")
    @click.option(
        "--gap",
        type=float,
        metavar="HOURS",
        help="WhatsApp: the pause after which a new conversation starts (default 6).",
    )
    @click.option(
        "--consent",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="WhatsApp: who agreed, one name a line; with others in the chat nothing is read.",
    )
    @click.option(
        "--without",
        multiple=True,
        metavar="NAME",
        help="WhatsApp: leave out the conversations in which NAME wrote.",
    )
    @click.option("--no-mask", is_flag=True, help="WhatsApp: keep names and numbers.")
    @wraps(command)
    def with_options(
        *args: Any,
        columns: dict[str, str] | None,
        assistant: str | None,
        gap: float | None,
        consent: Path | None,
        without: tuple[str, ...],
        no_mask: bool,
        **options: Any,
    ) -> int:
        mask = False if no_mask else None
        values: dict[str, Any] = {"columns": columns, "assistant": assistant, "gap_hours": gap}
        values |= {"mask": mask, "without": list(without) or None}
        if consent is not None:
            values["consent"] = consent.read_text(encoding="utf-8-sig").splitlines()
        reading = {name: value for name, value in values.items() if value is not None}
        return command(*args, reading=reading, **options)

    return with_options
