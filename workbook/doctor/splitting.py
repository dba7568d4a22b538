"""Data into parts for training and testing: what belongs together stays together.

Knows what an example asks and answers; knows no files.
"""

import random
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from workbook.doctor.errors import DatasetError
from workbook.doctor.fingerprints import fingerprint
from workbook.doctor.progress import watched
from workbook.doctor.row_parts import objects_in

Row = Mapping[str, Any]
Key = Callable[[Row], Hashable]
_DEFAULT_SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def question_of(row: Row) -> str:
    """What the model is asked in an example, in lower case and without double spaces."""
    prompt = row.get("input")
    holder = prompt if isinstance(prompt, Mapping) else row
    messages = objects_in(holder.get("messages"))
    if "contents" in row:
        texts = [
            part.get("text", "")
            for content in objects_in(row["contents"])
            if content.get("role") == "user"
            for part in objects_in(content.get("parts"))
        ]
    elif messages:
        texts = [
            str(message.get("content")) for message in messages if message.get("role") == "user"
        ]
    else:
        texts = [str(row.get("prompt"))]
    return " ".join("\n".join(texts).lower().split())


def answer_of(row: Row) -> str:
    """What the model is to answer in an example."""
    messages = objects_in(row.get("messages")) or objects_in(row.get("preferred_output"))
    if "contents" in row:
        parts = [
            part
            for content in objects_in(row["contents"])[-1:]
            for part in objects_in(content.get("parts"))
        ]
        return "\n".join(str(part.get("text")) for part in parts)
    return str(messages[-1].get("content") if messages else row.get("completion"))


def split(
    rows: Sequence[Row],
    shares: Mapping[str, float] | None = None,
    *,
    group: Key | None = None,
    label: Key = answer_of,
    question: Key = question_of,
    seed: int = 42,
) -> dict[str, list[Row]]:
    """Divide rows at random, so that what belongs together stays together.

    shares: of each split; {"train": 0.8, "validation": 0.1, "test": 0.1} by default.
    group: rows with the same value of it are never in two splits (one author, one review, …).
    label: every split gets each label in about the same proportion.
    question: rows that ask the same are never in two splits either, whatever their group.

    The same rows and seed give the same splits. Raises DatasetError for shares that are not
    positive, and where there are too few groups to fill every split.
    """
    places = split_places(rows, shares, group=group, label=label, question=question, seed=seed)
    return {name: [rows[index] for index in indices] for name, indices in places.items()}


def split_places(
    rows: Iterable[Row],
    shares: Mapping[str, float] | None = None,
    *,
    group: Key | None = None,
    label: Key = answer_of,
    question: Key = question_of,
    seed: int = 42,
) -> dict[str, Sequence[int]]:
    """As `split`, but the places of the rows: for rows that are not in memory."""
    shares = dict(shares or _DEFAULT_SHARES)
    if not shares or any(share <= 0 for share in shares.values()):
        raise DatasetError("Each split needs a share greater than 0.")
    keys = [question] if group is None else [question, group]
    labels: list[Hashable] = []
    links: list[list[Hashable]] = [[] for _ in keys]
    for number, row in enumerate(watched(rows, "dividing"), start=1):
        if not isinstance(row, Mapping):
            raise DatasetError(
                f"Row {number} is no example: doctor.check says what is wrong with it."
            )
        labels.append(_short(label(row)))
        for key, values in zip(keys, links, strict=True):
            values.append(_short(key(row)))
    bundles = _bundles(links)
    if len(bundles) < len(shares):
        raise DatasetError(
            f"There are {len(bundles)} groups of rows that must stay together, too "
            f"few for {len(shares)} splits. Use fewer splits or more data."
        )
    rng = random.Random(seed)
    rng.shuffle(bundles)
    bundles.sort(key=len, reverse=True)  # large ones first: the small ones then even things out
    splits = _distribute(bundles, labels, shares)
    for indices in splits.values():
        rng.shuffle(indices)
    return {**splits}


def _short(value: Hashable) -> Hashable:
    """A number in the place of a long text."""
    return fingerprint(value) if isinstance(value, str) and len(value) > 24 else value


def _bundles(links: Sequence[Sequence[Hashable]]) -> list[Sequence[int]]:
    """Indices of rows that are linked, also over several steps, by the same value in any list."""
    parent = array("q", range(len(links[0])))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for values in links:
        first: dict[Hashable, int] = {}
        for index, value in enumerate(values):
            parent[root(index)] = root(first.setdefault(value, index))
    # Most bundles have one row: a list only for others.
    bundles: dict[int, tuple[int] | list[int]] = {}
    for index in range(len(parent)):
        top = root(index)
        bundle = bundles.get(top)
        if bundle is None:
            bundles[top] = (index,)
        elif isinstance(bundle, tuple):
            bundles[top] = [*bundle, index]
        else:
            bundle.append(index)
    return list(bundles.values())


def _distribute(
    bundles: Sequence[Sequence[int]], labels: Sequence[Hashable], shares: Mapping[str, float]
) -> dict[str, "array[int]"]:
    """The indices of each split, by its share of the rows and of each label."""
    totals = Counter(labels)
    share_of = {name: share / sum(shares.values()) for name, share in shares.items()}
    splits = {name: array("q") for name in shares}
    label_counts: dict[str, Counter[Hashable]] = {name: Counter() for name in shares}
    for place, bundle in enumerate(bundles):
        counts = Counter(labels[index] for index in bundle)
        empty = [name for name in shares if not splits[name]]
        # The last bundles go where there is nothing yet; otherwise to the least filled split,
        # where both its size and its share of the bundle's labels count.
        names = empty if len(empty) >= len(bundles) - place else list(shares)
        fill = {
            name: (
                len(splits[name]) / len(labels)
                + sum(n * label_counts[name][kind] / totals[kind] for kind, n in counts.items())
                / len(bundle)
            )
            / share_of[name]
            for name in names
        }
        least = min(names, key=lambda name: fill[name])
        splits[least].extend(bundle)
        label_counts[least].update(counts)
    return splits
