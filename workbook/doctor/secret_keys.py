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

from workbook.doctor import inline_data

OWN_KEYS = {
    "OpenAI key": re.compile(
        r"sk-(?!ant-)(?:proj-|svcacct-|admin-|(?=[A-Za-z_-]{0,64}+\d))"
        r"[A-Za-z0-9_-]{20,}+"
    ),
    "Anthropic key": re.compile(r"sk-ant-[A-Za-z0-9_-]{20,}"),
    "GitHub token": re.compile(r"github_pat_[A-Za-z0-9_]{40,}"),
    "Google key": re.compile(r"AIza[A-Za-z0-9_-]{35}"),
    "Slack token": re.compile(r"xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]+"),
    "Hugging Face token": re.compile(r"hf_[A-Za-z0-9]{30,}"),
    "Stripe key": re.compile(r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    "npm token": re.compile(r"npm_[A-Za-z0-9]{36}"),
    "password": re.compile(
        r"(?i)\b(?:password|passwd|contraseña|senha)\s*+[:=]\s*+(?=(?:_|[^\w\s]){0,99}+[^\W_])"
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

# Where a match of these may begin: once in a stretch of such signs, once in a line. From every
# place they would read to the end of the stretch again, and a text of one sign would never end.
_STARTS = {
    "jwt": re.compile(r"(?<![\w=-])(?>[\w=-]*?(?<![A-Za-z0-9])(?=eyJ))", re.ASCII),
    "npm": re.compile(r"(?m)^(?>[^\n]*?(?=//))"),
    "openai": re.compile(r"(?<![\w-])(?>[\w-]*?(?<![A-Za-z0-9])(?=sk-))", re.ASCII),
}
# How detect-secrets writes “= or : or blanks” in its patterns of assignments, and the same without
# its many ways to divide the blanks.
_ASSIGNED = r"(?: *)(?:=|:|:=|=>| +|::)(?: *)"
_ASSIGNED_ONCE = r"(?: {0,40}+(?:=>|:=|::|=|:|(?<= )) {0,40}+)"
# What no match of them is without.
_NEEDS = {
    "discord": ".",
    "jwt": "eyJ",
    "mailchimp": "-us",
    "npm": ":_authToken=",
    "openai": "T3BlbkFJ",
    "telegram": ":",
}

# What may still belong to a key after what its pattern asks for.
_REST = re.compile(r"[\w+/=-]*(?:\.[\w+/=-]{10,})*")
# What no key is without: 20 signs in one piece, an address with a password, a word for it.
_LONG_WORD = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_+/=-]{20}")
_PASSWORD_IN_ADDRESS = re.compile(r"://[^\s/:@]+:[^\s/:@]+@")
_PASSWORDS = ("passw", "contraseña", "senha")


@dataclass(frozen=True)
class Entity:
    """One piece of personal data, or one key, at text[start:end]."""

    kind: str
    start: int
    end: int
    is_key: bool = False


@dataclass(frozen=True)
class _Pattern:
    """One kind of key: what it looks like, what else must be true of it, and where it can begin.

    needs: what a text must hold for a match.
    starts: finds the places from which a match is tried; without it, all are.
    """

    kind: str
    pattern: re.Pattern[str]
    is_genuine: Callable[[str], bool] = bool
    needs: str = ""
    starts: re.Pattern[str] | None = None

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """All matches in a text, none within another."""
        if self.needs not in text:
            return
        if self.starts is None:
            yield from self.pattern.finditer(text)
            return
        end = 0
        for start in self.starts.finditer(text):
            if start.end() >= end and (match := self.pattern.match(text, start.end())):
                end = match.end()
                yield match


def may_hold_key(text: str) -> bool:
    """A first look, which most texts end with."""
    if max(map(len, text.split()), default=0) >= 20 and _LONG_WORD.search(text):
        return True
    if ":" in text or "=" in text:
        small = text.lower()
        if any(word in small for word in _PASSWORDS):
            return True
        return "://" in text and bool(_PASSWORD_IN_ADDRESS.search(text))
    return "PRIVATE KEY" in text or "PuTTY-User" in text


def find(text: str) -> Iterator[Entity]:
    """The keys in a text, those of one kind after those of another; they may overlap."""
    if not may_hold_key(text):
        return
    text = inline_data.blanked(text)
    for key in _patterns():
        end = 0
        for match in key.matches(text):
            start = match.start()
            # Not a piece of a longer word, nor of the key before it.
            within = start and text[start].isalnum() and text[start - 1].isalnum()
            if within or match.end() <= end or not key.is_genuine(match.group()):
                continue
            rest = _REST.match(text, match.end())
            end = rest.end() if rest else match.end()
            yield Entity(key.kind, start, end, is_key=True)


@cache
def _patterns() -> list[_Pattern]:
    """Our own keys and detect-secrets'."""
    from detect_secrets.plugins.base import RegexBasedDetector  # here: it brings requests

    patterns = [_Pattern(kind, pattern) for kind, pattern in OWN_KEYS.items()]
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
                for pattern in detector.denylist:
                    once = pattern.pattern.replace(_ASSIGNED, _ASSIGNED_ONCE)
                    patterns.append(
                        _Pattern(
                            str(detector.secret_type),
                            re.compile(once, pattern.flags),
                            is_genuine,
                            _NEEDS.get(name, ""),
                            _STARTS.get(name),
                        )
                    )
    return patterns


def hide(text: str) -> str:
    """The text with [key] in the place of keys: for what is shown of data."""
    parts, end = [], 0
    for key in sorted(find(text), key=lambda key: (key.start, -key.end)):
        if key.start >= end:
            parts += [text[end : key.start], "[key]"]
        end = max(end, key.end)
    return "".join([*parts, text[end:]])
