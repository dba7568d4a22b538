"""How a host turns messages, functions and images into tokens, as numbers of the registry.

Holds the numbers that `workbook.prices.sizes` counts with. Reads no file and counts nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FunctionRules:
    """Tokens around the texts of a function's definition.

    As OpenAI's cookbook found them by comparing with its API
    (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, section 7). With
    `as_json` a definition is its JSON text, as on the lab, and only `end` is added.
    """

    function: int = 0  # each function
    properties: int = 0  # each object that has properties
    property: int = 0  # each property
    enum: int = 0  # each list of allowed values
    enum_item: int = 0  # each value of such a list
    end: int = 0  # once, where there are functions at all
    as_json: bool = False


@dataclass(frozen=True)
class ImageRules:
    """Tokens of an image: `base` and `tile` for each square of 512 pixels, or 32-pixel `patches`.

    Tiles: https://platform.openai.com/docs/guides/images-vision, "Calculating costs".
    """

    kind: str  # "tiles" or "patches"
    base: int = 0  # of any image; with `detail: low` that is all
    tile: int = 0
    patch: float = 0.0  # tokens of a patch
    most: int = 0  # patches at the most; a larger image is made smaller


@dataclass(frozen=True)
class TokenRules:
    """What a conversation costs besides its texts, and what may be added to it unseen."""

    encoding: str = "o200k_base"  # a name for workbook.prices.vocabularies
    message: int = 3  # each message, its role's name aside
    name: int = 1  # each `name`
    conversation: int = 3
    call: int = 3  # each call of a function, besides its name and arguments
    schema: int = 10  # a response format with a schema, besides the schema's text
    without_system: int = 0  # what the host adds where no message gives instructions
    preference_prompts: int = 1  # how often a preference's prompt is counted
    with_schema: bool = True  # whether the model is shown the schema of a response format
    functions: FunctionRules = FunctionRules()
    images: ImageRules | None = None
    pair_end: int = 0  # the end of a prompt/completion pair
    low: float = 1.0  # true counts of texts in Latin letters lie between these times the count:
    high: float = 1.0  # both 1 where the vocabulary is the model's own

    @property
    def is_approximate(self) -> bool:
        """Whether another model's vocabulary stands in for one that is not public."""
        return (self.low, self.high) != (1.0, 1.0)
