"""Measuring answers: ask a model about many reviews, read its stars, and say how sure the score is.

Knows reviews with a true number of stars, answers, and the statistics of shares. Which model is
asked, and how, it doesn't know: that is the function `ask` of the notebook.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers import reviews as corpus
from workbook.errors import WorkbookError

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

Ask = Callable[[str], "ChatCompletion | Sequence[ChatCompletion]"]

THREADS = 16
CLASSES = list(corpus.CLASSES)
NONE = "none"
"""The column of `confusion` for answers that name no valid number of stars."""
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_UNIT = r"(?:stars?|estrellas?)\b"
_RATING = re.compile(
    rf"(?P<scale>[-\d.,]+)\s*(?:/|out\s+of)\s*(?:5|five)\b(?:[\s-]*{_UNIT})?"
    rf"|(?P<number>[-\d.,]*\d|\b(?:{'|'.join(_WORDS)}))[\s*_-]*{_UNIT}",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"(?:rating|stars?)?\W*(\d+|{'|'.join(_WORDS)})\W*", re.IGNORECASE)


def run(ask: Ask, reviews: pd.DataFrame, threads: int = THREADS) -> pd.DataFrame:
    """Ask about every review, many at the same time, and judge the answers.

    ask      takes a review's text, returns the ChatCompletion; a chain of calls returns all of
             them in a list: the last one holds the answer, their tokens are added up
    reviews  id, text and stars of each
    threads  requests under way at the same time; 1 measures the latency of a single request

    Columns: id, text, label (the true stars), answer, stars (<NA>: no rating), correct, off_by_one
    (at most one star off, so also True where correct), prompt_tokens, cached_tokens (of these, read
    before), completion_tokens, seconds (from sending to the whole answer, waiting included).
    An error of `ask` ends the run and is raised as it is.
    """
    rows = list(reviews[["id", "text", "stars"]].itertuples(index=False, name=None))
    answers: dict[int, tuple[str, dict[str, int], float]] = {}
    with ThreadPoolExecutor(threads) as pool:
        waiting = {pool.submit(_timed, ask, text): i for i, (_, text, _) in enumerate(rows)}
        try:
            for done in _with_progress(as_completed(waiting), len(rows)):
                answers[waiting[done]] = done.result()
        except BaseException:  # also when the student interrupts the cell
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    texts = [answers[i][0] for i in range(len(rows))]
    frame = judge(reviews, texts)
    for name in ("prompt_tokens", "cached_tokens", "completion_tokens"):
        frame[name] = [answers[i][1][name] for i in range(len(rows))]
    return frame.assign(seconds=[answers[i][2] for i in range(len(rows))])


def judge(reviews: pd.DataFrame, answers: Iterable[str]) -> pd.DataFrame:
    """The columns of `run` up to off_by_one, for answers that are there already."""
    answers = list(answers)
    if len(answers) != len(reviews):
        raise WorkbookError(f"{len(answers)} answers do not fit {len(reviews)} reviews.")
    label = reviews["stars"].to_numpy()
    given = pd.array([stars(answer) for answer in answers], dtype="Int64")
    distance = np.abs(given.to_numpy(dtype=float, na_value=np.inf) - label)
    return pd.DataFrame(
        {
            "id": reviews["id"].to_numpy(),
            "text": reviews["text"].to_numpy(),
            "label": label,
            "answer": answers,
            "stars": given,
            "correct": distance == 0,
            "off_by_one": distance <= 1,
        }
    )


def _timed(ask: Ask, text: str) -> tuple[str, dict[str, int], float]:
    started = time.perf_counter()
    completions = ask(text)
    seconds = time.perf_counter() - started
    if not isinstance(completions, Sequence):
        completions = [completions]
    used = {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0}
    for completion in completions:
        if (usage := completion.usage) is None:
            continue  # some hosts don't count
        used["prompt_tokens"] += usage.prompt_tokens
        used["completion_tokens"] += usage.completion_tokens
        if usage.prompt_tokens_details is not None:
            used["cached_tokens"] += usage.prompt_tokens_details.cached_tokens or 0
    return answer_of(completions[-1]), used, seconds


def _with_progress(done: Iterable, total: int) -> Iterable:
    from tqdm import tqdm

    return tqdm(done, total=total, unit="review", file=sys.stderr, leave=False, mininterval=0.5)


def answer_of(completion: "ChatCompletion") -> str:
    """What the model said: the text, or the arguments of its first tool call."""
    message = completion.choices[0].message
    if message.tool_calls:
        return message.tool_calls[0].function.arguments
    return message.content or ""


def stars(text: str) -> int | None:
    """The number of stars that an answer names, or None when it names no single one from 1 to 5.

    Counts: "4", "4.", "Rating: 4", "4 stars", "4-star", "four stars", "4/5", "4 out of 5 stars",
    "Calificación: 4 estrellas", '{"stars": 4}', '{"stars": "4"}', and any of these in a sentence,
    also more than once. Doesn't count: "1.1 star", "6 stars", "4 or 5 stars", "1 to 5 stars", "I
    bought 4 of them", other JSON.
    """
    text = text.strip()
    if text.startswith("{"):
        return _from_json(text)
    if alone := _ALONE.fullmatch(text):
        return _valid(alone[1])
    named = {m["scale"] or m["number"] for m in _RATING.finditer(text)}
    ratings = {_valid(name) for name in named}
    if re.search(rf"\d\s*(?:-|–|to|or|and)\s*\d\s*{_UNIT}", text, re.IGNORECASE):
        return None  # a range: "1 to 5 stars" names no single one
    return ratings.pop() if len(ratings) == 1 else None


def _from_json(text: str) -> int | None:
    try:
        found = json.loads(text)["stars"]
    except (ValueError, KeyError, RecursionError):
        return None
    return _valid(str(found)) if isinstance(found, (int, str)) else None


def _valid(name: str) -> int | None:
    """1 to 5 for "4" or "four"; None for "6", "1.1", "-1" and everything else."""
    name = name.strip().lower()
    if name in _WORDS:
        return _WORDS[name]
    return int(name) if re.fullmatch("[1-5]", name) else None


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
            **_share("exact", "exact", exact / n, interval(exact, n)),
            **_share("within_one", "within", within / n, interval(within, n)),
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
    """The table of `summary` for people: "0.51 (0.44–0.58)", tokens and seconds; – where unknown."""

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


def interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share: low and high, between 0 and 1.

    Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209–212), by scipy. Unlike
    share ± 1.96 standard errors it stays right near 0 and 1. Raises WorkbookError unless
    0 <= successes <= n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise WorkbookError(f"{successes} successes in {n} trials: there is no such share.")
    from scipy.stats import binomtest

    ends = binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return float(ends.low), float(ends.high)


def bootstrap_interval(values: Sequence[float], resamples: int = 10_000) -> tuple[float, float]:
    """The 95 % interval of a mean of values that are no plain yes or no.

    Percentile bootstrap (Efron 1979, Ann. Stat. 7, 1–26), by scipy; always the same draws. One
    value a review: what belongs together must not be drawn apart. Raises WorkbookError for fewer
    than two values.
    """
    if len(values) < 2:
        raise WorkbookError("An interval needs at least two values.")
    from scipy.stats import bootstrap

    drawn = bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        method="percentile",
        n_resamples=resamples,
        batch=500,
        rng=0,
    )
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


@dataclass(frozen=True)
class Paired:
    """Two results on the same reviews: who was right on how many, and what follows.

    `difference` is the share right of a minus that of b, `low` and `high` its 95 % interval, `p`
    the probability of so uneven a split of `only_a` and `only_b` if both were equally good.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    low: float
    high: float
    p: float

    def sentence(self, a: str, b: str, what: str = "reviews") -> str:
        """The comparison in words, for the names of the two and of what they were asked."""
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        return (
            f"Only {a} is right on {self.only_a} {what}, only {b} on {self.only_b}: a difference "
            f"of {self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}), {p}."
        )


