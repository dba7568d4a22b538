"""Where calls go: the lab on this machine, OpenAI, Azure, or a compatible host.

`connect()` gives the plain `openai` client for one of them. It knows addresses, keys and money; it
knows nothing of what the calls are for.

    WORKBOOK_BACKEND    lab (default) | openai | azure | compatible
    openai              OPENAI_API_KEY
    azure               AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY
    compatible          WORKBOOK_BASE_URL, WORKBOOK_API_KEY, WORKBOOK_MODEL
    WORKBOOK_MODEL      on openai and azure too: another model than the registry's suggestion

A key comes from the environment, from Colab's secrets, or is asked for without being shown. It is
kept in memory only.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook import confirm, display, error_sentences, files, paths
from workbook.errors import WorkbookError
from workbook.lab import client as lab_client
from workbook.prices import costs, registry, sizes
from workbook.prices.model import Model, NoPriceError

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

NOBODY = "Set keys in the environment; confirm costs in a notebook that you run yourself."

_keys: dict[str, str] = {}  # typed in this session, so that a cell can be run again


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
        model = self.registered() or registry.hosted()[-1]
        count = sizes.for_model(model).row
        return sum(count(row).expected for row in rows)

    def registered(self, model: str | None = None) -> Model | None:
        """What the registry, or the student's own file of prices, knows of a model at this host.

        model: another than this backend's own; also a tuned one
        None where nothing is known: another host's figures are not taken for this one's.
        """
        name = model or self.model
        with contextlib.suppress(registry.UnknownModelError):
            if self.name == "azure" and not registry.base_of(name)[1]:
                return registry.get("azure/" + name.removeprefix("azure/"))
            if self.name == "compatible" and self.client is not None:
                return registry.at_host(str(self.client.base_url.host), name)
            return registry.get(name)
        return None

    @property
    def is_confirmed(self) -> bool:
        """Whether billed calls may leave: always on the lab, elsewhere after a yes to `confirm`."""
        return self.is_lab or bool(self._confirmed)

    def training_usd(self, billed: int, n_epochs: int) -> float | None:
        """USD for a job on this backend's model; None: not known. billed: tokens of one epoch."""
        model = self.registered()
        if model is None:
            return None
        return _if_known(lambda: costs.training_cost(billed, n_epochs, model))

    def requests_usd(
        self, n: int, prompt_tokens: int, completion_tokens: int, model: str | None = None
    ) -> float | None:
        """What `n` requests of these sizes cost, to the base model or another; None: not known."""
        known = self.registered(model)
        if known is None:
            return None
        usd = _if_known(lambda: costs.request_cost(known, prompt_tokens, completion_tokens))
        return None if usd is None else n * usd

    def confirm(self, what: str, usd: float | None, agreed: bool = False) -> None:
        """Show what a step will cost and ask for a yes; on the lab nothing is asked.

        usd: None where the registry knows no price, as for a host of the student's own; so it says.
        agreed: the yes was given elsewhere (a command line's `--yes`), so nothing is asked.
        Raises WorkbookError when the answer is not yes, or nobody can be asked.
        """
        if self.is_lab:
            return
        self._confirmed.clear()
        price = "at a price this course does not know" if usd is None else f"about ${usd:,.2f}"
        question = f"{what}: {price} on {self.title}."
        if not agreed and not confirm.agrees(question, NOBODY):
            raise WorkbookError(
                f"Not confirmed, so nothing was spent: {what}. Run the cell again to go on."
            )
        self._confirmed.append(what)

    def __str__(self) -> str:
        cost = "nothing" if self.is_lab else "asked before each step"
        return f"Backend: {self.name} · model {self.model} · cost: {cost}"


def name_of(name: str | None = None) -> str:
    """The backend that is meant: `name`, or WORKBOOK_BACKEND, or the choice, or the lab."""
    return name or os.environ.get("WORKBOOK_BACKEND") or _choice().get("name") or "lab"


def connect(name: str | None = None, model: str | None = None) -> tuple["OpenAI", Backend]:
    """The client and its backend, by `name_of` the name.

    model: another than WORKBOOK_MODEL, or than the one that the backend suggests.
    Starts the lab when it isn't running. Raises WorkbookError with what is missing.
    """
    error_sentences.install()
    name = name_of(name)
    if name not in NAMES:
        raise WorkbookError(f"There is no backend {name!r}. Choose one of: {', '.join(NAMES)}.")
    error_sentences.speak_of(error_sentences.Host(TITLES[name], KEY_NAMES.get(name)))
    backend = _connect_lab() if name == "lab" else _connect_hosted(name, model)
    backend.model = model or backend.model
    print(backend)
    return backend.client, backend


