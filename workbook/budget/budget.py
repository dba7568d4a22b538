"""A budget that holds: it counts what each call really used and refuses the one that exceeds it.

`Budget(usd, backend)` gives a client to be used like the plain one. It puts money aside before a
call leaves, at the most the call can cost, and replaces it by what the answer says was used. The
ledger lies on disk, so that it also holds for several threads, kernels and days. Knows prices and
the paths of OpenAI's API; it changes nothing in a request or an answer.
"""

import contextlib
import copy
import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from workbook import display, paths
from workbook.errors import WorkbookError
from workbook.prices import costs, estimates, registry, tokens
from workbook.prices.model import Model, NoPriceError

if TYPE_CHECKING:
    from openai import OpenAI

    from workbook.backends import Backend

CHAT, COMPLETIONS, JOBS = "/chat/completions", "/completions", "/fine_tuning/jobs"
# POST paths that cost nothing by themselves: files, and what is done to a job already counted.
_FREE = re.compile(r"/(files|uploads|moderations)\b|/fine_tuning/(jobs|checkpoints)/")
_ONE_JOB = re.compile(r"/fine_tuning/jobs/([\w.-]+)(/cancel)?$")
_ENTRY = "workbook_budget_entry"  # where a request carries the number of its line in the ledger


class OverBudget(WorkbookError):
    """The call could cost more than is left. Nothing was sent."""


class NotCountable(WorkbookError):
    """What the call would cost can't be known, so no budget could hold. Nothing was sent."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: a request or a training job. Money in USD."""

    at: str
    what: str
    model: str
    held: float  # put aside before the call: the most it can cost
    expected: float | None  # of a job: what the estimate expects
    spent: float | None  # None: not known yet (or never, if the connection broke)
    job: str | None
    tokens_estimated: int | None  # of a job, in the vocabulary of the model that trains
    tokens_billed: int | None  # `trained_tokens` of the finished job


