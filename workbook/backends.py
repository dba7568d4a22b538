"""Where the course's calls go: the lab on this machine, OpenAI, Azure, or a compatible host.

`connect()` gives the plain `openai` client for one of them. It knows addresses, keys and money, and
how to find or start the lab; it knows nothing of what the calls are for.

    WORKBOOK_BACKEND    lab (default) | openai | azure | compatible
    openai              OPENAI_API_KEY
    azure               AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY
    compatible          WORKBOOK_BASE_URL, WORKBOOK_API_KEY, WORKBOOK_MODEL
    WORKBOOK_MODEL      on openai and azure too: another model than the registry's suggestion

A key comes from the environment, from Colab's secrets, or is asked for without being shown. It is
kept in memory only.
"""

import contextlib
import getpass
import json
import math
import os
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from workbook import display, paths
from workbook.errors import WorkbookError
from workbook.prices import costs, registry, tokens

if TYPE_CHECKING:
    from openai import OpenAI

NAMES = ("lab", "openai", "azure", "compatible")
TITLES = {
    "lab": "the lab",
    "openai": "OpenAI",
    "azure": "Azure OpenAI",
    "compatible": "the compatible host",
}
KEY_NAMES = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "compatible": "WORKBOOK_API_KEY",
}
# Calls that a hosted backend bills; the guard holds them back until the student has agreed.
BILLED = ("/chat/completions", "/completions", "/responses", "/batches", "/fine_tuning/jobs")

# The first start fetches and converts 98 MB of weights; later ones take seconds.
START_SECONDS = 600
YES = {"yes", "y", "sí", "si", "sim", "s"}

_keys: dict[str, str] = {}  # typed in this session, so that a cell can be run again
_current: "Backend | None" = None  # the last one connected: the error sentences name it


@dataclass
class Backend:
    """One connection: its name, the base chat model to prompt and tune, and the client."""

    name: str
    model: str
    client: "OpenAI" = field(repr=False)
    _confirmed: list[str] = field(default_factory=list, repr=False)

    @property
    def is_lab(self) -> bool:
        """Whether the calls stay on this machine and cost nothing."""
        return self.name == "lab"

    @property
    def title(self) -> str:
        """The name for sentences: "the lab", "OpenAI", …"""
        return TITLES[self.name]

    def count(self, rows: Iterable[dict]) -> int:
        """Tokens of training rows in one epoch, by the vocabulary of this backend's model.

        The vocabulary of a host of the student's own is not known: there it is an estimate, by that
        of the newest tunable model in the registry.
        """
        try:
            vocabulary = registry.get(self.model).id
        except registry.UnknownModel:
            vocabulary = registry.hosted()[-1].id
        return sum(tokens.count_example(row, vocabulary) for row in rows)

    @property
    def is_confirmed(self) -> bool:
        """Whether billed calls may leave: always on the lab, elsewhere after a yes to `confirm`."""
        return self.is_lab or bool(self._confirmed)

    def training_usd(self, billed: int, n_epochs: int) -> float | None:
        """What a job on this backend's model costs (`billed` tokens of one epoch); None: not known."""
        return _if_known(lambda: costs.training_cost(billed, n_epochs, self.model))

    def requests_usd(
        self, n: int, prompt_tokens: int, completion_tokens: int, model: str | None = None
    ) -> float | None:
        """What `n` requests of these sizes cost, to the base model or another; None: not known."""
        asked = model or self.model
        usd = _if_known(lambda: costs.request_cost(asked, prompt_tokens, completion_tokens))
        return None if usd is None else n * usd

    def confirm(self, what: str, usd: float | None, agreed: bool = False) -> None:
        """Show what a step will cost and ask for a yes; on the lab nothing is asked.

        `usd=None`: the registry knows no price, as for a host of the student's own; so it says.
        `agreed`: the yes was given elsewhere (a command line's `--yes`), so nothing is asked.
        Raises WorkbookError when the answer is not yes, or nobody can be asked.
        """
        if self.is_lab:
            return
        self._confirmed.clear()
        price = "at a price this course does not know" if usd is None else f"about ${usd:,.2f}"
        question = f"{what}: {price} on {self.title}. Type yes to go on: "
        if not agreed and _ask(question).strip().casefold() not in YES:
            raise WorkbookError(
                f"Not confirmed, so nothing was spent: {what}. Run the cell again to go on."
            )
        self._confirmed.append(what)

    def __str__(self) -> str:
        cost = "nothing" if self.is_lab else "asked before each step"
        return f"Backend: {self.name} · model {self.model} · cost: {cost}"


