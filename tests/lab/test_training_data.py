"""What "auto" means, and the order in which a training sees its examples."""

from itertools import chain

from workbook.lab.training import data, defaults


def test_epochs_follow_openais_rule():
    epochs = [
        defaults.auto_hyperparameters(n)["n_epochs"] for n in (1, 10, 40, 300, 10_000, 50_000)
    ]
    assert epochs == [25, 10, 3, 3, 2, 1]


def test_every_example_is_in_every_epoch_once():
    lengths = [10 + i % 7 for i in range(53)]
    first, again, second = (data.batches(lengths, 8, seed=3, epoch=e) for e in (0, 0, 1))
    assert sorted(chain.from_iterable(first)) == list(range(53))
    assert first == again != second