class Budget:
    """At most `usd` dollars through `client`, counted across kernels under one `name`.

    `like` is the model whose prices count; without it each model has its own (on the lab: the
    cheapest chat model that OpenAI's customers can still tune). On the lab nothing is refused or
    asked unless `strict=True`: it counts what the same work would have cost elsewhere. On a hosted
    backend a call is refused until `confirm`, here or of the backend, was answered with yes, and
    when it could exceed what is left. A call without `max_completion_tokens` holds the rest of the model's window.
    """

    def __init__(
        self,
        usd: float,
        backend: "Backend",
        like: Model | None = None,
        name: str = "course",
        strict: bool | None = None,
    ) -> None:
        if not (math.isfinite(usd) and usd > 0):
            raise WorkbookError(f"A budget of {usd} dollars holds nothing. Give more than zero.")
        if not re.fullmatch(r"[\w -]{1,60}", name):
            raise WorkbookError(f"{name!r} can't name a budget: letters, digits, spaces, - and _.")
        self.usd = usd
        self.name = name
        self._backend = backend
        self._like = like or (_cheapest_open() if backend.is_lab else None)
        self._strict = not backend.is_lab if strict is None else strict
        self._ledger = _Ledger(name)
        self._plain = backend.client
        self.client: OpenAI = _counted(backend.client, self)

    @property
    def spent(self) -> float:
        """USD that finished calls used, in this kernel and before."""
        return self._ledger.sums()[0]

    @property
    def held(self) -> float:
        """USD put aside for calls and jobs that have not ended, or whose end was never seen."""
        return self._ledger.sums()[1]

    @property
    def left(self) -> float:
        """USD that new calls may use; below zero where more was used than could be foreseen."""
        return self.usd - sum(self._ledger.sums())

    @property
    def entries(self) -> list[Entry]:
        """Every line of the ledger, oldest first."""
        return self._ledger.entries()

    def confirm(self, what: str, usd: float | costs.Estimate) -> None:
        """Show what a step will cost and what is left, and ask for a yes (on the lab: no question).

        Takes dollars, or an estimate, of which the high figure must fit. Raises OverBudget when
        it doesn't, WorkbookError when the answer is not yes.
        """
        amount = usd.usd_high if isinstance(usd, costs.Estimate) else usd
        shown = str(usd) if isinstance(usd, costs.Estimate) else costs.usd(usd)
        elsewhere = f" (prices of {self._like.label})" if self._like else ""
        display.box(f"{what}: {shown}{elsewhere}. {self}")
        if self._strict and amount > self.left:
            raise OverBudget(
                f"{what} may cost {costs.usd(amount)}; {costs.usd(max(0, self.left))} are left of "
                f"{costs.usd(self.usd)}. Make it smaller, or set a larger budget."
            )
        self._backend.confirm(what, amount)

    def compare(self) -> list[dict[str, Any]]:
        """Estimate against bill, a row for each job: billed tokens, `trained_tokens`, dollars."""
        return [
            {
                "job": entry.job or "",
                "model": entry.model,
                "tokens estimated": entry.tokens_estimated,
                "trained_tokens": entry.tokens_billed,
                "off by": _off(entry),
                "expected": costs.usd(entry.expected),
                "cost": "not known yet" if entry.spent is None else costs.usd(entry.spent),
            }
            for entry in self.entries
            if entry.tokens_estimated is not None
        ]

    def __str__(self) -> str:
        spent, held = self._ledger.sums()
        open_ = f", {costs.usd(held)} put aside" if held else ""
        verb = "would have cost" if self._backend.is_lab else "spent"
        return f"Budget {self.name}: {verb} {costs.usd(spent)}{open_} of {costs.usd(self.usd)}."

    # What the client below calls

    def _before(self, request: Any) -> None:
        """Put aside what a request may cost, or raise. Called before each attempt."""
        path = request.url.path
        if request.method != "POST" or _FREE.search(path):
            return
        if not self._backend.is_confirmed:
            raise WorkbookError(
                "Nothing was sent: this call costs money. Run budget.confirm(what, usd) first."
            )
        try:
            entry = self._entry(path, request)
        except (NotCountable, registry.UnknownModelError, NoPriceError) as error:
            if self._strict:
                raise NotCountable(
                    f"Nothing was sent: {error} A budget can only hold what it can count; "
                    "give Budget(like=…) a model whose prices stand for this one's."
                ) from None
            return
        limit = self.usd if self._strict else None
        request.extensions[_ENTRY] = self._ledger.hold(limit, entry)

    def _entry(self, path: str, request: Any) -> Entry:
        if not path.endswith((JOBS, CHAT, COMPLETIONS)):
            raise NotCountable(f"calls to {path.rpartition('/v1')[2] or path} can't be counted.")
        try:
            return self._counted_entry(path, json.loads(request.content))
        except (KeyError, TypeError, AttributeError, ValueError):
            raise NotCountable("the request or its file is not what the API expects.") from None

    def _counted_entry(self, path: str, body: dict[str, Any]) -> Entry:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        name = str(body.get("model", ""))
        if path.endswith(JOBS):
            own, elsewhere = self._job_estimates(body)
            return Entry(
                now, "training", name, elsewhere.usd_high, elsewhere.usd, None, None, own, None
            )
        priced = self._priced(name)
        held = costs.request_cost(priced, _prompt_at_most(body, priced), _most(body, priced))
        return Entry(now, "request", name, held, None, None, None, None, None)

    def _priced(self, name: str) -> Model:
        """The model whose prices count for a request to `name`."""
        _, tuned = registry.base_of(name)
        if self._like is None:
            return registry.get(name)
        return self._like.as_tuned() if tuned else self._like

    def _job_estimates(self, body: dict[str, Any]) -> tuple[int, costs.Estimate]:
        """Billed tokens in the trained model's vocabulary, and the bill at the counted prices."""
        method = body.get("method") or {"type": "supervised"}
        if method.get("type") != "supervised":
            raise NotCountable(f"the tokens of a {method.get('type')} job can't be foreseen.")
        own = method.get("supervised", {}).get("hyperparameters") or body.get("hyperparameters")
        epochs = (own or {}).get("n_epochs", "auto")
        epochs = None if epochs == "auto" else epochs
        training = self._rows(body["training_file"])
        validation = self._rows(body["validation_file"]) if body.get("validation_file") else None
        trained = self._trained(body["model"])
        counts = [tokens.count_example(row, trained.id) for row in training]
        n_epochs = epochs or costs.default_epochs(len(counts))
        elsewhere = estimates.job(training, self._like or trained, epochs, validation or ())
        return costs.billed_tokens(counts, n_epochs, trained.max_example_tokens), elsewhere

    def _trained(self, name: str) -> Model:
        """The model that trains; for one the registry doesn't know, the one that stands for it."""
        try:
            return registry.get(name)
        except registry.UnknownModelError:
            if self._like is None:
                raise
            return self._like

    def _rows(self, file_id: str) -> list[dict[str, Any]]:
        text = self._plain.files.content(file_id).content.decode("utf-8-sig")
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def _lost(self, request: Any, error: Exception) -> None:
        """No answer came. What was never sent costs nothing; otherwise the hold stays."""
        number = request.extensions.get(_ENTRY)
        if number is not None and type(error).__name__ in ("ConnectError", "ConnectTimeout"):
            self._ledger.settle(number, 0.0)

    def _after(self, request: Any, response: Any) -> None:
        """Settle from the answer's body, at once or when a stream has been read to its end."""
        number = request.extensions.get(_ENTRY)
        if number is not None and response.status_code >= 400:
            self._ledger.settle(number, 0.0)
        elif response.is_stream_consumed or response.is_closed:
            self._read(number, request, response.content)
        elif number is not None:
            _listen(response, lambda data, whole: self._read(number, request, data, whole))

    def _read(self, number: int | None, request: Any, data: bytes, whole: bool = True) -> None:
        path = request.url.path
        if number is None:
            if _ONE_JOB.search(path):
                self._job_seen(_object(data))
            return
        if not whole:  # broken off: the server may have gone on, so the hold stays
            return
        if path.endswith(JOBS):
            self._ledger.name_job(number, str(_object(data).get("id")))
            return
        body = json.loads(request.content)
        usage, answer = _usage(data)
        usd = self._request_usd(body, usage, answer)
        if usd is not None:
            self._ledger.settle(number, usd)

    def _request_usd(self, body: dict, usage: dict | None, answer: str) -> float | None:
        """What a finished request cost: from `usage`, or counted here where that says nothing."""
        priced = self._priced(str(body.get("model", "")))
        if usage and not (self._like and self._foreign(body)):
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            sent, made = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
            return costs.request_cost(priced, sent, made, min(cached, sent))
        if not answer:
            return None
        return costs.request_cost(priced, _prompt(body, priced), tokens.count(answer, priced.id))

    def _foreign(self, body: dict) -> bool:
        """Whether the model's own count is in another vocabulary than the one that is priced."""
        try:
            mine = tokens.encoding_for(str(body.get("model", "")))
        except WorkbookError:
            return False
        return mine != tokens.encoding_for(self._like.id)

    def _job_seen(self, job: dict[str, Any]) -> None:
        """A job passed by: once it has ended, `trained_tokens` settles what was put aside."""
        status, trained = job.get("status"), job.get("trained_tokens")
        found = self._ledger.of_job(str(job.get("id")))
        if found is None or status not in ("succeeded", "failed", "cancelled"):
            return
        number, entry = found
        if trained is None:
            if status == "failed":  # it never trained; a cancelled one may have
                self._ledger.settle(number, 0.0)
            return
        if self._like is None:
            usd = costs.training_cost(trained, 1, registry.get(entry.model))
        else:  # the same share of the work, at the prices that count
            share = trained / entry.tokens_estimated if entry.tokens_estimated else 1.0
            usd = entry.expected * share
        self._ledger.settle(number, usd, trained)


