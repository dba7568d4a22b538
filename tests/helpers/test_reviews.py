"""The review corpus and its frozen splits (the corpus is fetched once, 2.5 MB)."""

import pytest

from helpers import reviews
from workbook import doctor, paths
from workbook.errors import WorkbookError


@pytest.fixture(scope="module")
def splits():
    return reviews.splits()


def test_the_corpus_is_the_one_that_was_measured():
    frame = reviews.load()
    assert list(frame.columns) == ["id", "text", "mean", "ratings", "stars"]
    assert frame["stars"].value_counts().sort_index().tolist() == [510, 605, 641, 517, 1052]
    assert frame["text"].str.len().between(20, 200).all()
    assert frame["text"].str.strip().equals(frame["text"])
    assert frame["ratings"].map(len).eq(20).all()
    assert (frame["ratings"].map(sum) / 20 - frame["mean"]).abs().max() < 1e-9
    first = frame.iloc[0]
    assert (first["id"], first["mean"]) == ("1_1", -0.9)


@pytest.mark.parametrize(
    ("kind", "stars"),
    [
        ("tweets", [443, 513, 750, 1055, 1151]),
        ("films", [3244, 1529, 504, 1276, 3391]),
        ("editorials", [336, 1333, 2079, 922, 187]),
    ],
)
def test_other_texts_of_the_archive_come_in_the_same_form(kind, stars):
    frame = reviews.load(kind)
    assert list(frame.columns) == ["id", "text", "mean", "ratings", "stars"]
    assert frame["stars"].value_counts().sort_index().tolist() == stars
    means = frame["ratings"].map(lambda scores: sum(scores) / len(scores))
    assert (means - frame["mean"]).abs().max() < 0.01, "ratings of another text"
    assert not frame["text"].str.contains("&amp;").any()


def test_a_changed_frame_does_not_change_the_next():
    frame = reviews.load()
    frame["text"] = "overwritten"
    assert reviews.load()["text"].nunique() > 3000


@pytest.mark.parametrize(
    ("mean", "stars"),
    [
        (-4, 1),
        (-1.5, 1),
        (-1.45, 2),
        (-0.5, 2),
        (-0.45, 3),
        (0.45, 3),
        (0.5, 4),
        (1.45, 4),
        (1.5, 5),
        (4, 5),
    ],
)
def test_stars_change_at_the_thresholds(mean, stars):
    assert reviews.stars(mean) == stars


def test_sizes_and_balance(splits):
    counts = {
        name: frame["stars"].value_counts().sort_index().tolist() for name, frame in splits.items()
    }
    assert counts["test"] == [80] * 5
    assert counts["validation"] == [40] * 5
    assert len(splits["train"]) >= 1000
    for size in (50, 100, 300, 1000):
        assert splits["train"].head(size)["stars"].value_counts().tolist() == [size // 5] * 5


def test_no_review_and_no_text_is_in_two_splits(splits):
    seen = {}
    for name, frame in splits.items():
        for key in {*frame["id"].map(reviews.review_of), *frame["text"].map(reviews.plain)}:
            assert seen.setdefault(key, name) == name
    texts = [text for frame in splits.values() for text in frame["text"].map(reviews.plain)]
    assert len(set(texts)) == len(texts)


def test_a_review_cut_differently_shows(monkeypatch, tmp_path):
    frozen = tmp_path / "splits.json"
    frozen.write_text('{"splits": {"train": ["1_1"], "validation": ["1_2"], "test": ["999_1"]}}')
    monkeypatch.setattr(paths, "data", lambda name: frozen)
    with pytest.raises(WorkbookError, match="fetch the course again"):
        reviews.splits()


def test_wording():
    row = {"text": "i would recommend buying one.", "stars": 1}
    assert reviews.to_chat(row) == {
        "messages": [
            {"role": "system", "content": reviews.SYSTEM},
            {"role": "user", "content": "Review: i would recommend buying one."},
            {"role": "assistant", "content": "1 star"},
        ]
    }
    assert reviews.label(4) == "4 stars"
    assert reviews.to_spanish(row)["completion"] == "Calificación: 1 estrella"
    assert doctor.check(list(reviews.SPANISH_EXAMPLES)).codes == {"too-few": 1}


def test_training_files_are_written_when_they_are_missing(home):
    (paths.work() / "marv_train.jsonl").write_text("the student's own\n")
    files = reviews.files()
    assert files["marv"].read_text() == "the student's own\n"
    rows = {name: doctor.read(files[name]) for name in ("train", "validation", "test")}
    assert {name: len(part) for name, part in rows.items()} == {
        "train": 300,
        "validation": 200,
        "test": 400,
    }
    assert doctor.check(files["train"]).findings == ()
    files["marv"].unlink()
    assert len(doctor.read(reviews.files()["marv"])) == 40


def test_marv_s_examples():
    rows = {name: doctor.read(paths.data(f"marv_{name}.jsonl")) for name in ("train", "test")}
    assert {name: len(part) for name, part in rows.items()} == {"train": 40, "test": 20}
    for part in rows.values():
        assert set(doctor.check(part).codes) <= {"few"}
        assert {row["messages"][0]["content"] for row in part} == {
            "Marv is a factual chatbot that is also sarcastic."
        }
        assert all(len(row["messages"][2]["content"]) <= 110 for row in part)
    train, test = ({doctor.question_of(row) for row in part} for part in rows.values())
    assert not train & test and len(train | test) == 60
    assert rows["train"][0]["messages"][2]["content"] == (
        "Paris, as if everyone doesn't know that already."
    )