def paired_test(a: pd.DataFrame, b: pd.DataFrame) -> Paired:
    """Compare two results of `run` on the same reviews, matched by id.

    McNemar's test (1947, Psychometrika 12, 153–157) in its exact form: of the reviews on which
    just one of the two is right, each should win half if they were equally good; by scipy's
    binomtest. The difference's interval is a bootstrap over reviews. Raises WorkbookError when the
    two were not asked about the same reviews.
    """
    if set(a["id"]) != set(b["id"]) or len(a) != len(b):
        raise WorkbookError("A paired test needs two results on the same reviews.")
    from scipy.stats import binomtest

    right_a = a.set_index("id")["correct"].to_numpy(dtype=bool)
    right_b = b.set_index("id")["correct"].reindex(a["id"]).to_numpy(dtype=bool)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    split = only_a + only_b
    low, high = bootstrap_interval(right_a.astype(int) - right_b.astype(int))
    return Paired(
        both=int((right_a & right_b).sum()),
        only_a=only_a,
        only_b=only_b,
        neither=int((~right_a & ~right_b).sum()),
        difference=(only_a - only_b) / len(a),
        low=low,
        high=high,
        p=float(binomtest(only_a, split).pvalue) if split else 1.0,
    )


def confusion(results: pd.DataFrame) -> pd.DataFrame:
    """How often each true number of stars (rows 1–5) got each answer (columns 1–5 and "none")."""
    given = [NONE if value is pd.NA else int(value) for value in results["stars"]]
    table = pd.crosstab(results["label"].to_numpy(), np.array(given, dtype=object))
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
    for ratings in reviews["ratings"]:
        total, others = sum(ratings), len(ratings) - 1
        pairs = [(corpus.stars(r), corpus.stars((total - r) / others)) for r in ratings]
        exact.append(np.mean([mine == theirs for mine, theirs in pairs]))
        within.append(np.mean([abs(mine - theirs) <= 1 for mine, theirs in pairs]))
    row = {
        "answers": sum(len(ratings) for ratings in reviews["ratings"]),
        **_share("exact", "exact", float(np.mean(exact)), bootstrap_interval(exact)),
        **_share("within_one", "within", float(np.mean(within)), bootstrap_interval(within)),
        **dict.fromkeys(("no_rating", "prompt_tokens", "completion_tokens", "seconds"), np.nan),
    }
    return pd.DataFrame.from_dict({name: row}, orient="index")


def tfidf_baseline(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """The plain rival: words and pairs of words, weighted by TF-IDF, and logistic regression.

    Both frames hold id, text, stars. The result has the columns of `judge`. scikit-learn does the
    work; its settings are its defaults but for the pairs of words and for `max_iter`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    model.fit(train["text"], train["stars"])
    return judge(test, [corpus.label(int(value)) for value in model.predict(test["text"])])


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
