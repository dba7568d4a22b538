"""The command `workbook` as a whole: its parts, its errors as sentences, and its exit status.

Each part is imported when it is called: `workbook lab serve` needs nothing of the doctor. Knows
what went wrong in general; what a command does stands in its own module.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import get_completion_class

from workbook.cli import exits, screen
from workbook.errors import RefusedError, WorkbookError

# command: module that defines it, and the line that the overview shows
PARTS = {
    "check": ("check", "Find what is wrong with training data."),
    "stats": ("check", "Count messages, tokens and dollars."),
    "prepare": ("prepare", "Read any format, convert, fix, split and write."),
    "convert": ("prepare", "Write examples in another format."),
    "split": ("prepare", "Divide examples; equal questions stay together."),
    "prices": ("prices", "What a model costs, and until when it can be tuned."),
    "estimate": ("prices", "What training on a file will cost."),
    "preflight": ("preflight", "What a host will do with a file, before anything is sent."),
    "jobs": ("jobs", "Fine-tuning jobs on any backend."),
    "compare": ("compare", "Which of two models is better, and how sure that is."),
    "studio": ("studio", "All of it as a page in the browser."),
    "lab": ("lab", "The service that trains on this machine."),
    "class": ("classroom", "What whoever teaches the course needs."),
    "completion": ("app", "The lines that complete commands in your shell."),
}
EPILOG = "Exit status:\b\n\n\b\n" + "\n".join(
    f"{status:>4}  {meaning}" for status, meaning in exits.MEANING.items()
)


class Workbook(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PARTS:
            return None
        module = importlib.import_module(f"workbook.cli.{PARTS[cmd_name][0]}")
        return module.COMMANDS[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in PARTS:
            near = difflib.get_close_matches(args[0], PARTS, n=1)
            hint = f" Did you mean `workbook {near[0]}`?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in PARTS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `… | head` has seen enough
            sys.stderr.close()
            return exits.DONE


@click.group(
    cls=Workbook,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="fine-tuning-workbook", prog_name="workbook")
def workbook() -> None:
    """Fine-tuning, from training data to a model you measured.

    `workbook COMMAND --help` says what a command takes.
    """


@click.command(epilog='For bash: add  eval "$(workbook completion bash)"  to ~/.bashrc')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print what makes SHELL complete the commands, options and models of `workbook`."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(workbook, {}, "workbook", "_WORKBOOK_COMPLETE").source())
    return exits.DONE


COMMANDS = {"completion": completion}


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command; the value is the exit status, see `workbook.cli.exits`."""
    with screen.guarded():
        return _carry_out(arguments)


def _carry_out(arguments: Sequence[str] | None) -> int:
    try:
        words = None if arguments is None else list(arguments)
        return workbook.main(words, "workbook", standalone_mode=False) or exits.DONE
    except click.ClickException as error:  # a wrong option, an unknown command
        error.show()
        return exits.ERROR
    except click.Abort:
        return _say("stopped: nothing is left half-written", exits.INTERRUPTED)
    except RefusedError as error:
        return _say(f"error: {error}", exits.REFUSED)
    except WorkbookError as error:
        return _say(f"error: {error}", exits.ERROR)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"error: {where}{error.strerror or error}.", exits.ERROR)


def _say(text: str, status: int) -> int:
    click.echo(screen.visible(text), err=True)
    return status
