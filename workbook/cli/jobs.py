"""`workbook jobs`: fine-tuning jobs on any backend, the successor of `openai api fine_tunes.*`.

Says what happens on standard output, and progress on standard error; with --json there is JSON on
standard output and nothing else. How a job is sent, followed and read stands in `workbook.jobs`.
"""

import contextlib
import csv
import io
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from workbook import backends, error_sentences, jobs
from workbook.budget import comparison
from workbook.cli import exits
from workbook.cli.groups import InOrder
from workbook.doctor import profiles
from workbook.errors import WorkbookError
from workbook.jobs import follow as following
from workbook.jobs import records, send
from workbook.jobs.send import JobOptions

STATUS = {"failed": exits.NO, "cancelled": exits.CANCELLED}
SECONDS = click.option(
    "--every",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Between two looks; default: 1 on the lab, 5 elsewhere.",
)
FORCE = click.option("--force", is_flag=True, help="Also with errors in the file.")


class Caller:
    """Where a command's calls go, connected when the first one leaves, and how it answers."""

    def __init__(self, name: str | None, as_json: bool) -> None:
        self.name, self.as_json = name, as_json
        self.model: str | None = None  # another than the backend's own
        self._backend: backends.Backend | None = None

    @property
    def backend(self) -> backends.Backend:
        if self._backend is None:
            with contextlib.redirect_stdout(sys.stderr):
                _, self._backend = backends.connect(self.name, self.model)
        return self._backend

    @property
    def host(self) -> str | None:
        """Whose rules files are held to; None for a host of which none are known."""
        name = backends.name_of(self.name)
        return name if name in profiles.all_profiles() else None

    @property
    def again(self) -> str:
        """The option that leads another command to the same backend."""
        return f" --backend {self.name}" if self.name else ""

    def answer(self, value: Any, text: str) -> None:
        """Print a result: as JSON when asked for, else as text."""
        print_json(value) if self.as_json else print(text)


def print_json(value: Any) -> None:
    value = value.to_dict(mode="json") if hasattr(value, "to_dict") else value
    print(json.dumps(value, ensure_ascii=False), flush=True)


def calling(command: Callable[..., int]) -> Callable[..., int]:
    """Add --backend and --json, and turn what a server refuses into a sentence."""

    @click.option(
        "--backend",
        "name",
        type=click.Choice(backends.NAMES),
        help="Default: WORKBOOK_BACKEND, or the notebooks' choice, or lab.",
    )
    @click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
    @wraps(command)
    def with_caller(*args: Any, name: str | None, as_json: bool, **options: Any) -> int:
        import openai

        caller = Caller(name, as_json)
        try:
            return command(caller, *args, **options)
        except openai.OpenAIError as error:
            raise WorkbookError(_sentence(error, caller)) from None

    return with_caller


def _sentence(error: Exception, caller: Caller) -> str:
    """What the server's refusal means at a command line."""
    import openai

    if isinstance(error, openai.AuthenticationError):
        name = backends.KEY_NAMES.get(caller.backend.name)
        return "The key was not accepted (401). " + (
            f"Check {name}." if name else "Another lab has taken its place: try again."
        )
    if isinstance(error, openai.APIConnectionError):
        return (
            "The server can't be reached, or did not answer in time. Nothing is known to be lost."
        )
    return error_sentences.sentence(error)


