"""For authors: the frozen splits of the reviews, drawn once before anything was measured on them.

    python -m tools.draw_splits FILE     draw them again and write their ids to FILE

Knows how to draw splits that share no review and are balanced. What a review is, and reading the
frozen ids, stands in `helpers/reviews.py`.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers import reviews

SIZES = {"test": 80, "validation": 40}  # a class
LONG_REVIEW = 20  # rows
SEED = 2014

_ABOUT = (
    "Ids of helpers.reviews' corpus in each split, drawn once by tools.draw_splits: whole reviews "
    "apart, balanced, in this order. Ids only, no text."
)


def draw_splits(corpus: pd.DataFrame, seed: int = SEED) -> dict[str, list[str]]:
    """The ids of "test", "validation" and "train", without leakage.

    Whole reviews are dealt out in random order: to the test set until it could have 80 rows of
    each class, to the validation set until 40, all others to training. Then 80 and 40 a class are
    drawn from what was dealt; the rest of those reviews is used nowhere, which is the price of
    splits that share no review and yet are balanced. Reviews of more than 20 rows always train:
    otherwise one long review could be an eighth of the test. Of rows with the same words
    (`reviews.plain`) only the first is dealt at all. Training rows come in blocks of five, one of
    each class, as long as there are five classes left: the first 5n rows are balanced.

    corpus: as `reviews.load` gives it
    """
    dice = random.Random(seed)
    unique = corpus[~corpus["text"].map(reviews.plain).duplicated()]
    by_review: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, stars in zip(unique["id"], unique["stars"], strict=True):
        by_review[reviews.review_of(name)].append((name, int(stars)))
    training = [review for review, rows in by_review.items() if len(rows) > LONG_REVIEW]
    waiting = sorted(set(by_review) - set(training))
    dice.shuffle(waiting)
    splits = {}
    for split, size in SIZES.items():
        pool: dict[int, list[str]] = {stars: [] for stars in reviews.CLASSES}
        while min(map(len, pool.values())) < size:
            for name, stars in by_review[waiting.pop()]:
                pool[stars].append(name)
        ids = [name for stars in reviews.CLASSES for name in dice.sample(pool[stars], size)]
        dice.shuffle(ids)
        splits[split] = ids
    training += waiting
    rows = [row for review in training for row in by_review[review]]
    return splits | {"train": _in_blocks(rows, dice)}


def _in_blocks(rows: list[tuple[str, int]], dice: random.Random) -> list[str]:
    """Ids in blocks of one a class, each block shuffled, then what is left over, shuffled."""
    dice.shuffle(rows)
    queues = {
        stars: [name for name, row_stars in rows if row_stars == stars] for stars in reviews.CLASSES
    }
    ids = []
    while all(queues.values()):
        block = [queue.pop() for queue in queues.values()]
        dice.shuffle(block)
        ids += block
    rest = [name for queue in queues.values() for name in queue]
    dice.shuffle(rest)
    return ids + rest


def write(splits: dict[str, list[str]], path: Path) -> None:
    """Write the ids to a file, one split a line."""
    lines = [json.dumps(splits[name]) for name in ("train", "validation", "test")]
    path.write_text(
        f'{{"about": {json.dumps(_ABOUT)},\n "seed": {SEED},\n "splits": {{\n'
        f'  "train": {lines[0]},\n  "validation": {lines[1]},\n  "test": {lines[2]}}}'
        "}\n",
        encoding="utf-8",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command of this module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw_splits", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", type=Path, help="the JSON file to write")
    write(draw_splits(reviews.load()), parser.parse_args(arguments).file)


if __name__ == "__main__":
    main()
