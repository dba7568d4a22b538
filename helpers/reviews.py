"""Product reviews rated by twenty people each: the course's main task, from a review to its stars.

The corpus is Hutto and Gilbert's (ICWSM 2014, MIT): sentences of Amazon reviews, each rated from
-4 to +4 by twenty people, and tweets, film reviews and editorials rated alike. It is fetched at
first use out of the source package of vaderSentiment and never committed;
data/review_splits.json freezes, by id alone, who is in which split.
Knows the corpus, its splits and its wording. Knows nothing of models.
"""

import functools
import html
import io
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workbook import doctor, fetch, paths
from workbook.errors import WorkbookError

SYSTEM = (
    "You rate product reviews. Answer with the number of stars only, from 1 star (very bad) "
    "to 5 stars (very good)."
)
CLASSES = (1, 2, 3, 4, 5)
THRESHOLDS = (-1.5, -0.5, 0.5, 1.5)
"""Mean ratings that separate the stars: at most -1.5 is 1, at most -0.5 is 2, from 0.5 is 4,
from 1.5 is 5. The two middle ones leave 3 stars to what people found neither good nor bad."""
LENGTH = (20, 200)
"""Shortest and longest review kept, in characters."""
SPANISH_EXAMPLES = (
    {
        "prompt": "Reseña: Compré esta computadora portátil para mis clases en línea y funciona "
        "muy bien.",
        "completion": "Calificación: 5 estrellas",
    },
    {
        "prompt": "Reseña: La duración de la batería es terrible y la pantalla es demasiado "
        "pequeña.",
        "completion": "Calificación: 2 estrellas",
    },
    {
        "prompt": "Reseña: Esto es una estafa. El producto nunca llegó y el vendedor no respondió.",
        "completion": "Calificación: 1 estrella",
    },
)
"""The three rows of one of the documents that the course starts from, as they stand there."""

_PACKAGE = "vaderSentiment==3.3.2"
_PACKAGE_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
_PACKAGE_SIZE = 2_466_783
_MEMBER = "additional_resources/hutto_ICWSM_2014.tar.gz"
_MEMBER_SHA256 = "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"


KINDS = {
    "reviews": "amazonReviewSnippets",
    "tweets": "tweets",
    "films": "movieReviewSnippets",
    "editorials": "nytEditorialSnippets",
}
"""What the archive holds, by the names of its files."""


@functools.cache
def _corpus(kind: str) -> pd.DataFrame:
    archive = fetch.package_file(
        _PACKAGE,
        _PACKAGE_SHA256,
        _MEMBER,
        paths.cache() / "reviews" / "hutto_ICWSM_2014.tar.gz",
        member_sha256=_MEMBER_SHA256,
        source=True,
        size=_PACKAGE_SIZE,
    )
    with tarfile.open(archive) as package:
        texts = _lines(package, f"{KINDS[kind]}_GroundTruth.txt")
        ratings = _lines(package, f"{KINDS[kind]}_anonDataRatings.txt")
    ratings_of = {name: json.loads(scores) for name, _, _, scores in ratings}
    rows = [
        {
            "id": name,
            "text": text.strip(),
            "mean": float(mean),
            "ratings": ratings_of[name],
            "stars": stars(float(mean)),
        }
        for name, mean, text in texts
    ]
    frame = pd.DataFrame(rows)
    own = frame["ratings"].map(lambda scores: sum(scores) / len(scores)) - frame["mean"]
    # In the files of tweets, 183 ratings stand beside another tweet than their own.
    frame = frame[frame["text"].str.len().between(*LENGTH) & (own.abs() < 0.01)]
    frame = frame.reset_index(drop=True)
    return frame.assign(text=frame["text"].map(_unescaped))


def _unescaped(text: str) -> str:
    """The text without the HTML entities of its web page, some of which were escaped twice."""
    while (plain := html.unescape(text)) != text:
        text = plain
    return text


