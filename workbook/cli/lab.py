"""`workbook lab`: the lab is started, stopped and looked after.

What the lab does in between stands in `workbook.lab`.
"""

import os
import sys
from datetime import datetime
from pathlib import Path

import click

from workbook import confirm
from workbook.cli import exits, export, groups, lab_keys
from workbook.cli.state import with_state
from workbook.errors import RefusedError, WorkbookError
from workbook.lab import client, reach
from workbook.lab import reset as resetting
from workbook.lab.model import bases, weights
from workbook.lab.quotas import Limits
from workbook.lab.state import inventory
from workbook.lab.students import Students

DEVICES = ("auto", "cpu", "cuda", "mps")
LIMITS = Limits()


@click.group(
    cls=groups.InOrder, epilog="Its state is in the folder that `status` names. More: docs/lab.md"
)
def lab() -> None:
    """The lab answers OpenAI's files, fine-tuning and chat API on this machine, and really trains
    a small model."""


@lab.command()
@with_state
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8321, or a free one.")
@click.option(
    "--base",
    metavar="NAME",
    help=f"The base model to chat with and to tune; default: {bases.VARIABLE}, or {weights.MODEL}.",
)
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    help="Where to compute; default: WORKBOOK_LAB_DEVICE, or auto (a GPU where there is one).",
)
@click.option(
    "--api-key",
    metavar="KEY",
    help="The key that clients send; default: WORKBOOK_LAB_KEY, or one that is made once and kept "
    "in the state folder.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    help="Listen on this address, so that other machines reach the lab (0.0.0.0: on every one); "
    "needs --keys, or a key of your own for everybody. Default: this machine only.",
)
@click.option(
    "--host-name",
    "names",
    metavar="NAME",
    multiple=True,
    help="Another name by which clients may call the lab, such as a container's.",
)
@click.option(
    "--cors",
    "origins",
    metavar="ORIGIN",
    multiple=True,
    help="Let pages of this origin (http://localhost:3000) call the lab from a browser.",
)
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A key for each student, as `workbook lab keys make` writes them: each sees what is "
    "theirs alone, jobs have their turn by student, and the limits below hold.",
)
@click.option(
    "--max-jobs",
    type=click.IntRange(1),
    help=f"With --keys: jobs of one student at once; default: {LIMITS.jobs}.",
)
@click.option(
    "--max-megabytes",
    type=click.IntRange(1),
    help="With --keys: files and tuned models that one student keeps; default: "
    f"{LIMITS.megabytes}.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    help=f"With --keys: requests of one student in a minute; default: {LIMITS.requests}.",
)
def serve(
    folder: Path,
    port: int | None,
    base: str | None,
    device: str | None,
    api_key: str | None,
    host: str | None,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    keys: Path | None,
    **limits: int | None,
) -> int:
    """Run the lab until it is stopped."""
    from workbook.lab import serving_process  # other commands need none of what it brings

    if api_key:
        os.environ["WORKBOOK_LAB_KEY"] = api_key
        _hide(api_key)
    if device:
        os.environ["WORKBOOK_LAB_DEVICE"] = device  # the training process reads it, too
    key = api_key or os.environ.get("WORKBOOK_LAB_KEY")
    who = reach.reach(host, names, origins, key, keys is not None)
    students = None if keys is None else Students(keys)
    serving_process.serve(folder, port, base, key, who, students, _limits(keys, limits))
    return exits.DONE


def _limits(keys: Path | None, options: dict[str, int | None]) -> Limits:
    """The limits that were asked for, by their options' names."""
    numbers = {name.removeprefix("max_"): n for name, n in options.items() if n is not None}
    if numbers and keys is None:
        option = f"--max-{next(iter(numbers))}"
        raise WorkbookError(f"{option} is a limit for each student: give their keys with --keys.")
    return Limits(**numbers)


def _hide(key: str) -> None:
    """Begin again without the key among the arguments: everybody on the machine can list those."""
    arguments = list(sys.orig_argv)
    if f"--api-key={key}" in arguments:
        arguments.remove(f"--api-key={key}")
    elif "--api-key" in arguments and arguments[arguments.index("--api-key") + 1 :][:1] == [key]:
        place = arguments.index("--api-key")
        del arguments[place : place + 2]
    if os.name == "posix" and len(arguments) < len(sys.orig_argv):
        os.execv(sys.executable, [sys.executable, *arguments[1:]])


