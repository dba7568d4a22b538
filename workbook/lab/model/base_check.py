"""Whether a base fits together before it is registered: settings, weights, tokenizer and template.

Knows what must agree; nothing of where the files came from.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from workbook import time_limit
from workbook.errors import WorkbookError
from workbook.lab.model import checkpoint
from workbook.lab.model.tokenizer import Tokenizer

MOST_SECONDS = 10.0  # of the processor, for a tokenizer and its template to be tried


def check(folder: Path, name: str) -> None:
    """Raise WorkbookError unless weights, tokenizer and template fit each other.

    folder: a base in the lab's own form.
    name: what the base is called in messages.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _check_weights(folder, config, name)
    try:
        with time_limit.within(MOST_SECONDS, _too_slow, processor_time=True):
            tokenizer = Tokenizer(folder)
            highest = max(tokenizer.encode("The lab tries it: 1, 2, 3."), default=0)
            tokenizer.chat_prompt([{"role": "user", "content": "Hello?"}])
    except Exception as error:  # tokenizers raises bare Exceptions
        raise WorkbookError(f"The lab can't chat with {name}: {error}.") from None
    if max(highest, tokenizer.end) >= config["vocab_size"]:
        raise WorkbookError(
            f"{name}: the tokenizer knows more tokens than the model's "
            f"{config['vocab_size']:,}: they don't belong together."
        )


def _too_slow() -> TimeoutError:
    """What a template that loops without end raises."""
    return TimeoutError(f"it takes more than {MOST_SECONDS:.0f} seconds to say hello")


def _check_weights(folder: Path, config: dict[str, Any], name: str) -> None:
    """Raise WorkbookError unless every weight is there, in its shape, and no other."""
    expected = checkpoint.shapes(config)
    with safe_open(folder / "model.safetensors", "pt") as reader:
        actual = {key: list(reader.get_slice(key).get_shape()) for key in reader.keys()}  # noqa: SIM118 - it is no dict
    wrong = [f"{key} is missing" for key in expected.keys() - actual.keys()]
    wrong += [f"{key} has no place in it" for key in actual.keys() - expected.keys()]
    wrong += [
        f"{key} is {actual[key]}, not {shape}"
        for key, shape in expected.items()
        if key in actual and actual[key] != shape
    ]
    if not wrong:
        with safe_open(folder / "model.safetensors", "pt") as reader:
            wrong = [
                f"{key} holds what is no finite number"
                for key in expected
                if not reader.get_tensor(key).isfinite().all()
            ]
    if wrong:
        raise WorkbookError(
            f"{name} is not the model that its settings describe: {'; '.join(sorted(wrong)[:3])}."
        )
