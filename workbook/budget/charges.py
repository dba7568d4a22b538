"""What requests and jobs cost: at the most before they are sent, and exactly once they have ended.

At the prices of one model that stands for all, or of each model itself. Knows the bodies of
OpenAI's requests; sends nothing and remembers nothing.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from workbook.budget import usage
from workbook.budget.ledger import Entry
from workbook.budget.usage import NotCountableError
from workbook.errors import WorkbookError
from workbook.prices import costs, estimates, registry, tokens
from workbook.prices.model import Model

Rows = list[dict[str, Any]]


def cheapest_open() -> Model:
    """The cheapest chat model to train at OpenAI that is not gone yet (else: that there was)."""
    chat = [model for model in registry.hosted() if model.kind == "chat"]
    today = date.today()
    still = [model for model in chat if model.is_tunable(today, existing_customer=True)]
    return min(still or chat, key=lambda model: model.price("training"))


class Charges:
    """The cost of calls at the prices of `like`; without it each model has its own."""

    def __init__(self, like: Model | None) -> None:
        self._like = like

    def request_at_most(self, body: dict[str, Any]) -> float:
        """The most USD that a request can cost. Raises NotCountableError, and as `registry.get`."""
        model = self._priced(str(body.get("model", "")))
        prompt = usage.prompt_tokens_at_most(body, model)
        return costs.request_cost(model, prompt, usage.completion_tokens_at_most(body, model))

    def request(self, body: dict[str, Any], answer: bytes) -> float | None:
        """USD of a finished request: from `usage`, or counted here where that says nothing.

        None where the answer holds neither `usage` nor text.
        """
        model = self._priced(str(body.get("model", "")))
        counts, text = usage.of_answer(answer)
        if counts and not self._counts_otherwise(str(body.get("model", ""))):
            cached = (counts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            prompt, completion = counts.get("prompt_tokens", 0), counts.get("completion_tokens", 0)
            return costs.request_cost(model, prompt, completion, min(cached, prompt))
        if not text:
            return None
        prompt = usage.prompt_tokens(body, model)
        return costs.request_cost(model, prompt, tokens.count(text, model.id))

    def job(
        self, body: dict[str, Any], rows_of: Callable[[str], Rows]
    ) -> tuple[int, costs.Estimate]:
        """Billed tokens in the trained model's vocabulary, and the bill at the prices that count.

        rows_of: gives the rows of an uploaded file, by its id
        """
        method = body.get("method") or {"type": "supervised"}
        if method.get("type") != "supervised":
            raise NotCountableError(f"the tokens of a {method.get('type')} job can't be foreseen.")
        settings = method.get("supervised", {}).get("hyperparameters") or body.get(
            "hyperparameters"
        )
        epochs = (settings or {}).get("n_epochs", "auto")
        epochs = None if epochs == "auto" else epochs
        training = rows_of(body["training_file"])
        validation = rows_of(body["validation_file"]) if body.get("validation_file") else []
        model = self._trained(body["model"])
        counts = [tokens.count_example(row, model.id) for row in training]
        n_epochs = epochs or costs.default_epochs(len(counts))
        bill = estimates.job(training, self._like or model, epochs, validation)
        return costs.billed_tokens(counts, n_epochs, model.max_example_tokens), bill

    def finished_job(self, entry: Entry, trained_tokens: int) -> float:
        """USD of a job that has trained on so many tokens."""
        if self._like is None or entry.expected is None:
            return costs.training_cost(trained_tokens, 1, registry.get(entry.model))
        # the same share of the work, at the prices that count
        share = trained_tokens / entry.tokens_estimated if entry.tokens_estimated else 1.0
        return entry.expected * share

    def _priced(self, name: str) -> Model:
        """The model whose prices count for a request to `name`."""
        if self._like is None:
            return registry.get(name)
        _, tuned = registry.base_of(name)
        return self._like.as_tuned() if tuned else self._like

    def _trained(self, name: str) -> Model:
        """The model that trains; for one the registry doesn't know, the one that stands for it."""
        try:
            return registry.get(name)
        except registry.UnknownModelError:
            if self._like is None:
                raise
            return self._like

    def _counts_otherwise(self, name: str) -> bool:
        """Whether a model's own count is in another vocabulary than that of the one priced."""
        if self._like is None:
            return False
        try:
            return tokens.encoding_for(name) != tokens.encoding_for(self._like.id)
        except WorkbookError:
            return False
