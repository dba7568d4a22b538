"""What calls cost: at the most before they are sent, and exactly once they have ended.

At the prices of one model that stands for all, or of each model itself. Knows the bodies of
OpenAI's requests; sends nothing and remembers nothing.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbook import epochs as epochs_rule
from workbook.budget import calls, usage
from workbook.budget.answers import Usage
from workbook.budget.ledger import Entry
from workbook.budget.usage import NotCountableError
from workbook.errors import WorkbookError
from workbook.prices import costs, estimates, registry, sizes, tokens
from workbook.prices.model import Model, NoPriceError

Rows = list[dict[str, Any]]


def cheapest_open() -> Model:
    """The cheapest chat model to train at OpenAI that is not gone yet (else: that there was)."""
    chat = [model for model in registry.hosted() if model.kind == "chat"]
    today = registry.today()
    still = [model for model in chat if model.is_tunable(today, existing_customer=True)]
    return min(still or chat, key=lambda model: model.price("training"))


@dataclass(frozen=True)
class JobBill:
    """What a training job is expected to cost, and the most that it can.

    Tokens are in the vocabulary of the model that trains, money is at the prices that count.
    """

    estimate: costs.Estimate
    tokens: int
    tokens_low: int
    tokens_high: int
    usd_most: float  # `estimate.usd_high`; more where the host chooses the epochs


class Charges:
    """The cost of calls to a host, at each model's prices, or at those of another one.

    host: a backend's name
    address: the name in its address, "llm.example.org", by which your own prices are found
    like: on the lab and on a host of the student's own its prices count for every model; elsewhere
        for those that have none
    """

    def __init__(self, host: str, like: Model | None, address: str = "") -> None:
        self._host = host
        self._like = like
        self._stand_in = like if host in ("lab", "compatible") else None
        self._address = address if host == "compatible" else ""
        self._prefix = "azure/" if host == "azure" else ""
        self.deployments: dict[str, str] = {}  # a name of the student's own: the model behind it

    # Requests

    def request_at_most(self, path: str, body: Mapping[str, Any], answered: bool = True) -> float:
        """The most USD that a request can cost. Raises NotCountableError, and as `registry.get`.

        answered: False for the prompt alone
        """
        model, is_own = self._priced(body.get("model"))
        if path == calls.EMBEDDINGS:
            return usage.input_tokens(body["input"], model) * model.price("input") / 1e6
        prompt = usage.prompt_tokens_at_most(body, model, is_own)
        if not answered:
            return prompt * model.price("input") / 1e6
        return costs.request_cost(model, prompt, usage.completion_tokens_at_most(body, model))

    def request(
        self, path: str, body: Mapping[str, Any], used: Usage, batch: bool = False
    ) -> float:
        """USD of a finished request.

        batch: at the price of a batch, where there is one
        """
        model, _ = self._priced(body.get("model"))
        if path == calls.EMBEDDINGS:
            return used.prompt * model.price("input") / 1e6
        try:
            return costs.request_cost(model, used.prompt, used.completion, used.cached, batch=batch)
        except NoPriceError:
            if not batch:
                raise
            return self.request(path, body, used)

    def counted_here(self, body: Mapping[str, Any], text: str) -> float:
        """USD of a finished request by the texts that went to and fro."""
        model, _ = self._priced(body.get("model"))
        prompt = usage.prompt_tokens(body, model)
        answer = sizes.for_model(model).tokens(text)
        return costs.request_cost(model, prompt, answer)

    def counts_otherwise(self, name: Any) -> bool:
        """Whether a model's own count is in another vocabulary than that of the one priced."""
        if self._stand_in is None or self._host != "lab":
            return False
        try:
            return tokens.encoding_for(str(name)) != tokens.encoding_for(self._stand_in.id)
        except WorkbookError:
            return False

    def is_hosted_by_the_hour(self, name: Any) -> bool:
        """Whether a model answers only while a deployment is paid for."""
        return self._host == "azure" and registry.base_of(str(name))[1]

    def hosting_per_hour(self, base: str) -> float:
        """USD for an hour of a deployment. Raises NoPriceError where none is known."""
        model = self._registered(base)
        if model.hosting is None:
            raise NoPriceError(f"What an hour of {base} costs at this host is not known here.")
        _check_prices(model)
        return model.hosting_per_hour

    # Jobs

    def job(self, body: Mapping[str, Any], rows_of: Callable[[str], Rows]) -> JobBill:
        """The bill of a training job.

        rows_of: gives the rows of an uploaded file, by its id
        """
        training = rows_of(body["training_file"])
        validation = rows_of(body["validation_file"]) if body.get("validation_file") else []
        values = [each.get("n_epochs", "auto") for each in calls.hyperparameters(body)]
        epochs: int | None = max(
            (each for each in values if each not in (None, "auto")), default=None
        )
        trained = self._trained(body["model"])
        priced = self._stand_in or trained
        _check_prices(priced)
        bill = estimates.job(training, priced, epochs, validation)
        own = bill if priced == trained else estimates.job(training, trained, epochs, validation)
        chosen = 1.0 if epochs else max(1.0, epochs_rule.MOST / bill.n_epochs)
        return JobBill(
            bill, own.billed, own.billed_low, own.billed_high, usd_most=bill.usd_high * chosen
        )

    def finished_job(self, entry: Entry, trained_tokens: int) -> float:
        """USD of a job that has trained on so many tokens."""
        if self._stand_in is None or entry.expected is None:
            return costs.training_cost(trained_tokens, 1, self._trained(entry.model))
        # the same share of the work, at the prices that count
        share = trained_tokens / entry.tokens_estimated if entry.tokens_estimated else 1.0
        return entry.expected * share

    def _trained(self, name: Any) -> Model:
        """The model that trains; for one the registry doesn't know, the one that stands for it."""
        try:
            return self._registered(str(name))
        except registry.UnknownModelError:
            if self._like is None:
                raise
            return self._like

    # Models

    def _priced(self, name: Any) -> tuple[Model, bool]:
        """The model whose prices count for a request to `name`, and whether that counts its tokens.

        On the lab tokens are counted as the other model would count them.
        """
        name = str(name or "")
        _, tuned = registry.base_of(name)
        if self._stand_in is not None:
            model = self._stand_in.as_tuned() if tuned else self._stand_in
            is_own = self._host == "lab"
        else:
            try:
                model, is_own = self._own(name), True
            except (registry.UnknownModelError, NoPriceError):
                if self._like is None:
                    raise
                model, is_own = self._like.as_tuned() if tuned else self._like, False
        _check_prices(model)
        return model, is_own

    def _own(self, name: str) -> Model:
        """The registry's model of that name at this host, if it has a price."""
        base = self.deployments.get(name)
        model = self._registered(base or name)
        model = model.as_tuned() if base else model
        model.price("input")
        return model

    def _registered(self, name: str) -> Model:
        """What the registry, or the student's own file, knows of a model at this host."""
        if registry.base_of(name)[1] or not self._prefix:
            return registry.at_host(self._address, name)
        return registry.get(self._prefix + name.removeprefix(self._prefix))


def _check_prices(model: Model) -> None:
    """Raises NotCountableError for a price that no sum can be made with."""
    for price in model.prices:
        if not (math.isfinite(price.usd) and price.usd >= 0):
            raise NotCountableError(f"{model.id} has a price of {price.usd} dollars.")
