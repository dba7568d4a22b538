"""How many epochs OpenAI chooses for a file, which the lab does, too, and estimates foresee."""

from workbook.errors import WorkbookError

MOST = 25  # that the rule below ever gives


def default_epochs(n_examples: int) -> int:
    """The number of epochs OpenAI chooses for a file of `n_examples`, at least 1.

    The rule of OpenAI's cookbook: three, more for small files (about 100 examples seen in
    all, at most 25 epochs), fewer for large ones (about 25,000 seen in all, at least 1 epoch).
    https://cookbook.openai.com/examples/chat_finetuning_data_prep
    Raises WorkbookError for a file without examples.
    """
    if n_examples < 1:
        raise WorkbookError("A training file needs examples: there are none to count epochs for.")
    if 3 * n_examples < 100:
        return min(MOST, 100 // n_examples)
    if 3 * n_examples > 25_000:
        return max(1, 25_000 // n_examples)
    return 3