@lab.command()
@with_state
def status(folder: Path) -> int:
    """Say whether the lab runs, where, and with which model."""
    server = client.running(folder)
    if server is None:
        print(f"No lab runs on {folder}. Start one: workbook lab serve")
        return exits.NO
    print(f"The lab answers at {client.url(server)}/v1 (process {server['pid']})")
    speed = ""
    if server["dtype"]:
        speed = f" on {server['device']}, {server['dtype']} at {server['gflops']:.0f} GFLOP/s"
    print(f"Model: {server['model']}, {server['status']}{speed}")
    print(f"State: {folder}; the key is in its file '{client.KEY_FILE}'")
    return exits.DONE


@lab.command()
@with_state
def stop(folder: Path) -> int:
    """End the lab; a running job goes on at the next start."""
    print("The lab has stopped." if client.stop(folder) else "No lab was running.")
    return exits.DONE


@lab.group(invoke_without_command=True)
@with_state
@click.pass_context
def models(ctx: click.Context, folder: Path) -> int:
    """List base and tuned models; add or remove a base."""
    if ctx.invoked_subcommand:
        return exits.DONE
    server = client.running(folder)
    served_model = server["model"] if server else None
    print("Base models")
    for name in bases.names():
        place = bases.location(name)
        size = _size(inventory.size(place)) if place.exists() else "not fetched yet"
        print(f"  {name:<40} {size:>10}{'  served now' if name == served_model else ''}")
    tuned_models = inventory.tuned_models(folder)
    print("Tuned models" if tuned_models else "No tuned models yet.")
    for model in tuned_models:
        day = datetime.fromtimestamp(model.created_at).strftime("%Y-%m-%d %H:%M")
        print(f"  {model.id}\n    {day}  {_size(model.bytes):>8}  {model.job_id}")
    return exits.DONE


@models.command()
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A tokenizer.json to use instead of the model's own.",
)
def add(name: str, path: Path, tokenizer: Path | None) -> int:
    """Register a Llama-family model as another base: a copy is kept in the lab's form.

    NAME is what clients will call it. PATH is a Hugging Face folder (config.json, *.safetensors,
    tokenizer.json) or a GGUF file.
    """
    place = bases.add(name, path, tokenizer)
    print(f"registered {name} ({_size(inventory.size(place))}, in {place})")
    print(f"Next: workbook lab serve --base {name}")
    return exits.DONE


@models.command()
@with_state
@click.argument("name")
@click.option("--yes", is_flag=True, help="Also when models were tuned from it.")
def remove(folder: Path, name: str, yes: bool) -> int:
    """Delete a registered base model (the original stays)."""
    server = client.running(folder)
    if server and server["model"] == name:
        raise WorkbookError(f"The lab serves {name} now: workbook lab stop")
    dependents = [model.id for model in inventory.tuned_models(folder) if model.base == name]
    if dependents and not yes:
        raise RefusedError(
            f"{len(dependents)} tuned model{'s' * (len(dependents) > 1)} can't be used without "
            f"{name}, {dependents[-1]} for one. --yes removes it all the same."
        )
    bases.remove(name)
    print(f"removed {name}")
    return exits.DONE


@lab.command()
@with_state
@click.option(
    "--weights",
    "with_weights",
    is_flag=True,
    help="The base models, too; the lab's own is fetched again when needed.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
def reset(folder: Path, with_weights: bool, yes: bool) -> int:
    """Delete all files, jobs, batches and tuned models."""
    if not resetting.is_needed(folder, with_weights):
        print(f"There is nothing to delete in {folder}.")
        return exits.DONE
    with resetting.holding(folder, with_weights) as deletion:
        contents = deletion.contents()
        if not yes and not confirm.agrees(f"Delete {contents}, in {folder}?", "--yes deletes."):
            print("Nothing was deleted.")
            return exits.REFUSED
        left = deletion.carry_out()
    print(f"Deleted: {contents}.")
    if left:
        print(f"Left alone, since the lab did not write it: {', '.join(left)}.")
    return exits.DONE


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


lab.add_command(export.export)
lab.add_command(lab_keys.keys)
COMMANDS = {"lab": lab}
