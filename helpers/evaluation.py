"""Measuring answers: ask a model about many reviews, read its stars, and sum up how it did.

Knows reviews with a true number of stars, answers, and what to measure them against: people, and
plain rivals. Which model is asked, and how, it doesn't know: that is the function `ask` of the
notebook.
"""

import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from helpers import ratings
from helpers import reviews as corpus
from workbook.errors import WorkbookError
from workbook.evals import statistics
from workbook.evals.completions import text_of

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

Ask = Callable[[str], "ChatCompletion | Sequence[ChatCompletion]"]

THREADS = 16
CLASSES = list(corpus.CLASSES)
NONE = "none"
"""The column of `confusion` for answers that name no valid number of stars."""


class _Answer(NamedTuple):
    """What came back for one review: the text, how many tokens, and after how long."""

    text: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float


def run(ask: Ask, reviews: pd.DataFrame, threads: int = THREADS) -> pd.DataFrame:
    """Ask about every review, many at the same time, and judge the answers.

    Columns: id, text, label (the true stars), answer, stars (<NA>: no rating), correct, off_by_one
    (at most one star off, so also True where correct), prompt_tokens, cached_tokens (of these, read
    before), completion_tokens, seconds (from sending to the whole answer, waiting included).

    ask: takes a review's text, returns the ChatCompletion; a chain of calls returns all of them in
        a list: the last one holds the answer, their tokens are added up
    reviews: id, text and stars of each
    threads: requests under way at the same time; 1 measures the latency of a single request
    An error of `ask` ends the run and is raised as it is.
    """
    texts = reviews[["id", "text", "stars"]]["text"]  # what is missing shows before anyone is asked
    with ThreadPoolExecutor(threads) as pool:
        requests = [pool.submit(_timed, ask, text) for text in texts]
        try:
            for request in _with_progress(as_completed(requests), len(requests)):
                request.result()
        except BaseException:  # also when the student interrupts the cell
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    answers = [request.result() for request in requests]
    columns = ("prompt_tokens", "cached_tokens", "completion_tokens", "seconds")
    return judge(reviews, [answer.text for answer in answers]).assign(
        **{name: [getattr(answer, name) for answer in answers] for name in columns}
    )


def judge(reviews: pd.DataFrame, answers: Iterable[str]) -> pd.DataFrame:
    """The columns of `run` up to off_by_one, for answers that are there already."""
    answers = list(answers)
    if len(answers) != len(reviews):
        raise WorkbookError(f"{len(answers)} answers do not fit {len(reviews)} reviews.")
    label = reviews["stars"].to_numpy()
    stars = pd.array([ratings.stars(answer) for answer in answers], dtype="Int64")
    distance = np.abs(stars.to_numpy(dtype=float, na_value=np.inf) - label)
    return pd.DataFrame(
        {
            "id": reviews["id"].to_numpy(),
            "text": reviews["text"].to_numpy(),
            "label": label,
            "answer": answers,
            "stars": stars,
            "correct": distance == 0,
            "off_by_one": distance <= 1,
        }
    )


def _timed(ask: Ask, text: str) -> _Answer:
    start = time.perf_counter()
    completions = ask(text)
    seconds = time.perf_counter() - start
    if not isinstance(completions, Sequence):
        completions = [completions]
    prompt = cached = completion = 0
    for usage in (each.usage for each in completions):
        if usage is None:
            continue  # some hosts don't count
        prompt += usage.prompt_tokens
        completion += usage.completion_tokens
        if usage.prompt_tokens_details is not None:
            cached += usage.prompt_tokens_details.cached_tokens or 0
    return _Answer(text_of(completions[-1]), prompt, cached, completion, seconds)


def _with_progress(
    requests: "Iterable[Future[_Answer]]", total: int
) -> "Iterable[Future[_Answer]]":
    from tqdm import tqdm

    return tqdm(requests, total=total, unit="review", file=sys.stderr, leave=False, mininterval=0.5)


