"""Tokens of texts, and of chats and rows by OpenAI's published rules, for each model.

Works without a network. How rows with functions, images and preferences are counted, and how exact
that is, stands in `workbook.prices.sizes`. Knows no prices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from workbook.prices import registry, sizes
from workbook.prices.registry import encoding_for as encoding_for
from workbook.prices.token_rules import TokenRules
from workbook.prices.vocabularies import vocabulary as vocabulary

PER_CONVERSATION = 3  # OpenAI's rule; with 3 for each message and 1 for each name


def encode(text: str, model_id: str) -> list[int]:
    """The numbers of a text's tokens."""
    return vocabulary(encoding_for(model_id)).encode(text)


def pieces(text: str, model_id: str) -> list[str]:
    """The text of each token. A letter split over several tokens shows as replacement marks."""
    words = vocabulary(encoding_for(model_id))
    return [words.decode([token]) for token in words.encode(text)]


def count(text: str, model_id: str) -> int:
    """The number of tokens in a plain text."""
    return len(encode(text, model_id))


def count_chat(messages: Sequence[Mapping[str, Any]], model_id: str) -> int:
    """The number of tokens of one chat by OpenAI's published rule, whoever's the model is.

    3 a message, 1 more for a `name`, 3 a conversation, plus every text
    (https://cookbook.openai.com/examples/chat_finetuning_data_prep).
    """
    sizer = sizes.for_model(model_id)
    published = TokenRules(encoding=sizer.rules.encoding, images=sizer.rules.images)
    return replace(sizer, rules=published).row({"messages": list(messages)}).expected


def count_example(example: Mapping[str, Any], model_id: str) -> int:
    """The training tokens of one line of a data file in any format, as expected."""
    return sizes.for_model(model_id).row(example).expected


def is_approximate(model_id: str) -> bool:
    """Whether a model's tokens are counted with another's vocabulary, as its own is not public."""
    return registry.token_rules(model_id).is_approximate
