"""A report shows itself: safe, complete, and short in a notebook; as a figure, too."""

from training_rows import MODEL, chat, with_message

from workbook import doctor


def test_the_table_is_safe_and_complete() -> None:
    report = doctor.check([with_message(1, role="<script>alert(1)</script>")])
    shown = report._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    for finding in report.findings:
        assert finding.code in shown and finding.code in repr(report)
    table = report.table()
    assert list(table.columns) == ["severity", "code", "line", "message", "excerpt", "why", "fix"]
    assert len(table) == len(report.findings) == 2


def test_many_findings_are_cut_in_the_notebook_only() -> None:
    report = doctor.check([{"messages": []}] * 200)
    assert len(report.table()) > 200
    assert report._repr_html_().count("<tr>") == 51
    assert "more: report.table()" in report._repr_html_()


def test_a_key_is_never_shown_whole() -> None:
    secret = "AKIAABCDEFGHIJKLMNOP"
    report = doctor.check([chat(answer=f"Use {secret}.")])
    assert "secret" in report.codes and secret not in repr(report) + report._repr_html_()


def test_a_figure_shows_turns_tokens_and_labels() -> None:
    rows = [chat(f"Where is {n}?", "here" if n % 2 else "there") for n in range(12)]
    assert len(doctor.check(rows, MODEL).figure().axes) == 3
    assert len(doctor.check([]).figure().axes) == 1