def summary(results: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each named result of `run`, with 95 % intervals; `readable` makes it a table.

    Columns: answers (how many), exact, exact_low, exact_high, within_one, within_low, within_high,
    no_rating (shares of all answers), prompt_tokens, completion_tokens (means a review), seconds
    (the median; with 16 requests under way at a time that is more than one alone would take).
    An answer without a rating counts as wrong.
    """
    rows = {}
    for name, result in results.items():
        n = len(result)
        exact, within = int(result["correct"].sum()), int(result["off_by_one"].sum())
        rows[name] = {
            "answers": n,
            **_share("exact", "exact", exact / n, statistics.of_share(exact, n)),
            **_share("within_one", "within", within / n, statistics.of_share(within, n)),
            "no_rating": float(result["stars"].isna().mean()),
            **{
                column: float(result[column].mean()) if column in result else np.nan
                for column in ("prompt_tokens", "completion_tokens")
            },
            "seconds": float(result["seconds"].median()) if "seconds" in result else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _share(column: str, short: str, value: float, ends: tuple[float, float]) -> dict[str, float]:
    return {column: value, f"{short}_low": ends[0], f"{short}_high": ends[1]}


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """The table of `summary` for people: "0.51 (0.44–0.58)", tokens, seconds; – where unknown."""

    def ends(column: str, short: str) -> list[str]:
        parts = zip(summary[column], summary[f"{short}_low"], summary[f"{short}_high"], strict=True)
        return [f"{value:.2f} ({low:.2f}–{high:.2f})" for value, low, high in parts]

    def plain(column: str, form: str) -> list[str]:
        return ["–" if np.isnan(value) else format(value, form) for value in summary[column]]

    return pd.DataFrame(
        {
            "exact": ends("exact", "exact"),
            "within one star": ends("within_one", "within"),
            "no rating": plain("no_rating", ".0%"),
            "tokens in": plain("prompt_tokens", ".0f"),
            "tokens out": plain("completion_tokens", ".1f"),
            "seconds": plain("seconds", ".2f"),
        },
        index=summary.index,
    )


def confusion(results: pd.DataFrame) -> pd.DataFrame:
    """How often each true number of stars (rows 1–5) got each answer (columns 1–5 and "none")."""
    answers = [NONE if value is pd.NA else int(value) for value in results["stars"]]
    table = pd.crosstab(results["label"].to_numpy(), np.array(answers, dtype=object))
    table = table.reindex(index=CLASSES, columns=[*CLASSES, NONE], fill_value=0)
    return table.rename_axis(index="true stars", columns="answer")


def human_ceiling(reviews: pd.DataFrame, name: str = "one person") -> pd.DataFrame:
    """How well one person agrees with others: a row like those of `summary`.

    Each review was rated from -4 to +4 by 20 people. Each of the 20 ratings in turn becomes stars
    by `helpers.reviews.stars` and is compared with the stars of the mean of the other 19. A
    review's score is the share of its 20 raters that agree; the row holds the mean over reviews,
    with a bootstrap interval over reviews. A model can be better than one person, whose rating is
    one of twenty; it can hardly be better than the label is sure.
    """
    exact, within = [], []
    for scores in reviews["ratings"]:
        total, others = sum(scores), len(scores) - 1
        pairs = [(corpus.stars(score), corpus.stars((total - score) / others)) for score in scores]
        exact.append(float(np.mean([one == rest for one, rest in pairs])))
        within.append(float(np.mean([abs(one - rest) <= 1 for one, rest in pairs])))
    row = {
        "answers": sum(len(scores) for scores in reviews["ratings"]),
        **_share("exact", "exact", float(np.mean(exact)), statistics.of_mean(exact)),
        **_share("within_one", "within", float(np.mean(within)), statistics.of_mean(within)),
        **dict.fromkeys(("no_rating", "prompt_tokens", "completion_tokens", "seconds"), np.nan),
    }
    return pd.DataFrame.from_dict({name: row}, orient="index")


def tfidf_baseline(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """A plain rival: words and pairs of words, weighted by TF-IDF, and logistic regression.

    Both frames hold id, text, stars. The result has the columns of `judge`. scikit-learn does the
    work; its settings are its defaults but for the pairs of words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    counter = TfidfVectorizer(ngram_range=(1, 2))
    vectors = counter.fit_transform(train["text"])
    return embedding_baseline(vectors, train, counter.transform(test["text"]), test)


def embedding_baseline(
    train_vectors: Any, train: pd.DataFrame, test_vectors: Any, test: pd.DataFrame
) -> pd.DataFrame:
    """A rival that tunes no language model: logistic regression on one vector for each text.

    train_vectors, test_vectors: (texts, numbers), as the API's embeddings are
    All classes weigh the same, however many examples there are of each.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000, class_weight="balanced")
    model.fit(train_vectors, train["stars"])
    return judge(test, [corpus.label(int(value)) for value in model.predict(test_vectors)])


def shape(texts: Iterable[str]) -> pd.DataFrame:
    """The outer form of answers, one row each: words, sentences (lines of a list count as such)."""
    rows = []
    for text in texts:
        parts = re.split(r"(?<=[.!?])[\"')\]]*\s+|\n+", text.strip())
        sentences = sum(bool(re.search(r"\w", part)) for part in parts)
        rows.append({"words": len(text.split()), "sentences": sentences})
    return pd.DataFrame(rows, columns=["words", "sentences"])


def likeness(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """How like its reference each answer is, in letters: 0 (nothing in common) to 1 (the same).

    Cosine of the counts of three-letter sequences (scikit-learn's char_wb). Compares wording only;
    a right answer in other words scores low.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import normalize

    counter = CountVectorizer(analyzer="char_wb", ngram_range=(3, 3))
    counts = normalize(counter.fit_transform([*answers, *references]).astype(float))
    ours, theirs = counts[: len(answers)], counts[len(answers) :]
    return np.asarray(ours.multiply(theirs).sum(axis=1)).ravel()