def _cheapest_open() -> Model:
    """The cheapest chat model to train at OpenAI that is not gone yet (else: that there was)."""
    chat = [model for model in registry.hosted() if model.kind == "chat"]
    today = date.today()
    still = [model for model in chat if model.is_tunable(today, existing_customer=True)]
    return min(still or chat, key=lambda model: model.price("training"))


def _off(entry: Entry) -> str:
    if entry.tokens_billed is None or not entry.tokens_estimated:
        return ""
    return f"{entry.tokens_billed / entry.tokens_estimated - 1:+.1%}"


# The size of a request


def _prompt(body: dict[str, Any], model: Model) -> int:
    """The prompt's tokens as the vendor will count them, as far as its rule is published."""
    if "messages" in body:
        return tokens.count_chat(body["messages"], model.id)
    prompts = body.get("prompt", "")
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise NotCountable("a prompt made of numbers can't be counted.")
    return sum(tokens.count(prompt, model.id) for prompt in prompts)


def _prompt_at_most(body: dict[str, Any], model: Model) -> int:
    """No fewer tokens than the prompt: all of it written out as JSON, with tools and schemas."""
    for message in body.get("messages", []):
        content = message.get("content")
        if isinstance(content, list) and any(part.get("type") != "text" for part in content):
            raise NotCountable("a message with an image, a sound or a file can't be counted.")
    parts = ("messages", "prompt", "tools", "functions", "response_format")
    written = json.dumps([body[part] for part in parts if part in body], ensure_ascii=False)
    return max(_prompt(body, model), tokens.count(written, model.id))


def _most(body: dict[str, Any], model: Model) -> int:
    """The most tokens the answer can have."""
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if most is None:
        if model.context_window is None:
            raise NotCountable("the call names no max_completion_tokens.")
        most = max(1, model.context_window - _prompt(body, model))
    return most * (body.get("n") or 1)


# Reading answers


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _usage(data: bytes) -> tuple[dict[str, Any] | None, str]:
    """`usage`, if the answer has it, and the text it holds: a JSON body, or a stream of events."""
    pieces = [_object(data)]
    if not pieces[0]:
        lines = data.decode("utf-8", errors="replace").splitlines()
        pieces = [_object(line[5:].encode()) for line in lines if line.startswith("data:")]
    usage = next((piece["usage"] for piece in reversed(pieces) if piece.get("usage")), None)
    text = []
    for piece in pieces:
        for choice in piece.get("choices") or []:
            said = choice.get("message") or choice.get("delta") or {"content": choice.get("text")}
            text.append(said.get("content") or "")
            if said.get("tool_calls"):
                text.append(json.dumps(said["tool_calls"]))
    return usage, "".join(text)


