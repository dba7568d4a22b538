"""Boxes and tables: everything is escaped, and a terminal gets plain text."""

import nbclient
import nbformat
import pytest

from workbook import display


def test_text_is_escaped_and_keeps_its_lines() -> None:
    shown = display.box_html("a < b\nc", "wrong", more="<i>")
    assert "a &lt; b<br>c" in shown and "&lt;i&gt;" in shown and "<details" in shown
    assert "<details" not in display.box_html("a", "right")


def test_a_terminal_gets_text(capsys: pytest.CaptureFixture) -> None:
    display.box("Done.", "right")
    display.table([{"name": "<x>", "fine": True, "n": 3}])
    assert capsys.readouterr().out == "✔ Done.\nname | fine | n\n<x> | ✔ | 3\n"


def test_data_are_neither_html_nor_formulas() -> None:
    """In boxes, in our tables, in pandas' tables; and pandas is not imported for it."""
    source = """import sys
from workbook import display, error_sentences
error_sentences.install()
print("pandas" in sys.modules)
hostile = ["<script>alert(1)</script>", "$x_1$", "a \\\\(b\\\\)", "\\\\begin{x}", "<b>$$</b>"]
display.table([{"text": text} for text in hostile])
for text in hostile:
    display.box(text)
import pandas
display_ = get_ipython().display_formatter.format
for text in hostile + ["$1"]:
    print(display_(pandas.DataFrame({"text": [text]}))[0]["text/html"].count("mathjax_ignore"))"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    first, table, *boxes, last = notebook.cells[0].outputs
    assert first.text == "False\n" and last.text == "0\n1\n1\n1\n1\n0\n"
    for output in (table, *boxes):
        shown = output.data["text/html"]
        assert "<script>" not in shown and "<b>" not in shown
        formulas = any(sign in shown for sign in ("$", "\\(", "\\begin"))
        assert ("mathjax_ignore" in shown) == formulas


def test_a_notebook_gets_html() -> None:
    source = """from workbook import display
display.table([{"name": "<x>", "n": 3}])
display.box("$1 and $2")"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    shown, prices = notebook.cells[0].outputs
    assert "&lt;x&gt;" in shown.data["text/html"] and "text-align:right" in shown.data["text/html"]
    assert shown.data["text/plain"] == "name | n\n<x> | 3"
    assert "mathjax_ignore" in prices.data["text/html"], "two prices are no formula"


def test_the_sign_of_a_hint_has_the_colour_of_its_text() -> None:
    shown = display.box_html("No.", "wrong", more="Look again.")
    assert (
        "list-style:none" in shown and "▸ Hint" in shown
    )  # no arrow of the browser's, black on black
