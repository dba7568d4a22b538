"""Every amount of money in a text is one of the data, follows from them, or was computed there.

Texts are the README, the pages of docs/ and data/, and the Markdown cells of all notebooks. An
amount is a number with a dollar sign, or one of dollars or cents. It may be

- a price of data/models.json, for the tokens it is sold by or for a million of them;
- an entry of `derivations`, below, which says how it follows from those prices;
- in a notebook, a figure that a cell of that notebook has put out.

A text that needs another amount gets an entry in `derivations`; one that can't have any is wrong.
"""

import ast
import functools
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest

from helpers import reviews
from tools import notebooks
from workbook import doctor, paths
from workbook.prices import costs, estimates, registry, registry_file

HTML = "text/html"
MINI = "gpt-4o-mini"  # the model at whose prices the course tells what hosted calls cost
PAGES = [notebooks.README, *sorted(paths.ROOT.glob("docs/*.md")), paths.data("README.md")]
NOTEBOOKS = sorted(paths.ROOT.glob("notebooks/*.ipynb"))

# As Pandoc knows a formula: nothing empty at its ends, and no digit after it.
_FORMULA = re.compile(r"\$\$.+?\$\$|(?<!\\)\$(?=\S)[^$\n]*?(?<=[^\s\\])\$(?!\d)", re.DOTALL)
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_AMOUNT = re.compile(
    r"(?P<about>\b(?:about|around|roughly|some) |[~≈] ?)?"
    rf"(?:(?:\bUSD ?|\\?\$ ?)(?P<usd>{_NUMBER})"
    rf"|(?<![\w.,-])(?P<dollars>{_NUMBER}) (?:US )?(?:dollars?\b|USD\b)"
    rf"|(?<![\w.,-])(?P<cents>{_NUMBER}) (?:US )?cents?\b)"
)
_DECIMAL = r"\d+(?:,\d{3})*\.\d+"
_ROUGHLY = 0.15  # of an amount that a text gives as "about" so much


class Amount(NamedTuple):
    """An amount as a text gives it."""

    text: str
    number: float
    decimals: int
    usd: float  # what one of its units is
    is_about: bool

    def is_value(self, usd: float) -> bool:
        """Whether the text gives this value, rounded to two digits at the least."""
        value = usd / self.usd
        if abs(value - self.number) < 1e-9:
            return True
        digits = len(f"{self.number:.{self.decimals}f}".replace(".", "").lstrip("0"))
        return digits >= 2 and abs(value - self.number) <= 0.5 * 10**-self.decimals + 1e-9

    def is_near(self, usd: float) -> bool:
        return self.is_about and self.number * self.usd == pytest.approx(usd, rel=_ROUGHLY)


def amounts(text: str) -> Iterator[Amount]:
    for match in _AMOUNT.finditer(_FORMULA.sub(" ", text)):
        written = (match["usd"] or match["dollars"] or match["cents"]).replace(",", "")
        decimals = len(written.partition(".")[2])
        unit = 0.01 if match["cents"] else 1.0
        yield Amount(match[0].strip(), float(written), decimals, unit, bool(match["about"]))


# What amounts may be


def data() -> Iterator[float]:
    """Every price of the registry: as published, and for a million tokens."""
    for model in registry_file.models().values():
        prices = [*model.prices, *([model.hosting] if model.hosting else [])]
        for price in prices:
            yield price.usd
            if price.unit != "hour":
                yield price.usd_per_million


@functools.cache
def derivations() -> dict[str, float]:
    """Amounts that follow from the data, each with how."""
    log = costs.training_cost(100_000, 3, "gpt-3.5-turbo-0613", date(2023, 8, 22))
    return {
        "100,000 tokens, 3 epochs, gpt-3.5-turbo at its launch: the log of 24 March 2024": log,
        **{f"all that notebook {path.stem[:2]} confirms": confirmed(path) for path in NOTEBOOKS},
    }


@functools.cache
def trainings() -> dict[str, float]:
    """The training that a notebook confirms, at MINI's price."""
    chats = [reviews.to_chat(row) for _, row in reviews.splits()["train"].head(300).iterrows()]
    stars = estimates.job(chats, MINI).usd
    marv = doctor.read(paths.data("marv_train.jsonl"))
    return {
        "04": estimates.job(marv, MINI).usd + stars + estimates.job(marv[:32], MINI, 6).usd,
        "05": 2 * stars + estimates.job(chats[:25], MINI).usd,
        "07": costs.training_cost(600_000, 1, MINI),
        "09": costs.training_cost(17_000, 1, MINI),
        "11": costs.training_cost(4_000, 12, MINI),  # 69 conversations of 58 tokens, two seeds
        "13": costs.training_cost(7_300, 3, MINI),  # 126 rows of 58 tokens
        "10": costs.training_cost(30_500, 1, MINI),
    }