def connect(name: str | None = None, model: str | None = None) -> tuple["OpenAI", Backend]:
    """The client and its backend: `name`, or WORKBOOK_BACKEND, or the student's choice, or the lab.

    model: another than WORKBOOK_MODEL, or than the one that the backend suggests.
    Starts the lab when it isn't running. Raises WorkbookError with what is missing.
    """
    global _current
    _install_error_sentences()
    name = name or os.environ.get("WORKBOOK_BACKEND") or _choice().get("name") or "lab"
    if name not in NAMES:
        raise WorkbookError(f"There is no backend {name!r}. Choose one of: {', '.join(NAMES)}.")
    _current = _connect_lab() if name == "lab" else _connect_hosted(name, model)
    _current.model = model or _current.model
    print(_current)
    return _current.client, _current


def choose(name: str, *, base_url: str | None = None, model: str | None = None) -> None:
    """Remember a backend for all notebooks (never a key); WORKBOOK_BACKEND still goes before it."""
    if name not in NAMES:
        raise WorkbookError(f"There is no backend {name!r}. Choose one of: {', '.join(NAMES)}.")
    choice = {"name": name, "base_url": base_url, "model": model}
    _choice_file().write_text(
        json.dumps({key: value for key, value in choice.items() if value}), encoding="utf-8"
    )
    display.box(f"From now on the notebooks use {TITLES[name]}. Run the set-up cell again.")


def _choice_file() -> Path:
    return paths.home() / "backend.json"


def _choice() -> dict[str, str]:
    try:
        return json.loads(_choice_file().read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


# The lab


def _connect_lab() -> Backend:
    from filelock import FileLock
    from openai import OpenAI

    folder = _lab_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / "starting.lock"):  # two notebooks may be opened at the same moment
        server = running_lab() or _start_lab()
    if server["status"] == "failed":
        raise WorkbookError(
            f"The lab can't load its model: {server['message']}. Stop it with "
            "`workbook lab stop`, then run the set-up cell again."
        )
    # A proxy that the machine uses for the internet must not stand between it and itself.
    hosts = os.environ.get("NO_PROXY", "")
    if "127.0.0.1" not in hosts:
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{hosts},127.0.0.1".lstrip(",")
    client = OpenAI(
        base_url=f"http://127.0.0.1:{server['port']}/v1",
        api_key=(_lab_folder() / "key").read_text(encoding="utf-8").strip(),
    )
    return Backend("lab", server.get("model") or registry.lab().id, client)


def _lab_folder() -> Path:
    return paths.home() / "lab"


def running_lab() -> dict | None:
    """server.json and what /health says, if a lab answers there; None otherwise."""
    try:
        server = json.loads((_lab_folder() / "server.json").read_text(encoding="utf-8"))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{server['port']}/health", timeout=5) as answer:
            health = json.load(answer)
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return None
    return server | health if health.get("pid") == server.get("pid") else None


