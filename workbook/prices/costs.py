"""What a training job costs before it runs, what a request costs, and when tuning pays.

Pure arithmetic over `workbook.prices.registry`; knows no files, no tokens' texts, and asks nobody.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from workbook.epochs import default_epochs as default_epochs
from workbook.errors import WorkbookError
from workbook.prices import registry
from workbook.prices.model import Model, NoPriceError

HOURS_PER_MONTH = 24 * 365 / 12  # 730
CACHED_FROM, CACHED_STEP = registry.caching()  # tokens of a prompt


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


def cacheable(prompt_tokens: int, shared_tokens: int) -> int:
    """How many tokens of a prompt cost the cached price, when so many of them were sent before.

    None of a prompt under 1,024 tokens; of a longer one whole steps of 128
    (https://cookbook.openai.com/examples/prompt_caching101).
    """
    if prompt_tokens < CACHED_FROM or shared_tokens < CACHED_FROM:
        return 0
    return min(prompt_tokens, shared_tokens) // CACHED_STEP * CACHED_STEP


def request_cost(
    model: str | Model,
    prompt_tokens: int,
    completion_tokens: int,
    cached_tokens: int = 0,
    batch: bool = False,
    as_of: date | None = None,
) -> float:
    """USD for one request. An `ft:` id, or `Model.as_tuned()`, costs the tuned model's price.

    cached_tokens: how many of the prompt were sent before; what of them is `cacheable` costs the
        cached price, or the full one where the vendor sells no cached input
    batch: at the prices of a batch, which are not half of the others for every model
    Raises NoPriceError where there is no such price, and WorkbookError when more tokens are cached
    than sent.
    """
    if not 0 <= cached_tokens <= prompt_tokens:
        raise WorkbookError(
            f"{cached_tokens} cached tokens in a prompt of {prompt_tokens}: only a part of the "
            "prompt can come from the cache."
        )
    model = registry.resolve(model)
    kind = "batch_" if batch else ""
    cached = cacheable(prompt_tokens, cached_tokens)
    full_price = model.price(f"{kind}input", as_of)
    try:
        cached_price = model.price(f"{kind}cached_input", as_of) if cached else full_price
    except NoPriceError:
        cached_price = full_price
    return (
        (prompt_tokens - cached) * full_price
        + cached * cached_price
        + completion_tokens * model.price(f"{kind}output", as_of)
    ) / 1e6


@dataclass(frozen=True)
class Estimate:
    """What a training file costs on one model. Tokens are training tokens, money is USD.

    `billed` and `usd` are what the published rules give: epochs × tokens, the limit applied.
    What no rule of OpenAI's says bounds it. `low`: the tokens that only mark messages are not
    billed. `high`: validation is, all of it, once an epoch, and nothing is cut off
    (https://docs.together.ai/docs/fine-tuning/pricing is a host that bills it); functions, images
    and prompts of preferences count the most that they can (`workbook.prices.sizes`).
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
    gaps: tuple[str, ...] = ()  # what is in the file and no rule counts: "a sound"
    method: str | None = field(default=None, compare=False)  # that the rows are made for

    def notices(self, day: date | None = None) -> list[str]:
        """What must be said with the figures on that day (today by default).

        That the model can't be trained any more or will end soon, or not by this method; that its
        tokens are counted with another's vocabulary; and what could not be counted.
        """
        sentences = self.model.notices(day)
        if self.method and self.model.methods and self.method not in self.model.methods:
            sentences.append(
                f"{self.model.label} is not known to be trained by {self.method}, which these rows "
                f"are for; it is by {', '.join(self.model.methods)}."
            )
        if self.model.token_rules.is_approximate:
            sentences.append(
                f"{self.model.label} has no public vocabulary: its tokens are counted with "
                f"{self.model.token_rules.encoding}. The bounds allow for that in texts of Latin "
                "letters; in other scripts the true count can be several times as high."
            )
        if self.gaps:
            sentences.append(f"Not counted, as no rule is published: {', '.join(self.gaps)}.")
        return sentences

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
    at_least: Iterable[int] | None = None,
    at_most: Iterable[int] | None = None,
    validation: Iterable[int] = (),
    free_tokens: int = 0,
    gaps: Iterable[str] = (),
    method: str | None = None,
) -> Estimate:
    """The bill of a training file, from the tokens of each of its examples.

    n_epochs: None takes `default_epochs`
    at_least, at_most: the bounds of the same examples (`sizes.Size`); without them, both are what
        is expected
    validation: the most tokens of each example of the validation file
    free_tokens: as in `training_cost`
    gaps: what could not be counted
    method: what the rows are made for ("supervised", "dpo"), where that is known
    Raises NoPriceError where training is not sold by the token, or not on that day.
    """
    counts = list(token_counts)
    model = registry.resolve(model)
    price = _price_of_training(model, as_of)
    epochs = default_epochs(len(counts)) if n_epochs is None else n_epochs
    limit = model.max_example_tokens
    billed = billed_tokens(counts, epochs, limit)
    low = billed if at_least is None else billed_tokens(at_least, epochs, limit)
    high = billed_tokens([*(counts if at_most is None else at_most), *validation], epochs)

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
        gaps=tuple(sorted(gaps)),
        method=method,
    )


def _price_of_training(model: Model, as_of: date | None) -> float:
    """USD for 1M tokens. Raises NoPriceError; where training is sold by the hour, it says so."""
    row = model.price_row("training", as_of)
    if row.unit == "hour":
        raise NoPriceError(
            f"{model.label} is trained at {usd(row.usd)} an hour, not per token: what a job costs "
            "depends on how long it runs, so no file can tell it. Set a limit of hours instead."
        )
    return row.usd_per_million


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
