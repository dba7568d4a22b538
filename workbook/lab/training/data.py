"""A training file's examples as tokens, and the order in which a job sees them.

Knows tokens, lengths and batches; nothing of models or losses.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.training import training_file

BATCHES_SORTED = 8  # batches whose examples are sorted by length together


def read_examples(path: Path, tokenizer: Tokenizer) -> Iterator[tuple[list[int], list[bool]]]:
    """Token ids and loss mask of each example of a checked file; two for each preference."""
    for row in training_file.examples(path):
        for conversation in training_file.conversations(row):
            yield tokenizer.row_example(conversation)


def batches(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Example numbers of each batch of an epoch, shuffled, alike in length within a batch.

    The same arguments give the same batches, so that a resumed job sees what it would have seen.

    lengths: tokens of each example.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    group = batch_size * BATCHES_SORTED  # sorted within a group: little padding, still shuffled
    parts = []
    for start in range(0, len(order), group):
        near = sorted(order[start : start + group], key=lambda i: lengths[i])
        parts += [near[i : i + batch_size] for i in range(0, len(near), batch_size)]
    return [[int(i) for i in parts[j]] for j in random.permutation(len(parts))]


def by_length(lengths: list[int]) -> list[int]:
    """Example numbers, the shortest example first: neighbours need little padding."""
    return sorted(range(len(lengths)), key=lengths.__getitem__)