def _lines(package: tarfile.TarFile, name: str) -> list[list[str]]:
    """The tab-separated fields of each line; one file begins with a BOM, both end lines with CR."""
    member = package.extractfile(f"hutto_ICWSM_2014/{name}")
    assert member is not None  # a pinned archive: its hash was checked
    text = member.read().decode("utf-8-sig")
    return [line.split("\t") for line in io.StringIO(text, newline=None).read().splitlines()]


def load(kind: str = "reviews") -> pd.DataFrame:
    """All 3,325 reviews of 20 to 200 characters: id, text, mean, ratings (20 ints), stars.

    `id` is "7_3" for the third sentence of the seventh review: several rows may come from one
    review. The first call on a machine fetches the corpus (2.5 MB) and needs the network.

    kind: or the "tweets", "films" (sentences of reviews) or "editorials" of the same archive, in
        the same form; tweets were rated by 20 to 98 people, films by about 17
    Raises workbook.fetch.FetchError.
    """
    return _corpus(kind).copy()


def stars(mean: float) -> int:
    """1 to 5 stars for a mean rating between -4 and +4 (see THRESHOLDS)."""
    one, two, four, five = THRESHOLDS
    return 1 if mean <= one else 2 if mean <= two else 3 if mean < four else 4 if mean < five else 5


def review_of(identifier: str) -> str:
    """The review that a row was cut from: "7_3" is part of review "7"."""
    return identifier.partition("_")[0]


def plain(text: str) -> str:
    """The text in lower case, with everything but letters and digits as one space."""
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def splits() -> dict[str, pd.DataFrame]:
    """The frozen splits, with `load`'s columns and in their fixed order.

    "train": all that may be trained on, of which any first 5n rows are balanced (n up to a few
    hundred); "validation": 200 rows, 40 a class, to choose settings on; "test": 400 rows, 80 a
    class, to measure on, once. No review is in two of them, and no text either.
    """
    frame = load().set_index("id", drop=False)
    frozen = json.loads(paths.data("review_splits.json").read_text(encoding="utf-8"))["splits"]
    try:
        return {
            name: frame.loc[frozen[name]].reset_index(drop=True)
            for name in ("train", "validation", "test")
        }
    except KeyError as error:
        raise WorkbookError(
            f"data/review_splits.json does not fit the corpus ({error}): fetch the course again."
        ) from None


def label(stars: int) -> str:
    """The answer that the model learns: "4 stars", "1 star"."""
    return f"{stars} star" if stars == 1 else f"{stars} stars"


def question(text: str) -> str:
    """What the user says: "Review: …"."""
    return f"Review: {text}"


def to_chat(row: Mapping[str, Any] | pd.Series) -> dict[str, Any]:
    """One training example in chat format: {"messages": [system, user, assistant]}."""
    return {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question(row["text"])},
            {"role": "assistant", "content": label(int(row["stars"]))},
        ]
    }


def to_spanish(row: Mapping[str, Any] | pd.Series) -> dict[str, str]:
    """One prompt/completion example in the Spanish wording of SPANISH_EXAMPLES."""
    count = int(row["stars"])
    return {
        "prompt": f"Reseña: {row['text']}",
        "completion": f"Calificación: {count} estrella{'' if count == 1 else 's'}",
    }


def files(training_rows: int = 300) -> dict[str, Path]:
    """The student's training files, as notebook 02 makes them; those that are missing are written.

    Returns {"train", "validation", "test", "marv"} -> path in `paths.work()`. A file that is there
    is the student's own and stays as it is.
    """
    names = {
        "train": "reviews_train.jsonl",
        "validation": "reviews_validation.jsonl",
        "test": "reviews_test.jsonl",
        "marv": "marv_train.jsonl",
    }
    files = {split: paths.work() / name for split, name in names.items()}
    for split, path in files.items():
        if path.exists():
            continue
        if split == "marv":
            rows = doctor.read(paths.data("marv_train.jsonl"))
        else:
            frame = splits()[split].head(training_rows if split == "train" else None)
            rows = [to_chat(row) for row in frame.to_dict("records")]
        doctor.write(rows, path.name)
    return files
