"""The claims: all 44 are there, each is decided by a rule, and the rule follows the numbers."""

import ast
import itertools
import json
import re

import nbformat
import pytest

from helpers import claims
from tools import evidence
from workbook import paths
from workbook.errors import WorkbookError

NOTEBOOKS = paths.ROOT / "notebooks"


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch, tmp_path) -> claims.Claim:
    """Claim 22 with a rule of our own, in a folder of its own."""
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path))
    values = vars(claims.load()[22]) | {
        "rules": {"holds": "gain.low > 0", "refuted": "gain.high < 0 and runs >= 3"},
        "sentence": "{runs} runs: {gain:+.3f}. [a <b> title](https://example.org/a?b=1)",
    }
    claim = claims.Claim(**values)
    monkeypatch.setattr(claims, "load", lambda: {22: claim})
    return claim


def test_all_claims_are_there_and_quoted() -> None:
    loaded = claims.load()
    assert sorted(loaded) == list(range(1, 45))
    for claim in loaded.values():
        assert claim.quotation and claim.statement.endswith(".") and claim.language in ("es", "pt")


@pytest.mark.parametrize("number", range(1, 45))
def test_every_claim_has_a_rule_and_evidence_that_decides_it(number: int) -> None:
    claim = claims.load()[number]
    assert claim.notebook and claim.rules and set(claim.rules) <= set(claims.VERDICTS)
    assert claim.evidence is not None and claim.day, "no full run has stored evidence"
    assert claim.words(claim.evidence)
    if list(claim.rules.values()) == ["True"]:  # nothing measured: then somebody must have said so
        assert "https://" in claim.sentence or "not testable here" in claim.rules
    [path] = NOTEBOOKS.glob(f"{claim.notebook}_*.ipynb")
    texts = [
        output.data.get("text/html", "")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code" and "claims.show(" in cell.source
        for output in cell.outputs
        if "data" in output
    ]
    rows = re.findall(rf"<tr><td [^>]*>{number}</td>.*?</tr>", " ".join(texts))
    assert rows and f">{claim.verdict(claim.evidence)}</b>" in rows[0], "shown otherwise"


def possible_values(rules: list[str]) -> dict[str, list]:
    """Values to try for each name of these rules: intervals where they are read, else numbers
    around the constants that the rules compare with, and the texts among these.
    """
    nodes = [node for rule in rules for node in ast.walk(ast.parse(rule, mode="eval"))]
    constants = [node.value for node in nodes if isinstance(node, ast.Constant)]
    numbers = {0.0, 1.0, *(n for n in constants if isinstance(n, int | float))}
    around = sorted({n + shift for n in numbers for shift in (-0.2, 0, 0.2)})
    texts = (text for text in constants if isinstance(text, str))
    others = [*texts, "another", "another text"]
    ends = {node.value.id for node in nodes if isinstance(node, ast.Attribute)}
    names = {node.id for node in nodes if isinstance(node, ast.Name)} - {"abs", "min", "max"}
    intervals = [claims.Interval(value, value - 0.05, value + 0.05) for value in around]
    return {name: intervals if name in ends else [*around, *others] for name in sorted(names)}


@pytest.mark.parametrize("number", range(1, 45))
def test_other_numbers_would_give_another_verdict(number: int) -> None:
    """A rule that says the same whatever was measured is a verdict typed in."""
    claim = claims.load()[number]
    rules = list(claim.rules.values())
    if rules == ["True"]:
        return  # traced to a source, not measured
    values = possible_values(rules)
    verdicts = set()
    for combination in itertools.product(*values.values()):
        try:
            verdicts.add(claim.verdict(dict(zip(values, combination, strict=True))))
        except WorkbookError:
            continue  # a text beside a number
        if len(verdicts) > 1:
            return
    pytest.fail(f"always {verdicts or 'undecided'}")


def test_broken_evidence_changes_a_stored_verdict() -> None:
    """The best prompt turned round: what held of the tuned model is refuted."""
    for number in (15, 20):
        claim = claims.load()[number]
        assert claim.verdict({"gain": (0.3, 0.2, 0.4)}) == "holds"
        assert claim.verdict({"gain": (-0.3, -0.4, -0.2)}) == "refuted"
        assert claim.verdict({"gain": (0.02, -0.1, 0.1)}) == "inconclusive"
        assert claim.verdict({"gain": None}) == "inconclusive"


@pytest.mark.parametrize(
    ("gain", "runs", "verdict"),
    [
        ((0.05, 0.01, 0.09), 3, "holds"),
        ((-0.05, -0.09, -0.01), 3, "refuted"),
        ((-0.05, -0.09, -0.01), 2, "inconclusive"),
        ((0.01, -0.03, 0.05), 3, "inconclusive"),
        (None, 3, "inconclusive"),
    ],
)
def test_a_verdict_follows_from_its_numbers(one, capsys, gain, runs: int, verdict: str) -> None:
    claims.show({22: {"gain": gain, "runs": runs}})
    assert f"   {verdict}: " in capsys.readouterr().out
    assert claims.read()["22"]["values"] == {"gain": list(gain) if gain else None, "runs": runs}


def test_the_table_shows_quotation_sentence_and_links_but_no_markup(one) -> None:
    table = claims._as_html({22: {"gain": (0.05, 0.01, 0.09), "runs": 3}})
    assert f'lang="{one.language}"' in table and "3 runs: +0.050 (+0.010 to +0.090)." in table
    assert '<a href="https://example.org/a?b=1">a &lt;b&gt; title</a>' in table


@pytest.mark.parametrize("values", [{}, {"gain": 0.5, "runs": 3}, {"gain": (0.5, 0, 1)}])
def test_evidence_that_the_rule_does_not_know_is_refused(one, values: dict) -> None:
    with pytest.raises(WorkbookError, match="Claim 22"):
        claims.show({22: values})
    with pytest.raises(WorkbookError, match="no claim 45"):
        claims.show({45: values})


def test_moved_numbers_and_verdicts_are_named(one) -> None:
    old = {"gain": [0.05, 0.01, 0.09], "runs": 3}
    assert evidence.moved(22, old, old) == []
    assert evidence.moved(22, old, {"gain": [0.02, -0.01, 0.05], "runs": 3}) == [
        "claim 22: gain [0.05, 0.01, 0.09] → [0.02, -0.01, 0.05]",
        "claim 22: holds → inconclusive",
    ]


def test_numbers_of_numpy_are_kept_as_numbers(one) -> None:
    import numpy as np

    claims.show({22: {"gain": tuple(np.float32([0.5, 0.25, 0.75])), "runs": np.int64(3)}})
    stored = json.loads((paths.work() / claims.FILE).read_text(encoding="utf-8"))
    assert stored["22"]["values"] == {"gain": [0.5, 0.25, 0.75], "runs": 3}
