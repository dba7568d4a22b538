"""Ids, times and the names of tuned models, as OpenAI forms them.

Knows nothing of the records or answers that carry them.
"""

import re
import secrets
import string
import time

_LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """`prefix` and random letters and digits."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


def now() -> int:
    """Unix time in whole seconds."""
    return int(time.time())


def base_of(model: str) -> str:
    """The base that a model was tuned from, or the base itself."""
    return model.split(":")[1] if model.startswith("ft:") else model


def clean_suffix(suffix: str | None) -> str:
    """A suffix as it stands in a model's name: lower case, no separators but the hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", (suffix or "").lower()).strip("-")


def tuned_name(model: str, suffix: str, job_id: str) -> str:
    """The name of what a job makes of a base or tuned model: `ft:BASE:lab:SUFFIX:ID`."""
    return f"ft:{base_of(model)}:lab:{suffix}:{job_id[-8:]}"