def _listen(response: Any, ended: Callable[[bytes, bool], None]) -> None:
    """Call `ended(body, whole)` once a streamed body was read, or its reading broke off."""
    read, close = response.iter_bytes, response.close
    seen: list[bytes] = []
    told = False

    def tell(whole: bool) -> None:
        nonlocal told
        if not told:
            told = True
            ended(b"".join(seen), whole)

    def iter_bytes(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        for piece in read(*args, **kwargs):
            seen.append(piece)
            if b"data: [DONE]" in b"".join(seen[-2:]):
                tell(True)  # a client may stop reading here
            yield piece
        tell(True)

    def closed() -> None:
        close()
        tell(False)

    response.iter_bytes, response.close = iter_bytes, closed


# The client


def _counted(client: "OpenAI", budget: Budget) -> "OpenAI":
    """A copy of the client whose requests pass the budget; the same class, calls and answers.

    openai's `_prepare_request` runs before each attempt, where an error goes straight to the
    student; the HTTP client's `send` sees every answer, those of failed attempts included.
    """
    import openai

    if not isinstance(client, openai.OpenAI):
        raise WorkbookError("A budget goes around openai.OpenAI, not an asynchronous client.")
    plain = client._client

    class Metered(type(plain)):
        def send(self, request: Any, **kwargs: Any) -> Any:
            try:
                response = super().send(request, **kwargs)
            except Exception as error:
                budget._lost(request, error)
                raise
            budget._after(request, response)
            return response

        def __del__(self) -> None:
            pass  # the connections are the plain client's, who closes them

    metered = copy.copy(plain)
    metered.__class__ = Metered
    metered._workbook_plain = plain  # else it might be collected, and close them now

    class CountedOpenAI(type(client)):
        def _prepare_request(self, request: Any) -> None:
            super()._prepare_request(request)
            budget._before(request)

    counted = client.copy(http_client=metered)
    counted.__class__ = CountedOpenAI
    return counted


# The ledger


class _Ledger:
    """What was put aside and spent, in a file of its own; safe for threads and processes."""

    def __init__(self, name: str) -> None:
        folder = paths.home() / "budgets"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file = folder / f"{name}.sqlite"
        with self._open() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, at TEXT, "
                "what TEXT, model TEXT, held REAL, expected REAL, spent REAL, job TEXT, "
                "tokens_estimated INTEGER, tokens_billed INTEGER)"
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction that no other writer shares."""
        db = sqlite3.connect(self._file, timeout=60, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        finally:
            db.close()  # what was not committed is undone

    def hold(self, limit: float | None, entry: Entry) -> int:
        """Put `entry.held` aside; the value is the line's number. Raises OverBudget."""
        with self._open() as db:
            spent, held = _sums(db)
            if limit is not None and spent + held + entry.held > limit * (1 + 1e-12):
                raise OverBudget(
                    f"Nothing was sent: this call may cost {costs.usd(entry.held)}, and "
                    f"{costs.usd(max(0.0, limit - spent - held))} are left of "
                    f"{costs.usd(limit)} (spent {costs.usd(spent)}, put aside {costs.usd(held)}). "
                    "Set max_completion_tokens lower, or a larger budget."
                )
            return db.execute(
                f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                astuple(entry),
            ).lastrowid

    def settle(self, number: int, usd: float, billed: int | None = None) -> None:
        with self._open() as db:
            db.execute(
                "UPDATE entries SET spent = ?, tokens_billed = ? WHERE number = ?",
                (usd, billed, number),
            )

    def name_job(self, number: int, job: str) -> None:
        with self._open() as db:
            db.execute("UPDATE entries SET job = ? WHERE number = ?", (job, number))

    def of_job(self, job: str) -> tuple[int, Entry] | None:
        with self._open() as db:
            row = db.execute(f"SELECT {_COLUMNS}, number FROM entries WHERE job = ?", (job,))
            found = row.fetchone()
        return (found[-1], Entry(*found[:-1])) if found else None

    def sums(self) -> tuple[float, float]:
        with self._open() as db:
            return _sums(db)

    def entries(self) -> list[Entry]:
        with self._open() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM entries ORDER BY number").fetchall()
        return [Entry(*row) for row in rows]


_COLUMNS = "at, what, model, held, expected, spent, job, tokens_estimated, tokens_billed"


def _sums(db: sqlite3.Connection) -> tuple[float, float]:
    """USD spent, and USD put aside for what has not ended."""
    return db.execute(
        "SELECT coalesce(sum(spent), 0.0), "
        "coalesce(sum(CASE WHEN spent IS NULL THEN held END), 0.0) FROM entries"
    ).fetchone()
