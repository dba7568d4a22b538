"""What a training job costs before it runs, what a request costs, and when tuning pays.

Pure arithmetic over `workbook.prices.registry`; knows no files, no tokens' texts, and asks nobody.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from workbook.epochs import default_epochs as default_epochs
from workbook.errors import WorkbookError
from workbook.prices import registry
from workbook.prices.model import Model, NoPriceError

HOURS_PER_MONTH = 24 * 365 / 12  # 730
BATCH_FACTOR = 0.5  # OpenAI's Batch API: half price


def billed_tokens(token_counts: Iterable[int], n_epochs: int, limit: int | None = None) -> int:
    """Training tokens on the bill: epochs × Σ min(limit, tokens of the example).

    limit: the model's `max_example_tokens`; the end of a longer example is cut off, not trained
        and not billed; None: no limit is known
    """
    _positive("n_epochs", n_epochs)
    return n_epochs * sum(count if limit is None else min(count, limit) for count in token_counts)


def training_cost(
    tokens: int,
    n_epochs: int,
    model: str | Model,
    as_of: date | None = None,
    free_tokens: int = 0,
) -> float:
    """USD for a job: tokens of the file (one epoch) × epochs × the training price.

    as_of: as in `Model.price`
    free_tokens: taken off the billed tokens first (a promotion)
    Raises NoPriceError where training is not sold by the token.
    """
    _positive("n_epochs", n_epochs)
    billed = max(0, tokens * n_epochs - free_tokens)
    return billed * registry.resolve(model).price("training", as_of) / 1e6


def request_cost(
    model: str | Model,
    prompt_tokens: int,
    completion_tokens: int,
    cached_tokens: int = 0,
    batch: bool = False,
    as_of: date | None = None,
) -> float:
    """USD for one request. An `ft:` id, or `Model.as_tuned()`, costs the tuned model's price.

    cached_tokens: how many of the prompt cost the cached price, or the full one where the vendor
        sells no cached input
    batch: half of everything
    Raises WorkbookError when more tokens are cached than sent.
    """
    if not 0 <= cached_tokens <= prompt_tokens:
        raise WorkbookError(
            f"{cached_tokens} cached tokens in a prompt of {prompt_tokens}: only a part of the "
            "prompt can come from the cache."
        )
    model = registry.resolve(model)
    full_price = model.price("input", as_of)
    try:
        cached_price = model.price("cached_input", as_of)
    except NoPriceError:
        cached_price = full_price
    usd = (
        (prompt_tokens - cached_tokens) * full_price
        + cached_tokens * cached_price
        + completion_tokens * model.price("output", as_of)
    ) / 1e6
    return usd * BATCH_FACTOR if batch else usd


@dataclass(frozen=True)
class Estimate:
    """What a training file costs on one model. Tokens are training tokens, money is USD.

    `billed` and `usd` are what the published rule gives: epochs × tokens, the limit applied.
    Two things no rule of OpenAI's says bound it: whether the tokens that only mark messages are
    billed (`low`: they are not), and whether validation is (`high`: all of it, once an epoch, and
    nothing cut off; https://docs.together.ai/docs/fine-tuning/pricing is a host that bills it).
    """

    model: Model
    examples: int
    n_epochs: int
    tokens: int  # of one epoch, before cutting
    cut: int  # examples longer than the model's limit
    billed: int
    usd: float
    billed_low: int
    billed_high: int
    usd_low: float
    usd_high: float

    def __str__(self) -> str:
        return (
            f"{self.examples:,} examples × {self.n_epochs} epochs = {self.billed:,} billed tokens: "
            f"{usd(self.usd)} on {self.model.label} "
            f"(at least {usd(self.usd_low)}, at most {usd(self.usd_high)})"
        )


def estimate(
    token_counts: Iterable[int],
    model: str | Model,
    n_epochs: int | None = None,
    as_of: date | None = None,
    text_counts: Iterable[int] | None = None,
    validation_counts: Iterable[int] = (),
    free_tokens: int = 0,
) -> Estimate:
    """The bill of a training file, from the tokens of each of its examples.

    n_epochs: None takes `default_epochs`
    text_counts: the same examples without the tokens that mark messages (`tokens.count_text`);
        without it, low equals expected
    validation_counts: tokens of each example of the validation file
    free_tokens: as in `training_cost`
    """
    counts = list(token_counts)
    model = registry.resolve(model)
    epochs = default_epochs(len(counts)) if n_epochs is None else n_epochs
    limit = model.max_example_tokens
    billed = billed_tokens(counts, epochs, limit)
    low = billed if text_counts is None else billed_tokens(text_counts, epochs, limit)
    high = billed_tokens([*counts, *validation_counts], epochs)
    price = model.price("training", as_of)

    def dollars(tokens: int) -> float:
        return max(0, tokens - free_tokens) * price / 1e6

    return Estimate(
        model=model,
        examples=len(counts),
        n_epochs=epochs,
        tokens=sum(counts),
        cut=sum(limit is not None and count > limit for count in counts),
        billed=billed,
        usd=dollars(billed),
        billed_low=low,
        billed_high=high,
        usd_low=dollars(low),
        usd_high=dollars(high),
    )


def monthly_cost(request_usd: float, requests: float, hosting_per_hour: float = 0.0) -> float:
    """USD a month at that many requests a month, with the deployment up all 730 hours."""
    return request_usd * requests + hosting_per_hour * HOURS_PER_MONTH


@dataclass(frozen=True)
class BreakEven:
    """When a tuned model pays off against a long prompt. Money in USD."""

    saving_per_request: float  # below zero: the tuned request is the dearer one
    training: float
    hosting_per_month: float

    @property
    def requests(self) -> float:
        """Requests in all until the training is paid, hosting aside; infinite when never."""
        return self._per_saving(self.training)

    @property
    def requests_per_month(self) -> float:
        """Requests a month that pay the hosting alone; below them tuning only loses money."""
        return self._per_saving(self.hosting_per_month)

    def months(self, requests_per_month: float) -> float:
        """Months until training and hosting are paid back; infinite when never."""
        gain = self.saving_per_request * requests_per_month - self.hosting_per_month
        return self.training / gain if gain > 0 else math.inf

    def hosting_share(self, requests_per_month: float, tuned_request_usd: float) -> float:
        """The part (0 to 1) of the tuned model's monthly bill that is hosting."""
        total = self.hosting_per_month + tuned_request_usd * requests_per_month
        return self.hosting_per_month / total if total else 0.0

    def _per_saving(self, usd: float) -> float:
        if usd == 0:
            return 0.0
        return usd / self.saving_per_request if self.saving_per_request > 0 else math.inf


def break_even(
    prompt_request_usd: float,
    tuned_request_usd: float,
    training_usd: float,
    hosting_per_hour: float = 0.0,
) -> BreakEven:
    """Compare a request with a long prompt to the base with a short one to the tuned model.

    prompt_request_usd, tuned_request_usd: from `request_cost`, so that the tuned model's higher
        price a token is counted
    hosting_per_hour: `Model.hosting_per_hour`
    """
    return BreakEven(
        saving_per_request=prompt_request_usd - tuned_request_usd,
        training=training_usd,
        hosting_per_month=hosting_per_hour * HOURS_PER_MONTH,
    )


@dataclass(frozen=True)
class Use:
    """A month of use, each way of working in USD, hosting included where the model is tuned."""

    requests: float
    ways: dict[str, float]
    break_even: BreakEven  # the tuned model against the plain long prompt

    @property
    def cheapest(self) -> str:
        """The name of the cheapest way."""
        return min(self.ways, key=self.ways.__getitem__)

    def paid_back(self, start: date) -> date | None:
        """The day on which training and hosting are paid back; None: never at this volume."""
        months = self.break_even.months(self.requests)
        days = math.ceil(months * 365 / 12) if math.isfinite(months) else None
        if days is None or days > (date.max - start).days:
            return None
        return start + timedelta(days=days)


def use(
    model: str | Model,
    long_prompt: int,
    short_prompt: int,
    answer: int,
    requests: float,
    training_usd: float = 0.0,
    hosting_per_hour: float | None = None,
    as_of: date | None = None,
) -> Use:
    """The month's bill of each way to do one job: long prompt, cached, in batches, tuned.

    The long prompt goes to the base model, the short one to the tuned model; all of the long
    prompt but the last `short_prompt` tokens comes from the cache in "long prompt, cached".

    long_prompt, short_prompt, answer: tokens
    requests: a month
    hosting_per_hour: None takes the model's own
    """
    base = registry.resolve(model)
    tuned = base.as_tuned()
    hosting = base.hosting_per_hour if hosting_per_hour is None else hosting_per_hour
    cached = max(0, long_prompt - short_prompt)
    plain = request_cost(base, long_prompt, answer, as_of=as_of)
    short = request_cost(tuned, short_prompt, answer, as_of=as_of)
    each = {
        "long prompt": plain,
        "long prompt, cached": request_cost(base, long_prompt, answer, cached, as_of=as_of),
        "long prompt, in batches": plain * BATCH_FACTOR,
    }
    ways = {name: monthly_cost(request, requests) for name, request in each.items()}
    ways["tuned model"] = monthly_cost(short, requests, hosting)
    ways["tuned model, in batches"] = monthly_cost(short * BATCH_FACTOR, requests, hosting)
    return Use(requests, ways, break_even(plain, short, training_usd, hosting))


def usd(amount: float) -> str:
    """Dollars as people write them: $1,234.50, $0.02, and for less $0.0038 (two digits)."""
    if math.isinf(amount):
        return "never"
    size = abs(amount)
    sign = "-" if amount < 0 else ""
    if size == 0 or size >= 0.1:
        return f"{sign}${size:,.2f}"
    digits = 1 - math.floor(math.log10(size))
    text = f"{size:.{digits}f}".rstrip("0")
    return f"{sign}${text}" if len(text) > 3 else f"{sign}${size:.2f}"


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise WorkbookError(f"{name} is {value}: it must be at least 1.")
