"""A budget that holds: it counts what each call really used and refuses the one that exceeds it.

`Budget(usd, backend)` gives a client to be used like the plain one. It puts money aside before a
call leaves, at the most the call can cost, and replaces it by what the answer says was used. Knows
which calls of OpenAI's API cost money; what they cost stands in `charges`, what was spent in
`ledger`.
"""

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbook import display
from workbook.budget import counted_client, usage
from workbook.budget.charges import Charges, cheapest_open
from workbook.budget.counted_client import Request, Response
from workbook.budget.ledger import Entry, Ledger, OverBudgetError
from workbook.budget.usage import NotCountableError
from workbook.errors import WorkbookError
from workbook.prices import costs, registry
from workbook.prices.model import Model, NoPriceError

if TYPE_CHECKING:
    from openai import OpenAI

    from workbook.backends import Backend

CHAT, COMPLETIONS, JOBS = "/chat/completions", "/completions", "/fine_tuning/jobs"
# POST paths that cost nothing by themselves: files, and what is done to a job already counted.
_FREE = re.compile(r"/(files|uploads|moderations)\b|/fine_tuning/(jobs|checkpoints)/")
_ONE_JOB = re.compile(r"/fine_tuning/jobs/([\w.-]+)(/cancel)?$")
_ENTRY = "workbook_budget_entry"  # where a request carries the number of its line in the ledger


class Budget:
    """At most `usd` dollars through `client`, counted across kernels under one `name`.

    On the lab nothing is refused or asked unless `strict=True`: it counts what the same work would
    have cost elsewhere. On a hosted backend a call is refused until `confirm`, here or of the
    backend, was answered with yes, and when it could exceed what is left. A call without
    `max_completion_tokens` holds the rest of the model's window.

    like: the model whose prices count; without it each model has its own (on the lab: the cheapest
        chat model that OpenAI's customers can still tune)
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
        self._like = like or (cheapest_open() if backend.is_lab else None)
        self._strict = not backend.is_lab if strict is None else strict
        self._charges = Charges(self._like)
        self._ledger = Ledger(name)
        self._plain = backend.client
        self.client: OpenAI = counted_client.counted(
            self._plain, before=self._before, after=self._after, lost=self._lost
        )

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

        usd: dollars, or an estimate, of which the high figure must fit
        Raises OverBudgetError when it doesn't, WorkbookError when the answer is not yes.
        """
        amount = usd.usd_high if isinstance(usd, costs.Estimate) else usd
        price = str(usd) if isinstance(usd, costs.Estimate) else costs.usd(usd)
        elsewhere = f" (prices of {self._like.label})" if self._like else ""
        display.box(f"{what}: {price}{elsewhere}. {self}")
        if self._strict and amount > self.left:
            raise OverBudgetError(
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
            if entry.expected is not None
        ]

    def __str__(self) -> str:
        spent, held = self._ledger.sums()
        aside = f", {costs.usd(held)} put aside" if held else ""
        verb = "would have cost" if self._backend.is_lab else "spent"
        return f"Budget {self.name}: {verb} {costs.usd(spent)}{aside} of {costs.usd(self.usd)}."

    # What the counted client calls

    def _before(self, request: Request) -> None:
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
        except (NotCountableError, registry.UnknownModelError, NoPriceError) as error:
            if self._strict:
                raise NotCountableError(
                    f"Nothing was sent: {error} A budget can only hold what it can count; "
                    "give Budget(like=…) a model whose prices stand for this one's."
                ) from None
            return
        limit = self.usd if self._strict else None
        request.extensions[_ENTRY] = self._ledger.hold(limit, entry)

    def _entry(self, path: str, request: Request) -> Entry:
        """The line of a request: what it holds, and of a job what it is expected to cost."""
        if not path.endswith((JOBS, CHAT, COMPLETIONS)):
            raise NotCountableError(
                f"calls to {path.rpartition('/v1')[2] or path} can't be counted."
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            body = json.loads(request.content)
            name = str(body.get("model", ""))
            if not path.endswith(JOBS):
                return Entry(now, "request", name, self._charges.request_at_most(body))
            billed, bill = self._charges.job(body, self._rows)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise NotCountableError(
                "the request or its file is not what the API expects."
            ) from None
        return Entry(
            now, "training", name, bill.usd_high, expected=bill.usd, tokens_estimated=billed
        )

    def _rows(self, file_id: str) -> list[dict[str, Any]]:
        content = self._plain.files.content(file_id).content.decode("utf-8-sig")
        return [json.loads(line) for line in content.splitlines() if line.strip()]

    def _lost(self, request: Request, error: Exception) -> None:
        """No answer came. What was never sent costs nothing; otherwise the hold stays."""
        number = request.extensions.get(_ENTRY)
        if number is not None and type(error).__name__ in ("ConnectError", "ConnectTimeout"):
            self._ledger.settle(number, 0.0)

    def _after(self, request: Request, response: Response) -> None:
        """Settle from the answer's body, at once or when a stream has been read to its end."""
        number = request.extensions.get(_ENTRY)
        if number is not None and response.status_code >= 400:
            self._ledger.settle(number, 0.0)
        elif response.is_stream_consumed or response.is_closed:
            self._settle(number, request, response.content)
        elif number is not None:
            counted_client.listen(
                response, lambda data, whole: self._settle(number, request, data, whole)
            )

    def _settle(
        self, number: int | None, request: Request, data: bytes, whole: bool = True
    ) -> None:
        path = request.url.path
        if number is None:
            if _ONE_JOB.search(path):
                self._settle_job(usage.json_object(data))
            return
        if not whole:  # broken off: the server may have gone on, so the hold stays
            return
        if path.endswith(JOBS):
            self._ledger.name_job(number, str(usage.json_object(data).get("id")))
            return
        usd = self._charges.request(json.loads(request.content), data)
        if usd is not None:
            self._ledger.settle(number, usd)

    def _settle_job(self, job: dict[str, Any]) -> None:
        """A job passed by: once it has ended, `trained_tokens` settles what was put aside."""
        status, trained_tokens = job.get("status"), job.get("trained_tokens")
        line = self._ledger.of_job(str(job.get("id")))
        if line is None or status not in ("succeeded", "failed", "cancelled"):
            return
        number, entry = line
        if trained_tokens is not None:
            usd = self._charges.finished_job(entry, trained_tokens)
            self._ledger.settle(number, usd, trained_tokens)
        elif status == "failed":  # it never trained; a cancelled one may have
            self._ledger.settle(number, 0.0)


def _off(entry: Entry) -> str:
    """By how much the bill's tokens differ from the estimate's."""
    if entry.tokens_billed is None or not entry.tokens_estimated:
        return ""
    return f"{entry.tokens_billed / entry.tokens_estimated - 1:+.1%}"