def _start_lab() -> dict:
    """Start the lab as a process of its own, which outlives this kernel, and wait for it."""
    log = _lab_folder() / "lab.log"
    own_session: dict = (
        {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "workbook", "lab", "serve"],
            cwd=paths.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **own_session,
        )
    started = time.monotonic()
    with _progress_line() as progress:
        while time.monotonic() - started < START_SECONDS:
            time.sleep(0.2)
            server = running_lab()
            if server and server["status"] != "starting":
                return server
            said = _last_line(log, before)
            if process.poll() is not None:
                raise WorkbookError(f"The lab did not start. It said: {said or 'nothing'}")
            if time.monotonic() - started > 2:
                progress("Starting the lab: " + ("it loads its model…" if server else said))
    raise WorkbookError(
        f"The lab did not answer within {START_SECONDS // 60} minutes. "
        f"Its log is {log}; `workbook lab stop` ends it."
    )


@contextlib.contextmanager
def _progress_line() -> Iterator:
    """One line on stderr that is written over, and wiped at the end."""
    shown = ""

    def progress(text: str) -> None:
        nonlocal shown
        text = text[:100]
        if text != shown:
            print("\r" + text.ljust(len(shown)), end="", file=sys.stderr, flush=True)
            shown = text

    try:
        yield progress
    finally:
        if shown and display.in_notebook():  # else a stripe in stderr's colour would stay
            from IPython.display import clear_output

            clear_output()
        elif shown:
            print("\r" + " " * len(shown) + "\r", end="", file=sys.stderr, flush=True)


def _last_line(log: Path, start: int) -> str:
    """The last line of what was written to the log since `start` (bytes)."""
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else ""


# Hosted backends


def _connect_hosted(name: str, model: str | None = None) -> Backend:
    choice = _choice() if _choice().get("name") == name else {}
    if name == "azure":
        endpoint = _setting("AZURE_OPENAI_ENDPOINT", choice.get("base_url"))
        base_url = endpoint.rstrip("/").removesuffix("/openai/v1") + "/openai/v1/"
    elif name == "compatible":
        base_url = _setting("WORKBOOK_BASE_URL", choice.get("base_url"))
    else:
        base_url = None
        display.box(_openai_notice(date.today()), "warning")
    suggested = choice.get("model") or _suggested_model(name, date.today())
    model = model or _setting("WORKBOOK_MODEL", suggested)
    confirmed: list[str] = []
    client = _guarded_client(confirmed)(api_key=_key(KEY_NAMES[name]), base_url=base_url)
    return Backend(name, model, client, confirmed)


def _guarded_client(confirmed: list[str]) -> type["OpenAI"]:
    """`OpenAI` that sends no billed request while nothing is confirmed. Calls stay as they are."""
    import openai

    class GuardedOpenAI(openai.OpenAI):
        def _prepare_request(self, request) -> None:
            billed = request.method == "POST" and request.url.path.endswith(BILLED)
            if billed and not confirmed:
                raise WorkbookError(
                    "Nothing was sent: this call costs money. Run backend.confirm(what, usd) "
                    "first; the notebook has it in a cell above."
                )
            super()._prepare_request(request)

    return GuardedOpenAI


def _suggested_model(name: str, today: date) -> str | None:
    """The registry's cheapest chat model to train at this vendor; None for a host of its own."""
    vendor = {"openai": "OpenAI", "azure": "Azure"}.get(name)
    ours = [model for model in registry.all_models() if model.vendor == vendor]
    training = [m for m in ours if m.kind == "chat" and "supervised" in m.methods]
    still = [model for model in training if model.is_tunable(today, existing_customer=True)]
    last = max((model.tunable_until or date.max for model in training), default=None)
    still = still or [model for model in training if model.tunable_until == last]
    cheapest = min(still, key=_training_price, default=None)
    return cheapest.id.removeprefix("azure/") if cheapest else None


def _training_price(model: registry.Model) -> float:
    price = _if_known(lambda: model.price("training"))
    return math.inf if price is None else price


def _if_known(price: Callable[[], float]) -> float | None:
    try:
        return price()
    except (registry.UnknownModel, registry.NoPrice):
        return None


