"""A project's report: rules that stop it, what is advised, and hostile texts that stay texts."""

import html
import html.parser
from pathlib import Path

import pandas as pd
import pytest

from workbook.evals import report_page
from workbook.evals.errors import EvaluationError
from workbook.evals.report_card import ADVICE, ReportCard, StopError

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a | b",
    "[free](javascript:alert(1))",
    "![x](https://example.org/pixel.png)",
    "`code` **bold** _it_ # h",
    "line one\n\n# line two",
    "- item",
    "1. item",
    "\u202egnp.exe",
    "&lt;b&gt;",
    "$x$ and ~~gone~~",
    "back\\slash | pipe\\",
]


@pytest.fixture
def card(tmp_path: Path) -> ReportCard:
    return ReportCard(
        "Which department?", "A message in, one word out.", ["people"], tmp_path / "r.md"
    )


def answers(correct: list[int]) -> pd.DataFrame:
    ids = [str(number) for number in range(len(correct))]
    return pd.DataFrame(
        {"id": ids, "label": "x", "answer": "x", "correct": [float(each) for each in correct]}
    )


def test_a_project_whose_rules_are_all_met_may_train(card: ReportCard) -> None:
    assert card.advice == "undecided"
    card.gate("Data", "few contradictions", "1 %", True)
    assert card.advice == "undecided", "nothing was said of a model"
    card.verdict("Gain", "better", "+0.20", True)
    assert card.advice == "train"


def test_a_rule_that_is_not_met_stops_and_leaves_a_report(card: ReportCard) -> None:
    card.gate("Data", "few contradictions", "1 %", True)
    with pytest.raises(StopError, match=r"100 rows\. Measured: 38 rows\. Collect more"):
        card.gate("Amount", "at least 100 rows", "38 rows", False, otherwise="collect")
    for path in (card.path, card.path.with_suffix(".html")):
        text = path.read_text(encoding="utf-8")
        assert "Recommendation: collect" in text and "38 rows" in text


def test_who_goes_on_all_the_same_is_remembered_and_the_advice_stays(card: ReportCard) -> None:
    card.gate("Amount", "at least 100 rows", "38 rows", False, otherwise="collect", go_on=True)
    card.verdict("Gain", "better", "+0.20", True)
    assert card.advice == "collect" and "no, went on" in report_page.as_markdown(card.blocks())


def test_the_first_rule_that_is_not_met_decides_and_a_cell_may_run_again(card: ReportCard) -> None:
    card.gate("Baseline", "no prompt is good enough", "0.95", False, "prompt", go_on=True)
    card.verdict("Gain", "better", "0.00", False, "collect")
    assert card.advice == "prompt"
    card.gate("Baseline", "no prompt is good enough", "0.20", True, "prompt")
    assert [each.step for each in card.gates] == ["Baseline", "Gain"] and card.advice == "collect"


@pytest.mark.parametrize("advice", ["train", "maybe"])
def test_a_rule_that_is_not_met_can_not_advise_to_train(card: ReportCard, advice: str) -> None:
    with pytest.raises(EvaluationError, match="none of"):
        card.gate("Data", "rule", "1", False, otherwise=advice)


def test_rivals_stand_on_the_page_with_their_intervals(card: ReportCard) -> None:
    card.rivals = {"tuned": answers([1] * 36 + [0] * 4), "words": answers([1] * 16 + [0] * 24)}
    assert card.best() == "tuned"
    assert card.compare("tuned", "words").comparison.verdict == "a is better"
    text = report_page.as_markdown(card.blocks())
    assert "| tuned | 0.90 | 0.77 to 0.96 | 40 |" in text, text
    assert "tuned is better than words" in text
    with pytest.raises(EvaluationError, match="no rival 'people'"):
        card.compare("tuned", "people")


def test_a_comparison_that_is_run_again_leaves_no_old_result(card: ReportCard) -> None:
    card.rivals = {"tuned": answers([1] * 36 + [0] * 4), "words": answers([1] * 16 + [0] * 24)}
    card.compare("tuned", "words")
    card.rivals["tuned"] = answers([1] * 16 + [0] * 24)
    again = card.compare("tuned", "words").verdict
    text = report_page.as_markdown(card.blocks())
    assert "better than" not in text and again in html.unescape(text.replace("\\", ""))


def test_the_page_says_which_file_it_was(card: ReportCard, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"a,b\n")
    card.describe(tmp_path / "rows.csv", 1, {"duplicate": 3})
    assert card.data["findings"] == "3 duplicate"
    before = card.data["SHA-256"]
    (tmp_path / "rows.csv").write_bytes(b"a,c\n")
    card.describe(tmp_path / "rows.csv", 1, {})
    assert card.data["SHA-256"] != before and card.data["findings"] == "none"


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert {name for name, _ in attrs} <= {"style", "scope", "lang", "charset"}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(card: ReportCard, tmp_path: Path, text: str) -> None:
    plain = ReportCard("t", "t", ["t"], tmp_path / "p.md")
    hostile = ReportCard(text, text, [text], tmp_path / "h.md")
    for each, word in ((plain, "t"), (hostile, text)):
        each.data = {word: word}
        each.rivals = {word: answers([1, 0])}
        each.results = {(word, word): word}
        each.costs = [{word: word, "hosting": word}]
        each.verdict(word, word, word, False)
        each.write()
    parsers = []
    for each in (plain, hostile):
        parsers.append(_Tags())
        parsers[-1].feed(each.path.with_suffix(".html").read_text(encoding="utf-8"))
    assert parsers[0].tags == parsers[1].tags
    assert " ".join(text.replace("\u202e", " ").split()) in parsers[1].texts
    renderer = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True})
    renderer.enable("table")
    kinds = [
        [
            token.type
            for block in renderer.parse(each.path.read_text("utf-8"))
            for token in [block, *(block.children or [])]
            if token.type != "text"
        ]
        for each in (plain, hostile)
    ]
    assert kinds[0] == kinds[1]


def test_every_advice_is_a_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in ADVICE.values())
