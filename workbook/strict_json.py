"""JSON as its standard has it: no NaN, no infinity, no half characters, no crash when deep.

The standard library's decoder takes `NaN` and lone surrogates; a service elsewhere does not.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn


def loads(text: str | bytes, *, whole_numbers: bool = False) -> Any:
    """A value of whole characters and finite numbers. Raises ValueError, and nothing else.

    whole_numbers: 3.0 is read as 3, as JSON Schema has it.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        value = decoder(parse_float=_whole if whole_numbers else _finite).decode(text)
        if "\\u" in text:  # half a character, escaped, is JSON but not Unicode
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None
    return value


def decoder(
    repeated: list[str] | None = None,
    parse_float: Callable[[str], Any] | None = None,
    strict: bool = True,
) -> json.JSONDecoder:
    """A decoder without NaN and infinity; it still takes half a character.

    repeated: collects the keys that stand twice in one object, of which JSON keeps the last.
    strict: whether line breaks and the like in a text must be escaped, as the standard asks.
    Decoding raises ValueError, and RecursionError for what is nested too deeply.
    """
    return json.JSONDecoder(
        parse_constant=_refuse,
        parse_float=parse_float or _finite,
        object_pairs_hook=None if repeated is None else _collector(repeated),
        strict=strict,
    )


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _whole(text: str) -> int | float:
    value = _finite(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _collector(repeated: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, count in counts.items() if count > 1)
        return value

    return collect
