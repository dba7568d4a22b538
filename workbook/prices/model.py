"""One model of the registry: its prices day by day, its limits, and when it can be tuned.

Knows dates and figures that it was made with. Reads no file and knows no other model.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from workbook.errors import WorkbookError
from workbook.prices.day import today
from workbook.prices.token_rules import TokenRules

KINDS = ("training", "input", "cached_input", "output")
BATCH_KINDS = ("batch_input", "batch_cached_input", "batch_output")
_PER_MILLION = {"1M tokens": 1, "1K tokens": 1000}
_WARN_DAYS = 90


class NoPriceError(WorkbookError):
    """The registry has no such price, or none on that day."""


@dataclass(frozen=True)
class Price:
    """One price as it was published, with the days it held: `start` <= day < `end`."""

    kinds: tuple[str, ...]
    usd: float
    unit: str  # "1M tokens", "1K tokens" or "hour"
    start: date
    end: date | None
    seen: bool  # True: `start` is the oldest copy we know; the price may be older
    source: str
    url: str
    checked: date
    confidence: str

    @property
    def usd_per_million(self) -> float:
        """USD per 1M tokens. Raises NoPriceError when the price is for an hour."""
        if self.unit not in _PER_MILLION:
            raise NoPriceError(
                f"This price is {self.usd:g} dollars per {self.unit}, not per token."
            )
        return round(self.usd * _PER_MILLION[self.unit], 9)

    def holds(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)


@dataclass(frozen=True)
class Promotion:
    """Training tokens given away each day: `start` <= day < `end`."""

    tokens_per_day: int
    start: date
    end: date


@dataclass(frozen=True)
class Model:
    """One model. `tuned` tells the tuned model (`ft:…`) from its base: their prices differ."""

    id: str
    base_id: str
    label: str
    vendor: str
    kind: str  # "chat" or "completion"
    tuned: bool
    encoding: str | None  # a name for workbook.prices.tokens; None: the vendor publishes none
    context_window: int | None  # tokens; None: not verified
    max_output_tokens: int | None  # of one answer; None: not verified
    max_example_tokens: int | None  # a longer training example loses its end; None: not verified
    token_rules: TokenRules
    methods: tuple[str, ...]
    tunable_from: date
    tunable_until: date | None  # the first day without new jobs
    newcomers_until: date | None  # the first day on which only old customers may train
    newcomers_closed: bool
    shutdown: date | None  # the first day without the base
    tuned_shutdown: date | None  # the first day without the models tuned from it
    hosting: Price | None
    prices: tuple[Price, ...]
    promotions: tuple[Promotion, ...]
    source_documents: tuple[str, ...]
    notes: str
    sources: tuple[str, ...]  # title and address of every source behind these figures

    @property
    def hosting_per_hour(self) -> float:
        """USD an hour for keeping the tuned model online; 0 where the vendor takes nothing."""
        return self.hosting.usd if self.hosting else 0.0

    @property
    def end(self) -> date | None:
        """The first day without this model: of a tuned one, without those of its base."""
        return self.tuned_shutdown if self.tuned else self.shutdown

    def as_tuned(self) -> "Model":
        """The same model after tuning: `price("input")` is then the tuned model's."""
        return replace(self, tuned=True)

    def price(self, kind: str, as_of: date | None = None) -> float:
        """USD per 1M tokens.

        kind: "training", "input", "cached_input", "output", or one of a batch ("batch_input", …)
        as_of: None gives the last price known, also of a model that is gone, so that a sum over
            old models never depends on today; a day gives the price of that day
        Raises NoPriceError when there is none, with the days on which there was one.
        """
        return self.price_row(kind, as_of).usd_per_million

    def price_row(self, kind: str, as_of: date | None = None) -> Price:
        """As `price`, with unit, validity and source."""
        if kind not in (*KINDS, *BATCH_KINDS):
            choices = ", ".join((*KINDS, *BATCH_KINDS))
            raise NoPriceError(f"There is no price called {kind!r}. Choose one of: {choices}.")
        key = f"tuned_{kind}" if self.tuned and kind != "training" else kind
        rows = sorted((p for p in self.prices if key in p.kinds), key=lambda p: p.start)
        if not rows:
            known = sorted({k for p in self.prices for k in p.kinds})
            raise NoPriceError(
                f"The registry has no {key.replace('_', ' ')} price for {self.id}. "
                f"It has: {', '.join(k.replace('_', ' ') for k in known) or 'none at all'}. "
                f"{self.notes}".strip()
            )
        if as_of is None:
            return rows[-1]
        for row in rows:
            if row.holds(as_of):
                return row
        spans = ", ".join(f"{p.start} to {p.end or 'today'}" for p in rows)
        name = key.replace("_", " ")
        ends = self.notices(as_of) if as_of >= rows[0].start else []
        raise NoPriceError(
            " ".join([f"{self.id} had no {name} price on {as_of}; known: {spans}.", *ends])
        )

    def training_price(self, as_of: date) -> str:
        """What training costs on a day, in words, with the confidence of the figure."""
        try:
            row = self.price_row("training", as_of)
        except NoPriceError:
            return "price not known"
        unit = "an hour" if row.unit == "hour" else "for 1M tokens"
        usd = row.usd if row.unit == "hour" else row.usd_per_million
        return f"${usd:,.2f} {unit} (confidence {row.confidence})"

    def nearest_day(self, day: date) -> date:
        """The day itself, or the nearest on which use, tuned use and hosting all have a price.

        So that figures of different years are never mixed. Raises NoPriceError where there is none.
        """
        starts, ends = [], []
        for key in ("input", "tuned_input"):
            rows = [price for price in self.prices if key in price.kinds]
            if not rows:
                raise NoPriceError(
                    f"The registry has no {key.replace('_', ' ')} price of {self.id}."
                )
            starts.append(min(row.start for row in rows))
            ends.append(max(row.end or date.max for row in rows))
        if self.hosting:
            starts.append(self.hosting.start)
            ends.append(self.hosting.end or date.max)
        return max(max(starts), min(day, min(ends) - timedelta(days=1)))

    def free_training_tokens(self, as_of: date) -> int:
        """Training tokens given away each day, on that day (0: none)."""
        for promotion in self.promotions:
            if promotion.start <= as_of < promotion.end:
                return promotion.tokens_per_day
        return 0

    def is_tunable(self, as_of: date, existing_customer: bool = False) -> bool:
        """Whether a new job is accepted on that day, by default from a new customer."""
        if as_of < self.tunable_from or (self.tunable_until and as_of >= self.tunable_until):
            return False
        if existing_customer:
            return True
        return not self.newcomers_closed and (
            self.newcomers_until is None or as_of < self.newcomers_until
        )

    def notices(self, as_of: date | None = None) -> list[str]:
        """What a student should know on that day (today by default), as plain sentences.

        Mentions each date within 90 days, or already past, of: training for new customers,
        training for all, and the shutdown of the model; and that it was not there yet.
        """
        now = as_of or today()
        both = self.tuned_shutdown == self.shutdown
        gone = "it is shut down" + (", with the models tuned from it" if both else "")
        events = [
            (self.newcomers_until, "new customers can no longer tune it"),
            (self.tunable_until if self.methods else None, "nobody can tune it any more"),
            (self.shutdown, gone),
            (None if both else self.tuned_shutdown, "the models tuned from it are shut down"),
        ]
        sentences = []
        if self.methods and now < self.tunable_from:
            sentences.append(f"{self.label}: first known to be tunable on {self.tunable_from}.")
        for day, event in events:
            if day and day <= now:
                sentences.append(f"{self.label}: since {day} {event}.")
            elif day and day - now <= timedelta(days=_WARN_DAYS):
                sentences.append(f"{self.label}: from {day}, in {(day - now).days} days, {event}.")
        return sentences