def called_by(client: "OpenAI") -> str:
    """Which backend a client calls, by its address."""
    host = str(client.base_url.host)
    server = lab_client.running()
    if server and server.get("port") == client.base_url.port and host == server.get("host", host):
        return "lab"
    if host == "api.openai.com":
        return "openai"
    return "azure" if host.endswith(".azure.com") else "compatible"


def choose(name: str, *, base_url: str | None = None, model: str | None = None) -> None:
    """Remember a backend for all notebooks (never a key); WORKBOOK_BACKEND still goes before it."""
    if name not in NAMES:
        raise WorkbookError(f"There is no backend {name!r}. Choose one of: {', '.join(NAMES)}.")
    choice = {"name": name, "base_url": base_url, "model": model}
    text = json.dumps({key: value for key, value in choice.items() if value})
    files.replace_text(_choice_file(), text)
    display.box(f"From now on the notebooks use {TITLES[name]}. Run the set-up cell again.")


def _choice_file() -> Path:
    return paths.home() / "backend.json"


def _choice() -> dict[str, str]:
    try:
        return json.loads(_choice_file().read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _connect_lab() -> Backend:
    from openai import OpenAI

    lab = lab_client.connect()
    client = OpenAI(base_url=lab.base_url, api_key=lab.api_key)
    return Backend("lab", lab.model or registry.lab().id, client)


def _connect_hosted(name: str, model: str | None = None) -> Backend:
    choice = _choice() if _choice().get("name") == name else {}
    if name == "azure":
        endpoint = _setting("AZURE_OPENAI_ENDPOINT", choice.get("base_url"))
        base_url = endpoint.rstrip("/").removesuffix("/openai/v1") + "/openai/v1/"
    elif name == "compatible":
        base_url = _setting("WORKBOOK_BASE_URL", choice.get("base_url"))
    else:
        base_url = None
        display.box(_openai_notice(registry.today()), "warning")
    suggested = choice.get("model") or _suggested_model(name, registry.today())
    model = model or _setting("WORKBOOK_MODEL", suggested)
    confirmed: list[str] = []
    client = _guarded_client(confirmed)(api_key=_key(KEY_NAMES[name]), base_url=base_url)
    return Backend(name, model, client, confirmed)


def _guarded_client(confirmed: list[str]) -> type["OpenAI"]:
    """`OpenAI` that sends no billed request while nothing is confirmed. Calls stay as they are."""
    import openai

    class GuardedOpenAI(openai.OpenAI):
        # Any: openai 2 and 3 send requests of two different packages.
        def _prepare_request(self, request: Any) -> None:
            billed = request.method == "POST" and request.url.path.endswith(BILLED)
            if billed and not confirmed:
                raise WorkbookError(
                    "Nothing was sent: this call costs money. Run backend.confirm(what, usd) "
                    "first; the notebook has it in a cell above."
                )
            super()._prepare_request(request)

    return GuardedOpenAI


def _suggested_model(name: str, today: date) -> str | None:
    """The registry's cheapest chat model to train at this vendor; None for a host of its own.

    By the price of training where it is known, else by that of use.
    """
    vendor = {"openai": "OpenAI", "azure": "Azure"}.get(name)
    model = registry.suggested(vendor, today) if vendor else None
    return model.id.removeprefix("azure/") if model else None


def _if_known(price: Callable[[], float]) -> float | None:
    try:
        return price()
    except (registry.UnknownModelError, NoPriceError):
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
    return f"{state} The lab, azure and compatible still train: {error_sentences.HOW_TO_SWITCH}"


def _setting(variable: str, otherwise: str | None) -> str:
    value = os.environ.get(variable) or _colab_secret(variable) or otherwise
    if not value:
        raise WorkbookError(
            f"{variable} is not set. Set it before Jupyter, or this command, starts."
        )
    return value


def _key(variable: str) -> str:
    """A key, from the environment, Colab's secrets, or typed unseen. Never shown or stored."""
    key = os.environ.get(variable) or _keys.get(variable) or _colab_secret(variable)
    if not key:
        key = confirm.ask(f"{variable} (not shown while you type): ", NOBODY, secret=True).strip()
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
