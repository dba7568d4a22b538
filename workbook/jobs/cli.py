"""The jobs' command line: `workbook jobs`, then what it shall do, on any backend.

The successor of `openai api fine_tunes.*`. Says what happens on standard output, and progress on
standard error; with --json there is JSON on standard output and nothing else.

Exit status: 0 done (followed: succeeded), 1 the job failed, 2 the command could not be carried out,
3 the job was cancelled, 4 refused: the file has errors, or nobody agreed to the price.
"""

import argparse
import contextlib
import csv
import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook import backends, error_sentences, jobs
from workbook.errors import WorkbookError
from workbook.jobs import follow, send

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob


FAILED, ERROR, CANCELLED, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130
STATUS = {"failed": FAILED, "cancelled": CANCELLED}
_SHOWN = 5  # events that are printed


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command; the value is the exit status."""
    import openai

    chosen = _parser().parse_args(arguments)
    try:
        return chosen.run(chosen)
    except WorkbookError as error:
        return _say(error, REFUSED if isinstance(error, send.Refused) else ERROR)
    except openai.OpenAIError as error:
        return _say(_sentence(error, chosen), ERROR)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # `… | head` has seen enough
            sys.stderr.close()
            return 0
        return _say(f"{error.filename or 'A file'}: {error.strerror}.", ERROR)
    except KeyboardInterrupt:
        return _say("stopped", INTERRUPTED)


def _say(error: object, status: int) -> int:
    print(f"error: {error}" if status in (ERROR, REFUSED) else error, file=sys.stderr)
    return status


def _sentence(error: Exception, chosen: argparse.Namespace) -> str:
    """What the server's refusal means at a command line."""
    import openai

    if isinstance(error, openai.AuthenticationError):
        name = backends.KEY_NAMES.get(_backend_name(chosen), "")
        return "The key was not accepted (401). " + (
            f"Check {name}." if name else "Another lab has taken its place: try again."
        )
    if isinstance(error, openai.APIConnectionError):
        return (
            "The server can't be reached, or did not answer in time. Nothing is known to be lost."
        )
    return error_sentences.sentence(error)


def _backend_name(chosen: argparse.Namespace) -> str:
    return chosen.connected.name if getattr(chosen, "connected", None) else chosen.backend or ""


# The commands and their options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workbook jobs",
        description="Fine-tuning jobs on any backend.",
        epilog="Exit status: 0 done (followed: succeeded), 1 the job failed, 2 the command could "
        "not be carried out, 3 the job was cancelled, 4 refused: the file has errors, or nobody "
        "agreed to the price, 130 stopped with Ctrl-C (a job goes on).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str,
        run: Callable[[argparse.Namespace], int],
        told: str,
        what: str | None = None,
        help: str | None = None,
    ) -> argparse.ArgumentParser:
        its = commands.add_parser(name, help=told, description=told)
        if what:
            its.add_argument(what.lower(), metavar=what, help=help)
        its.add_argument(
            "--backend",
            choices=backends.NAMES,
            help="default: WORKBOOK_BACKEND, or the notebooks' choice, or lab",
        )
        its.add_argument("--json", action="store_true", help="JSON on standard output")
        its.set_defaults(run=run)
        return its

    upload = command("upload", _upload, "Check a training file and upload it.", "FILE")
    upload.add_argument("--model", help="check its limits and count its tokens, too")
    create = command(
        "create",
        _create,
        "Start a job; a file is checked and uploaded first.",
        "FILE",
        "a file, or the id of an uploaded one",
    )
    create.add_argument("--model", help="what to tune; default: the backend's base model")
    create.add_argument("--validation", metavar="FILE", help="a file or id: loss is measured on it")
    create.add_argument("--suffix", help="a part of the new model's name")
    create.add_argument("--epochs", type=_setting(int), metavar="N", help="default: auto")
    create.add_argument("--batch-size", type=_setting(int), metavar="N", help="default: auto")
    create.add_argument(
        "--learning-rate-multiplier", type=_setting(float), metavar="X", help="default: auto"
    )
    create.add_argument("--method", choices=["supervised", "dpo"], default="supervised")
    create.add_argument(
        "--beta",
        type=_setting(float),
        metavar="X",
        help="dpo: how close to stay to the base model; default: auto",
    )
    create.add_argument("--seed", type=int, metavar="N", help="the same seed, the same job")
    create.add_argument(
        "--metadata",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a label; may be given again",
    )
    create.add_argument("--yes", action="store_true", help="agree to the price beforehand")
    create.add_argument("--follow", action="store_true", help="stay until the job has ended")
    for its in (upload, create):
        its.add_argument("--force", action="store_true", help="also with errors in the file")
    following = command("follow", _follow, "Watch a job until it has ended.", "JOB")
    for its in (create, following):
        its.add_argument(
            "--every",
            type=_number(float),
            default=None,
            metavar="SECONDS",
            help="between two looks; default: 1 on the lab, 5 elsewhere",
        )
    listing = command("list", _list, "The newest jobs.")
    listing.add_argument(
        "--limit", type=_number(int), default=20, metavar="N", help="how many (default 20)"
    )
    command("show", _show, "One job with its last events.", "JOB")
    command("cancel", _cancel, "End a job that has not ended.", "JOB")
    results = command("results", _results, "Print a job's result file (CSV).", "JOB")
    results.add_argument("--save", type=Path, metavar="FILE", help="write it there instead")
    return parser


