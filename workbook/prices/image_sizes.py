"""Tokens of an image in a message, by OpenAI's published formulas.

Reads width and height from an image that is part of the message; nothing is fetched, so one at an
address has bounds only. Knows no vocabulary.
"""

import base64
import binascii
import io
import math
from collections.abc import Mapping
from typing import Any

import imagesize

from workbook.prices.size import Size, exactly
from workbook.prices.token_rules import ImageRules

_SQUARE, _SHORT, _TILE, _PATCH = 2048, 768, 512, 32  # pixels
_HEAD = 256 * 1024  # base64 characters; a header that lies deeper is not looked for
_UNKNOWN = (1024, 1024)  # pixels of an image whose size is not known, where a guess is wanted


def of(part: Mapping[str, Any], rules: ImageRules | None) -> Size:
    """Tokens of a part of a message that is an image.

    `detail: low` costs the base; "high", "auto" and nothing cost all tiles. Patches don't depend
    on it. Where the model has no rule, the image is a gap.
    """
    if rules is None:
        return Size(gaps=frozenset({"an image"}))
    image = part.get("image_url", part)
    image = image if isinstance(image, Mapping) else {"url": image}
    detail = image.get("detail") or part.get("detail")
    if rules.kind == "tiles" and detail == "low":
        return exactly(rules.base)
    pixels = pixels_of(image.get("url", image.get("image_url")))
    if pixels is None:
        return Size(_tokens(1, 1, rules), _tokens(*_UNKNOWN, rules), _most(rules))
    expected = _tokens(*pixels, rules)
    # Users were billed all patches for an image that is shrunk, against OpenAI's own formula:
    # https://community.openai.com/t/1281361
    is_shrunk = rules.kind == "patches" and _covering(*pixels) > rules.most
    return Size(expected, expected, _most(rules) if is_shrunk else expected)


def pixels_of(url: Any) -> tuple[int, int] | None:
    """Width and height of an image in a `data:` address; None where they can't be read."""
    if not isinstance(url, str) or not url.startswith("data:"):
        return None
    header, _, data = url[:_HEAD].partition(",")
    if not header.endswith(";base64"):
        return None
    data = "".join(data.split())
    try:
        content = base64.b64decode(data[: len(data) // 4 * 4])
        width, height = imagesize.get(io.BytesIO(content))
    except (binascii.Error, ValueError, OSError, IndexError, TypeError):
        return None
    return (int(width), int(height)) if width > 0 and height > 0 else None


def _tokens(width: int, height: int, rules: ImageRules) -> int:
    return _tiles(width, height, rules) if rules.kind == "tiles" else _patches(width, height, rules)


def _tiles(width: float, height: float, rules: ImageRules) -> int:
    """Made to fit a square of 2,048 pixels, then to 768 on the short side, then cut into tiles."""
    fit = min(1.0, _SQUARE / max(width, height))
    fit *= min(1.0, _SHORT / (min(width, height) * fit))
    width, height = width * fit, height * fit
    return rules.base + rules.tile * _pieces(width, _TILE) * _pieces(height, _TILE)


def _patches(width: float, height: float, rules: ImageRules) -> int:
    """As many squares of 32 pixels as cover it; a larger image is shrunk until `most` cover it."""
    number = _covering(width, height)
    if number > rules.most:
        shrink = math.sqrt(_PATCH**2 * rules.most / (width * height))
        across, down = width * shrink / _PATCH, height * shrink / _PATCH
        # Once more, so that a whole number of patches fits both ways.
        shrink *= min(max(1, math.floor(across)) / across, max(1, math.floor(down)) / down)
        number = _covering(width * shrink, height * shrink)
    return math.ceil(min(number, rules.most) * rules.patch)


def _covering(width: float, height: float) -> int:
    """How many patches cover an image."""
    return _pieces(width, _PATCH) * _pieces(height, _PATCH)


def _pieces(length: float, size: int) -> int:
    return max(1, math.ceil(round(length / size, 6)))


def _most(rules: ImageRules) -> int:
    if rules.kind == "tiles":
        return rules.base + rules.tile * (_SQUARE // _TILE) * math.ceil(_SHORT / _TILE)
    return math.ceil(rules.most * rules.patch)
