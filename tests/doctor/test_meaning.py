"""Questions in other words are found, where the extra is installed; without it, that is said."""

import json
import os
from pathlib import Path

import pytest
from training_rows import chat, clean

from workbook import doctor
from workbook.doctor.fingerprints import plain
from workbook.doctor.set_checks import meaning

PAIRS = json.loads((Path(__file__).parent / "paraphrases.json").read_text("utf-8"))
needs_extra = pytest.mark.skipif(
    not meaning.is_installed() and not os.environ.get("CI"), reason="the extra is not installed"
)


@pytest.mark.full
@needs_extra
def test_paraphrases_are_told_from_questions_that_differ_in_a_word_that_matters() -> None:
    same, different = (
        sum(
            float(one @ other) >= meaning.ALIKE
            for one, other in zip(
                meaning.embed([plain(one) for one, _ in PAIRS[kind]]),
                meaning.embed([plain(other) for _, other in PAIRS[kind]]),
                strict=True,
            )
        )
        for kind in ("same", "different")
    )
    print(f"precision {same / (same + different):.2f}, recall {same / len(PAIRS['same']):.2f}")
    assert same / (same + different) >= 0.8 and same / len(PAIRS["same"]) >= 0.45


@pytest.mark.full
@needs_extra
def test_a_file_and_two_files_are_compared(tmp_path: Path) -> None:
    train = [*clean()[:20], chat("How do I reset my password?", "Click here.")]
    test = [chat("I forgot my password, how can I change it?", "Click there.")]
    report = doctor.check([*train, *test], meaning=True)
    assert ("meaning-duplicate", 22) in {(one.code, one.line) for one in report.findings}
    report = doctor.check(test, against={"train": train}, meaning=True)
    assert report.codes["meaning-leakage"] == 1 and "line 21 of train" in str(report)
    assert "meaning-leakage" not in doctor.check(test, against={"train": train}).codes


@pytest.mark.full
@needs_extra
def test_other_numbers_are_other_questions() -> None:
    rows = [chat(f"Where is my order number {n}, please?", f"At {n}.") for n in (5, 6)]
    assert "meaning-duplicate" not in doctor.check(rows, meaning=True).codes