class Setting(click.ParamType):
    """A number above 0, or `auto`."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = kind.__name__

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float | str:
        if value == "auto":
            return value
        try:
            number = self.kind(value)
        except ValueError:
            number = 0
        if not 0 < number < float("inf"):
            self.fail(f"a number above 0, or auto, not {value!r}", param, ctx)
        return number


class Label(click.ParamType):
    """KEY=VALUE"""

    name = "label"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, sign, text = value.partition("=")
        if not sign or not key:
            self.fail(f"KEY=VALUE, not {value!r}", param, ctx)
        return key, text


@click.group("jobs", cls=InOrder)
def jobs_group() -> None:
    """Fine-tuning jobs on any backend."""


@jobs_group.command()
@click.argument("file")
@click.option("--model", help="Check its limits and count its tokens, too.")
@FORCE
@calling
def upload(caller: Caller, file: str, model: str | None, force: bool) -> int:
    """Check a training file and upload it."""
    path = Path(file)
    send.check(path, model, force=force, host=caller.host)
    uploaded = send.upload(caller.backend, path)
    caller.answer(
        uploaded,
        f"uploaded {path.name} ({uploaded.bytes:,} bytes): {uploaded.id}\n"
        f"Next: workbook jobs create {uploaded.id}",
    )
    return exits.DONE


@jobs_group.command()
@click.argument("file")
@click.option("--model", help="What to tune; default: the backend's base model.")
@click.option("--validation", metavar="FILE", help="A file or id: loss is measured on it.")
@click.option("--suffix", help="A part of the new model's name.")
@click.option("--epochs", "n_epochs", type=Setting(int), metavar="N", help="Default: auto.")
@click.option("--batch-size", type=Setting(int), metavar="N", help="Default: auto.")
@click.option("--learning-rate-multiplier", type=Setting(float), metavar="X", help="Default: auto.")
@click.option(
    "--method",
    type=click.Choice(["supervised", "dpo", "reinforcement"]),
    default="supervised",
    show_default=True,
)
@click.option("--grader", metavar="FILE", help="reinforcement: what grades its answers, in JSON.")
@click.option(
    "--beta",
    type=Setting(float),
    metavar="X",
    help="dpo: how close to stay to the base model; default: auto.",
)
@click.option("--seed", type=int, metavar="N", help="The same seed, the same job.")
@click.option(
    "--metadata",
    type=Label(),
    multiple=True,
    metavar="KEY=VALUE",
    help="A label; may be given again.",
)
@click.option(
    "--training-type",
    type=click.Choice(send.TRAINING_TYPES),
    help="azure: where it trains, and at which price; default: the resource's region.",
)
@click.option(
    "--max-usd",
    type=click.FloatRange(0, min_open=True),
    metavar="USD",
    help="Refuse a job that can cost more, before anything is sent.",
)
@click.option("--yes", is_flag=True, help="Agree to the price beforehand.")
@FORCE
@click.option("--follow", is_flag=True, help="Stay until the job has ended.")
@SECONDS
@calling
def create(
    caller: Caller,
    metadata: tuple[tuple[str, str], ...],
    max_usd: float | None,
    yes: bool,
    follow: bool,
    every: float | None,
    **options: Any,
) -> int:
    """Start a job. FILE, and --validation, is a file, which is checked and uploaded first, or the
    id of an uploaded one."""
    caller.model = options["model"]
    job_options = JobOptions(metadata=dict(metadata) or None, host=caller.host, **options)
    job = send.create(job_options, lambda: caller.backend, agreed=yes, max_usd=max_usd)
    caller.answer(job, f"created {job.id}: {job.model} on {job_options.file}")
    if follow:
        return _until_ended(caller, job.id, every)
    if not caller.as_json:
        print(f"Next: workbook jobs follow {job.id}{caller.again}")
    return exits.DONE


@jobs_group.command()
@click.argument("job")
@SECONDS
@calling
def follow(caller: Caller, job: str, every: float | None) -> int:
    """Watch a job until it has ended."""
    return _until_ended(caller, job, every)


def _until_ended(caller: Caller, job_id: str, every: float | None) -> int:
    """Show what happens to a job until it has ended; the value is the exit status."""
    import openai

    again = f"Follow it again: workbook jobs follow {job_id}{caller.again}"
    every = every or (1.0 if caller.backend.is_lab else 5.0)
    on_event = print_json if caller.as_json else (lambda event: None)
    try:
        job = following.follow(caller.backend.client, job_id, every, on_event)
    except KeyboardInterrupt:
        print(f"\nStopped watching; the job goes on. {again}", file=sys.stderr)
        return exits.INTERRUPTED
    except openai.APIConnectionError:
        raise WorkbookError(
            f"The server can't be reached; a job goes on without it being watched. {again}"
        ) from None
    comparison.keep(caller.backend.client, job, caller.backend.name)
    if job.status == "succeeded":
        text = f"succeeded: {job.fine_tuned_model}\n"
        text += f"Next: workbook jobs results {job_id}{caller.again}"
    else:
        reason = f": {job.error.message}" if job.error and job.error.message else ""
        text = f"{job.status}{reason}"
    caller.answer(job, text)
    return STATUS.get(job.status, exits.DONE)


@jobs_group.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N")
@calling
def list_(caller: Caller, limit: int) -> int:
    """The newest jobs."""
    newest = records.newest(caller.backend.client, limit)
    if caller.as_json:
        print_json([job.to_dict(mode="json") for job in newest])
    else:
        lines = [records.line(job) for job in newest]
        print("\n".join(lines) or "No jobs yet. Start one: workbook jobs create FILE")
    return exits.DONE


@jobs_group.command()
@click.argument("job")
@calling
def show(caller: Caller, job: str) -> int:
    """One job with its last events."""
    client = caller.backend.client
    record = client.fine_tuning.jobs.retrieve(job)
    caller.answer(record, "" if caller.as_json else records.describe(client, record))
    return exits.DONE


@jobs_group.command()
@click.argument("job")
@calling
def cancel(caller: Caller, job: str) -> int:
    """End a job that has not ended."""
    cancelled = caller.backend.client.fine_tuning.jobs.cancel(job)
    caller.answer(cancelled, f"{cancelled.id}: {cancelled.status}")
    return exits.DONE


@jobs_group.command()
@click.argument("job")
@click.option(
    "--save", type=click.Path(path_type=Path), metavar="FILE", help="Write it there instead."
)
@calling
def results(caller: Caller, job: str, save: Path | None) -> int:
    """Print a job's result file (CSV)."""
    if save and save.exists():
        raise WorkbookError(f"{save} is there already: nothing is written over it.")
    client = caller.backend.client
    table = jobs.result_text(client, client.fine_tuning.jobs.retrieve(job))
    if save:
        save.write_text(table, encoding="utf-8")
        print(f"wrote {save}", file=sys.stderr)
    if caller.as_json:
        rows = csv.DictReader(io.StringIO(table))
        print_json(
            [
                {name: json.loads(cell) if cell else None for name, cell in row.items()}
                for row in rows
            ]
        )
    elif not save:
        print(table, end="")
    return exits.DONE


@jobs_group.command()
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N")
@calling
def costs(caller: Caller, limit: int) -> int:
    """Estimate and bill side by side: this backend's newest jobs, and all noted before."""
    client = caller.backend.client
    for job in records.newest(client, limit):
        comparison.keep(client, job, caller.backend.name)
    if caller.as_json:
        print_json(comparison.rows())
    else:
        comparison.show()
    return exits.DONE


COMMANDS = {"jobs": jobs_group}
