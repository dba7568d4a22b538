"""Errors as sentences: what a student reads where Python would show a traceback.

Knows the openai package's errors and who was called; knows no addresses and no keys.
"""

import linecache
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbook import display
from workbook.errors import WorkbookError

if TYPE_CHECKING:
    import openai

HOW_TO_SWITCH = 'backends.choose("lab"), then run the set-up cell again.'


@dataclass(frozen=True)
class Host:
    """Who is called: its name in a sentence, and where its key comes from (the lab: nowhere)."""

    title: str
    key_name: str | None = None

    @property
    def is_lab(self) -> bool:
        return self.key_name is None


_host = Host("the server")  # the last one that was connected


def speak_of(host: Host) -> None:
    """Say who is called from now on."""
    global _host
    _host = host


def install() -> None:
    """From now on a kernel shows these errors as one sentence, without a traceback, and data in
    tables as they are."""
    display.protect_tables()
    if not display.in_notebook():
        return
    import openai
    from IPython import get_ipython

    errors = (WorkbookError, openai.APIStatusError, openai.APIConnectionError, NameError)
    get_ipython().set_custom_exc(errors, _show_error)


def _show_error(
    shell: Any, kind: type, error: Exception, traceback: Any, tb_offset: int | None = None
) -> list[str]:
    """IPython's handler. Sends a real error reply, so that the cell still counts as failed."""
    wrapped = "\n".join(
        textwrap.fill(line, 88, break_on_hyphens=False) for line in sentence(error).splitlines()
    )
    shown = [f"\x1b[31m✘\x1b[0m {wrapped}"]
    shell._showtraceback(kind, error, shown)
    return shown


def sentence(error: Exception) -> str:
    """What an error means and what to do now. No key, no traceback."""
    import openai

    where = _host.title[0].upper() + _host.title[1:]
    if isinstance(error, openai.APITimeoutError):
        return f"{where} did not answer in time. Run the cell again."
    if isinstance(error, openai.APIConnectionError):
        if not _host.is_lab:
            return f"{where} can't be reached. Is this machine online?"
        return "The lab is not running: run the set-up cell again, then this cell."
    if isinstance(error, openai.APIStatusError):
        return _status_sentence(error, where)
    if isinstance(error, NameError):
        return _name_sentence(error)
    return str(error)


def _name_sentence(error: NameError) -> str:
    """A cell that ran before those above it, or a typing mistake; the line says which name."""
    step, line = error.__traceback__, ""
    while step is not None:
        line = linecache.getline(step.tb_frame.f_code.co_filename, step.tb_lineno).strip() or line
        step = step.tb_next
    place = f", in the line `{line}`" if line else ""
    if isinstance(error, UnboundLocalError):
        return f"UnboundLocalError: {error}{place}."
    return (
        f"{str(error)[:1].upper()}{str(error)[1:]}{place}. If a cell above makes it, run that cell "
        "first (menu Run, Run All Above Selected Cell); if none does, look for a typing mistake."
    )


def _status_sentence(error: "openai.APIStatusError", where: str) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    message = str(body.get("message") or error.message).strip()
    message += "" if message.endswith((".", "!", "?")) else "."
    if error.status_code == 401:  # the server's own message may quote a part of the key
        todo = (
            "Run the set-up cell again, then this cell."
            if _host.is_lab
            else f"Check {_host.key_name}, then run the set-up cell again."
        )
        return f"{where} does not accept the key (401). {todo}"
    if error.code == "training_not_available":
        return (
            f"{where} creates no fine-tuning jobs for your organisation any more (403, "
            f"training_not_available). The lab, azure and compatible do: {HOW_TO_SWITCH}"
        )
    about = ", ".join(str(part) for part in (error.status_code, body.get("code")) if part)
    at = f" It is about `{body['param']}`." if body.get("param") else ""
    return f"{where} refused this ({about}): {message}{at}"