def confirmed(path: Path) -> float:
    """USD of all that a notebook asks a yes for: its requests by its own code, and its training."""
    usd = trainings().get(path.stem[:2], 0.0)
    for cell in cells(path, "code"):
        for call in (node for node in ast.walk(tree(cell.source)) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            values = [each.value if isinstance(each, ast.Constant) else None for each in call.args]
            if name == "requests_usd" and None not in values[:3]:
                model = f"ft:{MINI}:course:x:1" if len(values) > 3 else MINI
                usd += values[0] * costs.request_cost(model, *values[1:3])
            elif name == "confirm" and len(values) == 2 and isinstance(values[1], float):
                usd += values[1]
    return usd


def tree(source: str) -> ast.AST:
    """A cell's code, without what only IPython reads."""
    return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE))


def outputs(path: Path) -> Iterator[float]:
    """Every amount, and every number with a decimal point, that a notebook's cells have put out."""
    for cell in cells(path, "code"):
        for output in cell.outputs:
            kinds = output.get("data", {})
            for text in (output.get("text", ""), kinds.get("text/plain", ""), kinds.get(HTML, "")):
                text = re.sub(r"<[^>]*>", " ", text)  # sizes and colours of HTML are no figures
                yield from (amount.number * amount.usd for amount in amounts(text))
                yield from (float(n.replace(",", "")) for n in re.findall(_DECIMAL, text))


def cells(path: Path, kind: str) -> list[Any]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def strays(text: str, more: list[float]) -> list[str]:
    """The amounts of a text that nothing accounts for."""
    exact = [*data(), *derivations().values(), *more]
    return [
        amount.text
        for amount in amounts(text)
        if not any(map(amount.is_value, exact))
        and not any(map(amount.is_near, derivations().values()))
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_amounts_of_a_page_are_accounted_for(path: Path) -> None:
    assert not strays(path.read_text(encoding="utf-8"), [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_the_amounts_of_a_notebook_are_accounted_for(path: Path) -> None:
    more = list(outputs(path))
    for cell in cells(path, "markdown"):
        assert not strays(cell.source, more), cell.source[:300]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("about $2.40, \\$1.70 an hour and $1,234.50", [2.4, 1.7, 1234.5]),
        ("12 cents, 1 US cent, 25 dollars, USD 3, 4 USD", [12, 1, 25, 3, 4]),
        ("from $2 to $3, and $0.5$ of $3 \\times 4$ in $x_1$", [2, 3]),
        ("$$ 3 + 4 $$ gpt-3.5 cents $HOME $1.2e", [1.2]),
    ],
)
def test_amounts_are_seen_and_formulas_are_not(text: str, numbers: list[float]) -> None:
    assert [amount.number for amount in amounts(text)] == numbers


def test_a_made_up_amount_is_noticed() -> None:
    assert strays("It costs $2.40 or 3 dollars.", []) == []
    assert strays("It costs $2.47, 17 dollars, or about 83 cents.", []) == [
        "$2.47",
        "17 dollars",
        "about 83 cents",
    ]
    assert strays("In all $0.42.", [0.4213]) == [] and strays("In all $0.43.", [0.4213])


def test_the_costs_of_the_readmes_map_are_those_of_the_cells_that_ask_for_a_yes() -> None:
    """The calls that each notebook confirms, at the prices of the model the README names."""
    text = notebooks.README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d\d) .*\| ([^|]+) \|$", text, re.MULTILINE)
    assert len(rows) >= 6
    for number, cell in rows:
        [path] = [path for path in NOTEBOOKS if path.name.startswith(number)]
        usd = confirmed(path)
        told = [amount.number * amount.usd for amount in amounts(cell)]
        if "under" in cell:
            assert usd <= max(told), number
        else:
            assert sum(told) == pytest.approx(usd, rel=_ROUGHLY), number


def test_the_text_of_a_figure_tells_the_prices_that_it_draws() -> None:
    """Notebook 03: the same job over the years, told to those who can't see the bars."""
    text = notebooks.select(["03"])[0].read_text(encoding="utf-8")
    told = re.search(r"Cost of one training job from 2022.*?January 2027", text, re.S)[0]
    said = dict(re.findall(r"([a-z]+(?:-[\w.]+)*) \$(\d+\.\d\d)", told))
    for name, usd in said.items():
        model = registry.get(name)
        assert f"{costs.training_cost(100_000, 3, model):.2f}" == usd, name
    assert {"davinci", "ada", "gpt-3.5-turbo", "gpt-4o-mini", "gpt-4.1-nano"} <= set(said)


def test_the_hosting_of_exercise_03_3_is_azures() -> None:
    text = notebooks.select(["03"])[0].read_text(encoding="utf-8")
    for usd in re.findall(r"Hosting is \W+(\d+\.\d\d) an hour", text):
        assert float(usd) == registry.get("azure/gpt-4o").hosting_per_hour
