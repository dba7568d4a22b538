"""Keys, tokens and passwords in a text: where they are, and the text with [key] in their place.

Found by `detect-secrets` (Yelp's list of what issuers publish) and by a few patterns of what it
does not know; both see only the texts that a quick look finds suspicious. Knows nothing of people's
data.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

OWN_KEYS = {
    "OpenAI key": re.compile(
        r"sk-(?!ant-)(?:proj-|svcacct-|admin-|(?=[A-Za-z_-]*\d))"
        r"[A-Za-z0-9_-]{20,}"
    ),
    "Anthropic key": re.compile(r"sk-ant-[A-Za-z0-9_-]{20,}"),
    "GitHub token": re.compile(r"github_pat_[A-Za-z0-9_]{40,}"),
    "Google key": re.compile(r"AIza[A-Za-z0-9_-]{35}"),
    "Slack token": re.compile(r"xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]+"),
    "Hugging Face token": re.compile(r"hf_[A-Za-z0-9]{30,}"),
    "Stripe key": re.compile(r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    "npm token": re.compile(r"npm_[A-Za-z0-9]{36}"),
    "password": re.compile(
        r"(?i)\b(?:password|passwd|contraseña|senha)\s*[:=]\s*(?=\S*[^\W_])"
        r"[^\s,;]{6,}"
    ),
}
"""Keys that detect-secrets 1.5 does not know, or only in an older form."""
_PLUGINS = (
    "aws",
    "azure_storage_key",
    "basic_auth",
    "cloudant",
    "discord",
    "github_token",
    "gitlab_token",
    "ibm_cloud_iam",
    "jwt",
    "mailchimp",
    "npm",
    "openai",
    "private_key",
    "pypi_token",
    "sendgrid",
    "slack",
    "softlayer",
    "square_oauth",
    "stripe",
    "telegram_token",
    "twilio",
)
# All of detect-secrets but what suspects ordinary text: Artifactory ("APARTAMENTOS"), public
# addresses, keywords, and strings of high entropy (ids of orders, pictures).

# What may still belong to a key after what its pattern asks for.
_REST = re.compile(r"[\w+/=-]*(?:\.[\w+/=-]{10,})*")
# What no key is without: 20 signs in one piece, an address with a password, a word for it.
_HINT = re.compile(
    r"[A-Za-z0-9_+/=-]{20}|://[^\s/]+:[^\s/]+@|PRIVATE KEY|PuTTY-User|"
    r"(?i:passw|contraseña|senha)"
)


@dataclass(frozen=True)
class Entity:
    """One piece of personal data, or one key, at text[start:end]."""

    kind: str
    start: int
    end: int
    is_key: bool = False


def find(text: str) -> Iterator[Entity]:
    """The keys in a text, those of one kind after those of another; they may overlap."""
    if not _HINT.search(text):
        return
    for kind, pattern, is_genuine in _patterns():
        for match in pattern.finditer(text):
            start, end = match.span()
            # Not a piece of a longer word.
            within = start and text[start].isalnum() and text[start - 1].isalnum()
            if not within and is_genuine(match.group()):
                rest = _REST.match(text, end)
                yield Entity(kind, start, rest.end() if rest else end, is_key=True)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], Callable[[str], bool]]]:
    """(kind, pattern, what else must be true of a match) of our own keys and detect-secrets'."""
    from detect_secrets.plugins.base import RegexBasedDetector  # here: it brings requests

    patterns: list[tuple[str, re.Pattern[str], Callable[[str], bool]]] = [
        (kind, pattern, bool) for kind, pattern in OWN_KEYS.items()
    ]
    for name in _PLUGINS:
        module = import_module(f"detect_secrets.plugins.{name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and value.__module__ == module.__name__
                and issubclass(value, RegexBasedDetector)
            ):
                detector = value()
                # Web tokens can be read.
                is_genuine = getattr(detector, "is_formally_valid", bool)
                patterns += [
                    (str(detector.secret_type), pattern, is_genuine)
                    for pattern in detector.denylist
                ]
    return patterns


def hide(text: str) -> str:
    """The text with [key] in the place of keys: for what is shown of data."""
    parts, end = [], 0
    for key in sorted(find(text), key=lambda key: (key.start, -key.end)):
        if key.start >= end:
            parts += [text[end : key.start], "[key]"]
        end = max(end, key.end)
    return "".join([*parts, text[end:]])