def _openai_notice(today: date) -> str:
    """What a student who chooses OpenAI should know on this day."""
    closing = max(model.tunable_until for model in registry.hosted() if model.tunable_until)
    if today >= closing:
        state = f"Since {closing} OpenAI creates no fine-tuning jobs for anyone."
    else:
        state = (
            "OpenAI is closing fine-tuning: organisations without recent fine-tuned use get "
            f"error 403, training_not_available, and from {closing} on nobody can create jobs."
        )
    return f"{state} The lab, azure and compatible still train: {_HOW_TO_SWITCH}"


_HOW_TO_SWITCH = 'backends.choose("lab"), then run the set-up cell again.'


def _setting(variable: str, otherwise: str | None) -> str:
    value = os.environ.get(variable) or _colab_secret(variable) or otherwise
    if not value:
        raise WorkbookError(f"{variable} is not set. Set it before Jupyter starts, then try again.")
    return value


def _key(variable: str) -> str:
    """A key, from the environment, Colab's secrets, or typed unseen. Never shown or stored."""
    key = os.environ.get(variable) or _keys.get(variable) or _colab_secret(variable)
    if not key:
        key = _ask(f"{variable} (not shown while you type): ", secret=True).strip()
        if not key:
            raise WorkbookError(f"No key was given for {variable}.")
        _keys[variable] = key
    return key


def _colab_secret(variable: str) -> str | None:
    if "google.colab" not in sys.modules:
        return None
    from google.colab import userdata

    try:
        return userdata.get(variable)
    except Exception:  # no such secret, or the student denied this notebook the use of it
        return None


def _ask(question: str, secret: bool = False) -> str:
    """What the student types; WorkbookError where nobody can type (tests, nbconvert)."""
    try:
        return getpass.getpass(question) if secret else input(question)
    except Exception as error:
        # ipykernel's StdinNotImplementedError (no common base with EOFError), or a closed stdin.
        if isinstance(error, EOFError) or type(error).__name__ == "StdinNotImplementedError":
            raise WorkbookError(
                f"Nobody can be asked here: {question.rstrip(': ')}. Set keys in the environment; "
                "confirm costs in a notebook that you run yourself."
            ) from None
        raise


# Errors as sentences


def _install_error_sentences() -> None:
    """From now on the kernel shows these errors as one sentence, without a traceback."""
    if not display.in_notebook():
        return
    import openai
    from IPython import get_ipython

    errors = (WorkbookError, openai.APIStatusError, openai.APIConnectionError)
    get_ipython().set_custom_exc(errors, _show_error)


def _show_error(shell, kind, error, traceback, tb_offset=None) -> list[str]:
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

    where = _current.title if _current else "the server"
    if isinstance(error, openai.APITimeoutError):
        return f"{_capital(where)} did not answer in time. Run the cell again."
    if isinstance(error, openai.APIConnectionError):
        if _current and not _current.is_lab:
            return f"{_capital(where)} can't be reached. Is this machine online?"
        return "The lab is not running: run the set-up cell again, then this cell."
    if isinstance(error, openai.APIStatusError):
        return _status_sentence(error, where)
    return str(error)


def _status_sentence(error, where: str) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    message = str(body.get("message") or error.message).strip()
    if error.status_code == 401:  # the server's own message may quote a part of the key
        is_lab = _current is None or _current.is_lab
        todo = (
            "Run the set-up cell again, then this cell."
            if is_lab
            else f"Check {KEY_NAMES[_current.name]}, then run the set-up cell again."
        )
        return f"{_capital(where)} does not accept the key (401). {todo}"
    if error.code == "training_not_available":
        return (
            f"{_capital(where)} creates no fine-tuning jobs for your organisation any more (403, "
            f"training_not_available). The lab, azure and compatible do: {_HOW_TO_SWITCH}"
        )
    about = ", ".join(str(part) for part in (error.status_code, body.get("code")) if part)
    at = f" It is about `{body['param']}`." if body.get("param") else ""
    return f"{_capital(where)} refused this ({about}): {message}{at}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
