"""A budget that holds: it counts what each call really used and refuses the one that exceeds it.

`Budget(usd, backend)` gives a client to be used like the plain one. It puts money aside before a
call leaves, at the most the call can cost, and replaces it by what the answer says was used. Which
calls cost stands in `calls`, what they cost in `charges`, what was spent in `ledger`, and how it is
settled in `meter`.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from workbook import display
from workbook.budget import comparison, counted_client
from workbook.budget.charges import Charges, cheapest_open
from workbook.budget.counted_client import Hooks
from workbook.budget.ledger import HOSTING, Entry, Ledger, OverBudgetError
from workbook.budget.meter import Meter
from workbook.errors import WorkbookError
from workbook.prices import costs
from workbook.prices.model import Model

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from workbook.backends import Backend


class Budget:
    """At most `usd` dollars through `client`, counted across kernels under one `name`.

    On the lab nothing is refused or asked unless `strict=True`: it counts what the same work would
    have cost elsewhere. On a hosted backend a call is refused until `confirm`, here or of the
    backend, was answered with yes; when it could exceed what is left; and when what it costs can't
    be known. A call that names no limit for its answer holds the model's longest answer; one whose
    answer was lost, or says nothing of what it used, keeps what was put aside.

    like: the model whose prices count on the lab (by default the cheapest chat model that OpenAI's
        customers can still tune) and on a host of your own; elsewhere for models without a price
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
        self._ledger = Ledger(name)
        self._charges = Charges(backend.name, self._like, str(backend.client.base_url.host))
        limit = usd if self._strict else None
        meter = Meter(backend, self._charges, self._ledger, limit)
        self._hooks = Hooks(meter.before, meter.after, meter.lost)
        self.client: OpenAI = counted_client.counted(backend.client, self._hooks)

    @cached_property
    def async_client(self) -> "AsyncOpenAI":
        """An asynchronous client of the same backend, counted in the same ledger."""
        return counted_client.counted_async(self._backend.client, self._hooks)

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
        if amount is None or not (math.isfinite(amount) and amount >= 0):
            raise WorkbookError(f"{what}: {amount} is no amount of dollars that can be agreed to.")
        price = str(usd) if isinstance(usd, costs.Estimate) else costs.usd(usd)
        elsewhere = f" (prices of {self._like.label})" if self._like else ""
        display.box(f"{what}: {price}{elsewhere}. {self}")
        if self._strict and amount > self.left:
            raise OverBudgetError(
                f"{what} may cost {costs.usd(amount)}; {costs.usd(max(0, self.left))} are left of "
                f"{costs.usd(self.usd)}. Make it smaller, or set a larger budget."
            )
        self._backend.confirm(what, amount)

    def reserve_hosting(self, deployment: str, base: str, hours: float) -> None:
        """Put aside the hours of a deployment that you make elsewhere; its calls then count.

        A tuned model on Azure answers only while a deployment of it is paid for, by the hour. No
        call of this client starts or ends it: delete it before the hours are over. What is put
        aside stays, whether you do or not.

        deployment: the name that its calls have as `model`
        base: the model that was tuned
        Raises NoPriceError where no price an hour is known, OverBudgetError where it doesn't fit.
        """
        if not (math.isfinite(hours) and hours > 0):
            raise WorkbookError(f"{hours} hours of hosting can't be put aside.")
        if not self._backend.is_confirmed:
            raise WorkbookError("Hosting costs money. Run budget.confirm(what, usd) first.")
        usd = hours * self._charges.hosting_per_hour(base)
        now = datetime.now(UTC)
        entry = Entry(now.isoformat(timespec="seconds"), HOSTING, deployment, usd, base=base)
        until = (now + timedelta(hours=hours)).isoformat(timespec="seconds")
        entry = Entry(**vars(entry) | {"until": until})
        self._ledger.hold(self.usd if self._strict else None, entry)

    def compare(self) -> list[dict[str, object]]:
        """Estimate against bill, a row for each job of this budget."""
        jobs = (entry for entry in self.entries if entry.expected is not None)
        return [comparison.row(entry) for entry in jobs]

    def __str__(self) -> str:
        spent, held = self._ledger.sums()
        aside = f", {costs.usd(held)} put aside" if held else ""
        verb = "would have cost" if self._backend.is_lab else "spent"
        return f"Budget {self.name}: {verb} {costs.usd(spent)}{aside} of {costs.usd(self.usd)}."
