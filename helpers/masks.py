"""Personal data and keys in a text: where they are, and the text with a word in their place.

Knows patterns, not people: names are masked only when they are told. Phone numbers are judged by
`phonenumbers` (Google's rules for every country); keys by the forms their issuers publish.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}")
_DIGITS = re.compile(r"\d(?:[\s().-]{0,2}\d){6,}")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")

# Documented prefixes of keys; each pattern is long enough not to meet ordinary words.
SECRETS = {
    "OpenAI key": r"\bsk-(?:proj-|svcacct-|ant-)?[A-Za-z0-9_-]{20,}",
    "AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    "Google key": r"\bAIza[A-Za-z0-9_-]{35}",
    "Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "Stripe key": r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "password": r"(?i)\b(?:password|passwd|contraseña|senha)\s*[:=]\s*[^\s,;]{6,}",
}
_SECRET = re.compile("|".join(f"(?P<k{n}>{pattern.removeprefix('(?i)')})"
                              if not pattern.startswith("(?i)")
                              else f"(?P<k{n}>(?i:{pattern.removeprefix('(?i)')}))"
                              for n, pattern in enumerate(SECRETS.values())))
_KINDS = list(SECRETS)
# A key's first letters, looked for before its whole pattern is.
_HINT = re.compile(r"sk-|AKIA|ASIA|gh[pousr]_|github_pat_|AIza|xox|hf_|[sr]k_|-----BEGIN|eyJ|"
                   r"(?i:passw|contraseña|senha)")


@dataclass(frozen=True)
class Found:
    """One piece of personal data, or one key, at text[start:end]."""

    kind: str
    start: int
    end: int

    @property
    def secret(self) -> bool:
        return self.kind in SECRETS


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
    if _HINT.search(text):
        for match in _SECRET.finditer(text):
            yield Found(_KINDS[int(match.lastgroup[1:])], *match.span())
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


def mask(text: str, names: Iterable[str] = (), regions: Sequence[str | None] = (None,)) -> str:
    """The text with [e-mail], [phone], [key], … and [name] in the place of what was found."""
    parts, end = [], 0
    for each in find(text, regions):
        parts += [text[end:each.start], "[key]" if each.secret else f"[{each.kind}]"]
        end = each.end
    text, names = "".join([*parts, text[end:]]), list(names)
    # A whole name however it is written; a part of it ("Free" of "Free Wheel Workshop") only with
    # its capital, as it may be a word, too.
    whole = {name for name in names if any(map(str.isalpha, name))}
    part = {form for name in whole for word in name.split() if len(word) > 2
            for form in (word, word.upper()) if word[0].isupper()}
    wanted = [f"(?i:{re.escape(name)})" for name in sorted(whole, key=len, reverse=True)]
    wanted += [re.escape(word) for word in sorted(part, key=len, reverse=True)]
    if wanted:
        text = re.sub(rf"(?<!\w)@?(?:{'|'.join(wanted)})(?!\w)", "[name]", text)
        text = re.sub(r"\[name\](?: \[name\])+", "[name]", text)
    return text


def hide(text: str) -> str:
    """The text with [key] in the place of keys: for what is shown of data."""
    return _SECRET.sub("[key]", text) if _HINT.search(text) else text


def _luhn(number: str) -> bool:
    """The check digit that every payment card has (ISO/IEC 7812)."""
    digits = [int(sign) for sign in number if sign.isdigit() and sign.isascii()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban(number: str) -> bool:
    """The check digits of an account number (ISO 13616: modulo 97)."""
    plain = number.replace(" ", "")
    try:
        return 15 <= len(plain) <= 34 and int(
            "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1
    except ValueError:
        return False
