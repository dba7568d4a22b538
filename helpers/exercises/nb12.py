"""Checks for notebook 12: settings translated, a bill of hours, a move noticed, a way chosen."""

from types import SimpleNamespace
from typing import Any

from helpers.exercises import exercise
from helpers.exercises.choices import keyed, word
from helpers.exercises.values import function_of, number, result_of, same
from helpers.exercises.verdicts import WrongAnswerError
from workbook.prices import registry

_FACTOR = SimpleNamespace(
    learning_rate="factor", base_rate=None, suffix={"longest": 18, "without": "."}
)
_RATE = SimpleNamespace(learning_rate="rate", base_rate=2e-5, suffix={"longest": 64, "without": ""})
_UNKNOWN = SimpleNamespace(learning_rate="rate", base_rate=None, suffix=None)


@exercise("12.1")
def _translate(answer: Any) -> str:
    function = function_of(answer, 'check("12.1", translate)')
    cases: tuple[tuple[Any, float, str, float | None, str | None], ...] = (
        (_FACTOR, 2.0, "my.first.marv.of.2026.b", 2.0, "myfirstmarvof2026b"),
        (_FACTOR, 0.5, "a" * 30, 0.5, "a" * 18),
        (_RATE, 2.0, "marv.1", 4e-5, "marv.1"),
        (_UNKNOWN, 2.0, "marv", None, None),
    )
    for host, multiplier, suffix, value, name in cases:
        result = result_of(function, host, multiplier, suffix)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise WrongAnswerError("Return two things: the value and the suffix.", "return a, b")
        if result[0] is ... or result[1] is ...:
            raise WrongAnswerError("One of the two is still three dots.", "return value, suffix")
        _check_value(host, multiplier, result[0], value)
        if result[1] != name:
            raise WrongAnswerError(
                f"{suffix!r} becomes {name!r} at a host with {host.suffix}, not {result[1]!r}.",
                "First leave out the signs in host.suffix['without'], then cut.",
                "Where host.suffix is None, the suffix is None.",
            )
    return "Right. The names are the same everywhere; what they mean you have to look up."


def _check_value(host: Any, multiplier: float, given: Any, right: float | None) -> None:
    if right is None:
        if given is not None:
            raise WrongAnswerError(
                f"The usual rate is not known there, and you send {given!r}.",
                "A factor of nothing known is a guess: return None.",
            )
        return
    if given is None or not same(number(given, "The value"), right):
        raise WrongAnswerError(
            f"A multiplier of {multiplier:g} becomes {right:g} at a host that takes the "
            f"{host.learning_rate}, not {given!r}.",
            "A factor is sent as it is; a rate is the factor times host.base_rate.",
        )


@exercise("12.2")
def _forgotten(answer: Any) -> str:
    answer = keyed(answer, ("usd", "months"))
    usd = number(answer["usd"], "'usd'")
    hourly = max(m.hosting_per_hour for m in registry.all_models() if m.vendor == "Azure")
    if not same(usd, 63 * hourly, decimals=2):
        hours = usd / hourly
        raise WrongAnswerError(
            f"{usd:.2f} dollars would be {hours:.4g} hours.",
            "Friday 18:00 to Monday 9:00: 6 hours, two whole days, 9 hours.",
            "63 hours, each at the price that the cell prints.",
        )
    try:
        months = float(answer["months"])
    except (TypeError, ValueError):
        raise WrongAnswerError("'months' is no number.", 'float("inf") is one, too.') from None
    if months != float("inf"):
        raise WrongAnswerError(
            f"Not {months:g} months.",
            "What is the hosting fee of a deployment as DeveloperTier?",
            "Nothing. So there is no limit; but it ends every 24 hours.",
        )
    return f"Right: {usd:.2f} dollars for a weekend in which nobody asked anything."


_BAR = 0.9


@exercise("12.3")
def _moved(answer: Any) -> str:
    answer = keyed(answer, ("moved", "measured"))
    function = function_of(answer["moved"], 'check("12.3", {"moved": moved, "measured": measured})')
    measured = keyed(answer["measured"], ("golden", "same", "other"), "'measured' needs")
    golden = list(measured["golden"])
    cases = [(list(fresh), False) for fresh in measured["same"]]
    cases += [(_with_slips(golden, share), False) for share in (0.1, 0.2, 0.25)]
    cases += [(list(fresh), True) for fresh in measured["other"]]
    cases += [(golden[1:] + golden[:1], True), (["Yes."] * len(golden), True)]
    wrong = []
    for fresh, is_moved in cases:
        result = result_of(function, golden, fresh)
        if not isinstance(result, bool) and type(result).__name__ != "bool_":
            raise WrongAnswerError(f"Return True or False, not {str(result)[:40]!r}.")
        if bool(result) != is_moved:
            wrong.append((fresh, is_moved))
    share = 1 - len(wrong) / len(cases)
    if share < _BAR:
        fresh, is_moved = wrong[0]
        equal = sum(a == b for a, b in zip(golden, fresh, strict=True))
        kind = "another model" if is_moved else "the same model, but for rounding"
        raise WrongAnswerError(
            f"{share:.0%} of {len(cases)} pairs judged right; at least {_BAR:.0%} are wanted. One "
            f"that you missed has {equal} of {len(golden)} answers alike: it is {kind}.",
            "Count how many answers are alike.",
            "Rounding changes few answers; another model changes nearly all of them.",
            "return sum(a == b for a, b in zip(golden, fresh)) < 0.5 * len(golden)",
        )
    return f"Right: {share:.0%} of {len(cases)} pairs. Run this after every move."


def _with_slips(golden: list[str], share: float) -> list[str]:
    """The same answers, the last word of some of them another one, as rounding does it."""
    count = min(max(1, round(share * len(golden))), len(golden) // 3 or 1)
    slipped = [f"{text.rsplit(' ', 1)[0]} indeed." for text in golden[:count]]
    return slipped + golden[count:]


@exercise("12.4")
def _way(answer: Any) -> str:
    right = {"mail": "prompt", "clinic": "own", "shop": "host", "archive": "own"}
    hints = {
        "mail": "If instructions do it as well, what would you tune, move and watch for?",
        "clinic": "Which of the three ways sends no text out of the house?",
        "shop": "No prompt was good enough, and there are no machines.",
        "archive": "Which model can nobody change or end but you?",
    }
    answer = keyed(answer, right)
    for team, way in right.items():
        if word(answer[team], ("prompt", "host", "own"), f"{team!r}") != way:
            raise WrongAnswerError(f"{team!r} has a better way.", hints[team])
    return "Right. The exam says what is good enough; price, privacy and time decide the rest."