def _setting(kind: type) -> Callable[[str], Any]:
    """A number, or `auto`."""
    return lambda text: text if text == "auto" else _number(kind)(text)


def _number(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"a number above 0, not {text!r}")
        return value

    return read


def _pair(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise argparse.ArgumentTypeError(f"KEY=VALUE, not {text!r}")
    return key, value


def _connect(chosen: argparse.Namespace) -> backends.Backend:
    """The backend; what `connect` says of it goes to standard error."""
    if getattr(chosen, "connected", None) is None:
        with contextlib.redirect_stdout(sys.stderr):
            _, chosen.connected = backends.connect(chosen.backend, getattr(chosen, "model", None))
    return chosen.connected


def _print_json(value: Any) -> None:
    value = value.to_dict(mode="json") if hasattr(value, "to_dict") else value
    print(json.dumps(value, ensure_ascii=False), flush=True)


# Files


def _upload(chosen: argparse.Namespace) -> int:
    path = Path(chosen.file)
    send.checked(path, chosen.model, force=chosen.force)
    file = _send(_connect(chosen), path)
    if chosen.json:
        _print_json(file)
    else:
        print(f"uploaded {path.name} ({file.bytes:,} bytes): {file.id}")
        print(f"Next: workbook jobs create {file.id}")
    return 0


def _send(backend: backends.Backend, path: Path) -> Any:
    with path.open("rb") as bytes_of:
        file = backend.client.files.create(file=(path.name, bytes_of), purpose="fine-tune")
    if backend.name == "azure":  # a job on a file that is still being read is refused there
        file = backend.client.files.wait_for_processing(file.id)
    return file


def _is_id(text: str) -> bool:
    return not Path(text).exists() and re.fullmatch(r"file-?[A-Za-z0-9_-]+", text) is not None


# Jobs


def _create(chosen: argparse.Namespace) -> int:
    if chosen.beta is not None and chosen.method != "dpo":
        raise WorkbookError("--beta belongs to --method dpo.")
    backend = None
    if any(_is_id(name) for name in (chosen.file, chosen.validation) if name):
        backend = _connect(chosen)  # else the files are looked at first
    model = chosen.model or (backend.model if backend else None)
    about = {"suffix": chosen.suffix, "metadata": dict(chosen.metadata) or None}
    training = (
        chosen.file
        if _is_id(chosen.file)
        else send.checked(Path(chosen.file), model, job=about, force=chosen.force)
    )
    if not isinstance(training, str) and not chosen.force:
        preferences = training.kind == "preference"
        if preferences != (chosen.method == "dpo"):
            needs, other = (
                ("dpo", "preferences") if preferences else ("supervised", "no preferences")
            )
            raise WorkbookError(f"{chosen.file} holds {other}: that is for --method {needs}.")
    if chosen.validation and not _is_id(chosen.validation):
        send.checked(Path(chosen.validation), force=chosen.force, validation=True)
    backend = _connect(chosen)
    epochs = chosen.epochs if isinstance(chosen.epochs, int) else None
    send.agree(backend, training, epochs, chosen.yes)
    body = _body(chosen, backend)
    job = backend.client.fine_tuning.jobs.create(**body)
    if chosen.json:
        _print_json(job)
    else:
        print(f"created {job.id}: {job.model} on {chosen.file}")
    if chosen.follow:
        return _until_ended(chosen, job.id)
    if not chosen.json:
        print(f"Next: workbook jobs follow {job.id}{_same_backend(chosen)}")
    return 0


def _body(chosen: argparse.Namespace, backend: backends.Backend) -> dict[str, Any]:
    """The request; what was left to the server is left out."""
    names = {
        "n_epochs": chosen.epochs,
        "batch_size": chosen.batch_size,
        "learning_rate_multiplier": chosen.learning_rate_multiplier,
        "beta": chosen.beta,
    }
    method: dict[str, Any] | None = {"type": chosen.method}
    if given := {name: value for name, value in names.items() if value is not None}:
        method[chosen.method] = {"hyperparameters": given}
    elif chosen.method == "supervised":  # what every host means when nothing is said
        method = None
    body = {
        "model": backend.model,
        "suffix": chosen.suffix,
        "seed": chosen.seed,
        "metadata": dict(chosen.metadata) or None,
        "method": method,
    }
    for key, name in (("training_file", chosen.file), ("validation_file", chosen.validation)):
        if name:
            body[key] = name if _is_id(name) else _send(backend, Path(name)).id
    return {key: value for key, value in body.items() if value is not None}


def _list(chosen: argparse.Namespace) -> int:
    client, found = _connect(chosen).client, []
    for job in client.fine_tuning.jobs.list(limit=min(100, chosen.limit)):
        found.append(job)
        if len(found) == chosen.limit:
            break
    if chosen.json:
        _print_json([job.to_dict(mode="json") for job in found])
        return 0
    for job in found:
        print(
            f"{job.id}  {job.status:<16}  {_day(job.created_at)}  "
            f"{job.fine_tuned_model or job.model}"
        )
    if not found:
        print("No jobs yet. Start one: workbook jobs create FILE")
    return 0


def _show(chosen: argparse.Namespace) -> int:
    client = _connect(chosen).client
    job = client.fine_tuning.jobs.retrieve(chosen.job)
    if chosen.json:
        _print_json(job)
        return 0
    hyper = _hyperparameters(job)
    lines = {
        "job": job.id,
        "status": job.status.replace("_", " "),
        "model": job.model,
        "fine-tuned model": job.fine_tuned_model,
        "method": job.method and job.method.type,
        "hyperparameters": ", ".join(f"{name} {value}" for name, value in hyper.items()),
        "seed": job.seed,
        "training file": job.training_file,
        "validation file": job.validation_file,
        "created": _day(job.created_at),
        "finished": job.finished_at and _day(job.finished_at),
        "trained tokens": job.trained_tokens and f"{job.trained_tokens:,}",
        "metadata": job.metadata and ", ".join(f"{k}={v}" for k, v in job.metadata.items()),
        "result file": ", ".join(job.result_files),
        "error": job.error and job.error.message,
    }
    for name, value in lines.items():
        if value not in (None, ""):
            print(f"{name:<18}{value}")
    events = client.fine_tuning.jobs.list_events(job.id, limit=_SHOWN).data
    for event in reversed(events):
        print(f"  {_day(event.created_at)}  {event.message}")
    return 0


def _hyperparameters(job: "FineTuningJob") -> dict[str, Any]:
    """The settings, from `method` or from where they stood before."""
    its = getattr(job.method, job.method.type, None) if job.method else None
    settings = (its and its.hyperparameters) or job.hyperparameters
    return {name: value for name, value in settings.to_dict().items() if value is not None}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _cancel(chosen: argparse.Namespace) -> int:
    job = _connect(chosen).client.fine_tuning.jobs.cancel(chosen.job)
    if chosen.json:
        _print_json(job)
    else:
        print(f"{job.id}: {job.status}")
    return 0


def _results(chosen: argparse.Namespace) -> int:
    if chosen.save and chosen.save.exists():
        raise WorkbookError(f"{chosen.save} is there already: nothing is written over it.")
    client = _connect(chosen).client
    job = client.fine_tuning.jobs.retrieve(chosen.job)
    table = jobs.result_text(client, job)
    if chosen.save:
        chosen.save.write_text(table, encoding="utf-8")
        print(f"wrote {chosen.save}", file=sys.stderr)
    if chosen.json:
        rows = csv.DictReader(io.StringIO(table))
        _print_json(
            [
                {name: json.loads(cell) if cell else None for name, cell in row.items()}
                for row in rows
            ]
        )
    elif not chosen.save:
        print(table, end="")
    return 0


# Following


def _follow(chosen: argparse.Namespace) -> int:
    return _until_ended(chosen, chosen.job)


def _until_ended(chosen: argparse.Namespace, job_id: str) -> int:
    """Tell what happens to a job until it has ended; the value is the exit status."""
    import openai

    again = f"Follow it again: workbook jobs follow {job_id}{_same_backend(chosen)}"
    backend = _connect(chosen)
    every = chosen.every or (1.0 if backend.is_lab else 5.0)
    told = _print_json if chosen.json else (lambda event: None)
    try:
        job = follow.follow(backend.client, job_id, every, told)
    except KeyboardInterrupt:
        print(f"\nStopped watching; the job goes on. {again}", file=sys.stderr)
        return INTERRUPTED
    except openai.APIConnectionError:
        raise WorkbookError(
            f"The server can't be reached; a job goes on without it being watched. {again}"
        ) from None
    if chosen.json:
        _print_json(job)
    elif job.status == "succeeded":
        print(f"succeeded: {job.fine_tuned_model}")
        print(f"Next: workbook jobs results {job_id}{_same_backend(chosen)}")
    else:
        reason = f": {job.error.message}" if job.error and job.error.message else ""
        print(f"{job.status}{reason}")
    return STATUS.get(job.status, 0)


def _same_backend(chosen: argparse.Namespace) -> str:
    return f" --backend {chosen.backend}" if chosen.backend else ""


if __name__ == "__main__":
    sys.exit(main())
