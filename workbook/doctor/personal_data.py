"""Personal data and keys in a text: where they are, and the text with a word in their place.

Knows patterns, not people: names are masked only when they are told. Phone numbers are judged by
`phonenumbers` (Google's rules for every country), keys by `detect-secrets` (Yelp's list of what
issuers publish) and by a few patterns of what it does not know; both libraries see only the texts
that a quick look finds suspicious. presidio-analyzer, which also knows names, would bring spaCy and
a model of its own: too much for a check that must see every row.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}")
_DIGITS = re.compile(r"\d(?:[\s().-]{0,2}\d){6,}")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
# Words near which a number without its +55 is somebody's, and how such numbers are written.
_CALL = re.compile(
    r"(?i)\b(?:phone|call|text me|mobile|cell|whats\s?app|tel|tel[eé]fono|m[oó]vil|"
    r"celular|ll[aá]m[ae]\w*|telefone|fone|lig(?:ue|a|ar|o)|zap)\b"
)
_WRITTEN = re.compile(
    r"(?<![\w/.-])(?:\(\d{2,3}\) ?|\d{2,3}[ .-])\d{2,5}[ .-]\d{2,4}"
    r"(?:[ .-]\d{2,4})?(?![\w/-])"
)
REGIONS = ("US", "MX", "ES", "BR", "GB")
"""Countries whose numbers are looked for near a word like “call”."""

OWN_SECRETS = {
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
class Found:
    """One piece of personal data, or one key, at text[start:end]."""

    kind: str
    start: int
    end: int
    secret: bool = False


def find(text: str, regions: Sequence[str | None] = (None,)) -> list[Found]:
    """E-mail addresses, phone numbers, card and account numbers, and keys, in their order.

    regions   countries ("BR", "ES") whose numbers are also found without their +55, +34
    """
    found = list(_find(text, regions))
    found.sort(key=lambda each: (each.start, -each.end))
    kept: list[Found] = []
    for each in found:
        if not kept or each.start >= kept[-1].end:
            kept.append(each)
    return kept


def _find(text: str, regions: Sequence[str | None]) -> Iterator[Found]:
    yield from _secrets(text)
    if "@" in text:
        for match in EMAIL.finditer(text):
            yield Found("e-mail", *match.span())
    if not _DIGITS.search(text):
        return
    for match in _CARD.finditer(text):
        if _luhn(match.group()):
            yield Found("card number", *match.span())
    for match in _IBAN.finditer(text):
        if _iban(match.group()):
            yield Found("bank account", *match.span())
    if "+" in text or any(regions):
        import phonenumbers  # here: large tables, needed by few texts

        for region in regions:
            for match in phonenumbers.PhoneNumberMatcher(text, region):
                yield Found("phone", match.start, match.end)
    if not any(regions) and _WRITTEN.search(text) and _CALL.search(text):
        yield from _national(text)


def _national(text: str) -> Iterator[Found]:
    """Numbers without their country's, written as phone numbers are, that some country has."""
    import phonenumbers

    for match in _WRITTEN.finditer(text):
        for region in REGIONS:
            try:
                number = phonenumbers.parse(match.group(), region)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number_for_region(number, region):
                yield Found("phone", *match.span())
                break


def _secrets(text: str) -> Iterator[Found]:
    if not _HINT.search(text):
        return
    for kind, pattern, genuine in _patterns():
        for match in pattern.finditer(text):
            start, end = match.span()
            within = start and text[start].isalnum() and text[start - 1].isalnum()
            if not within and genuine(match.group()):  # not a piece of a longer word
                yield Found(kind, start, _REST.match(text, end).end(), secret=True)


@cache
def _patterns() -> list[tuple[str, re.Pattern, Callable[[str], bool]]]:
    """(kind, pattern, what else must be true of a match) of our own keys and detect-secrets'."""
    from detect_secrets.plugins.base import RegexBasedDetector  # here: it brings requests

    found = [(kind, pattern, bool) for kind, pattern in OWN_SECRETS.items()]
    for name in _PLUGINS:
        module = import_module(f"detect_secrets.plugins.{name}")
        for plugin in vars(module).values():
            if (
                isinstance(plugin, type)
                and plugin.__module__ == module.__name__
                and issubclass(plugin, RegexBasedDetector)
            ):
                genuine = getattr(plugin, "is_formally_valid", bool)  # web tokens can be read
                found += [(plugin.secret_type, pattern, genuine) for pattern in plugin.denylist]
    return found


def mask(text: str, names: Iterable[str] = (), regions: Sequence[str | None] = (None,)) -> str:
    """The text with [e-mail], [phone], [key], … and [name] in the place of what was found."""
    parts, end = [], 0
    for each in find(text, regions):
        parts += [text[end : each.start], "[key]" if each.secret else f"[{each.kind}]"]
        end = each.end
    text, names = "".join([*parts, text[end:]]), list(names)
    # A whole name however it is written; a part of it ("Free" of "Free Wheel Workshop") only with
    # its capital, as it may be a word, too.
    whole = {name for name in names if any(map(str.isalpha, name))}
    part = {
        form
        for name in whole
        for word in name.split()
        if len(word) > 2
        for form in (word, word.upper())
        if word[0].isupper()
    }
    wanted = [f"(?i:{re.escape(name)})" for name in sorted(whole, key=len, reverse=True)]
    wanted += [re.escape(word) for word in sorted(part, key=len, reverse=True)]
    if wanted:
        text = re.sub(rf"(?<!\w)@?(?:{'|'.join(wanted)})(?!\w)", "[name]", text)
        text = re.sub(r"\[name\](?: \[name\])+", "[name]", text)
    return text


def hide(text: str) -> str:
    """The text with [key] in the place of keys: for what is shown of data."""
    parts, end = [], 0
    for each in sorted(_secrets(text), key=lambda each: (each.start, -each.end)):
        if each.start >= end:
            parts += [text[end : each.start], "[key]"]
        end = max(end, each.end)
    return "".join([*parts, text[end:]])


def _luhn(number: str) -> bool:
    """The check digit that every payment card has (ISO/IEC 7812)."""
    digits = [int(sign) for sign in number if sign.isdigit() and sign.isascii()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban(number: str) -> bool:
    """The check digits of an account number (ISO 13616: modulo 97)."""
    plain = number.replace(" ", "")
    try:
        return (
            15 <= len(plain) <= 34
            and int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1
        )
    except ValueError:
        return False
