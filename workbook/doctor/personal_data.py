"""Personal data and keys in a text: where they are, and the text with a word in their place.

Knows patterns, not people: names are masked only when they are told. Phone numbers are judged by
`phonenumbers` (Google's rules for every country), check digits by `python-stdnum`; keys are looked
for in `secret_keys`. The libraries see only the texts that a quick look finds suspicious.
presidio-analyzer, which also knows names, would bring spaCy and a model of its own: too much for a
check that must see every row.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from stdnum import luhn
from stdnum.iso7064 import mod_97_10

from workbook.doctor import inline_data, secret_keys
from workbook.doctor.names import NameMask
from workbook.doctor.secret_keys import Entity

_AT_HOST = re.compile(r"@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}")
_XOBLIAM = re.compile(r"[\w.+-]{1,64}")  # what stands before the @, read backwards
_DIGITS = re.compile(r"\d(?:[\s().-]{0,2}\d){6,}")
_CARD = re.compile(r"(?<!\+)\b\d(?:[ -]?\d){12,18}\b")
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
# Written as a number of another country is: WhatsApp shows some that no country has any more.
_ABROAD = re.compile(r"(?<![\w+])\+\d{1,3}[ -]\(?\d(?:[ ()-]{0,2}\d){6,12}(?!\w|[./]\d)")
REGIONS = ("US", "MX", "ES", "BR", "GB")
"""Countries whose numbers are looked for near a word like “call”."""
_TRIES = 2_000  # numbers of one text that are no phone's, after which no more are asked about
_PIECE = 20_000  # characters; longer texts are searched piece by piece
_WITH_PHONES = 10 * _PIECE  # characters in which phone numbers are looked for, which takes longest


def find(
    text: str, regions: Sequence[str | None] = (None,), with_phones: bool = True
) -> list[Entity]:
    """E-mail addresses, phone numbers, card and account numbers, and keys, in their order.

    regions: countries ("BR", "ES") whose numbers are also found without their +55, +34.
    """
    entities = sorted(
        _find(text, regions, with_phones), key=lambda entity: (entity.start, -entity.end)
    )
    apart: list[Entity] = []
    for entity in entities:
        if not apart or entity.start >= apart[-1].end:
            apart.append(entity)
    return apart


def may_hold(text: str) -> bool:
    """A first look, which most texts end with."""
    return "@" in text or bool(_DIGITS.search(text)) or secret_keys.may_hold_key(text)


def first_of_each(text: str) -> Iterator[Entity]:
    """The first piece of personal data, and the first key: all that a report says of a text.

    A long text is searched in pieces that end between words, up to where both are found; phone
    numbers are looked for in its first 200,000 characters.
    """
    if not may_hold(text):
        return
    kinds: set[bool] = set()
    start = 0
    while start < len(text) and len(kinds) < 2:
        end = start + _PIECE
        if end < len(text):
            end = max(text.rfind("\n", start + 1, end), text.rfind(" ", start + 1, end)) + 1 or end
        for entity in find(text[start:end], with_phones=start < _WITH_PHONES):
            if entity.is_key not in kinds:
                kinds.add(entity.is_key)
                yield replace(entity, start=entity.start + start, end=entity.end + start)
        start = end


def _find(text: str, regions: Sequence[str | None], with_phones: bool) -> Iterator[Entity]:
    yield from secret_keys.find(text)
    text = inline_data.blanked(text)
    if "@" in text:
        yield from _addresses(text)
    if not _DIGITS.search(text):
        return
    for match in _CARD.finditer(text):
        if _is_card(match.group()):
            yield Entity("card number", *match.span())
    for match in _IBAN.finditer(text):
        if _is_iban(match.group()):
            yield Entity("bank account", *match.span())
    if not with_phones:
        return
    for match in _ABROAD.finditer(text) if "+" in text else ():
        yield Entity("phone", *match.span())
    if "+" in text or any(regions):
        import phonenumbers  # here: large tables, needed by few texts

        for region in regions:
            for number in phonenumbers.PhoneNumberMatcher(text, region, max_tries=_TRIES):
                yield Entity("phone", number.start, number.end)
    if not any(regions) and _WRITTEN.search(text) and _CALL.search(text):
        yield from _national(text)


def _addresses(text: str) -> Iterator[Entity]:
    """E-mail addresses, looked for from their @: before it every letter could begin one."""
    end = 0
    for host in _AT_HOST.finditer(text):
        before = text[max(end, host.start() - 64) : host.start()]
        if mailbox := _XOBLIAM.match(before[::-1]):
            end = host.end()
            yield Entity("e-mail", host.start() - mailbox.end(), end)


def _national(text: str) -> Iterator[Entity]:
    """Numbers without their country's, written as phone numbers are, that some country has."""
    import phonenumbers

    for match in islice(_WRITTEN.finditer(text), _TRIES):
        for region in REGIONS:
            try:
                number = phonenumbers.parse(match.group(), region)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number_for_region(number, region):
                yield Entity("phone", *match.span())
                break


def mask(
    text: str,
    names: Iterable[str] | NameMask = (),
    regions: Sequence[str | None] = (None,),
) -> str:
    """The text with [e-mail], [phone], [key], … and [name] in the place of what was found."""
    mask_names = names if isinstance(names, NameMask) else NameMask(names)
    parts, end = [], 0
    for entity in find(text, regions):
        word = "[key]" if entity.is_key else f"[{entity.kind}]"
        parts += [text[end : entity.start], word]
        end = entity.end
    return mask_names("".join([*parts, text[end:]]))


def _is_card(number: str) -> bool:
    """Whether it has the check digit that every payment card has (ISO/IEC 7812)."""
    digits = "".join(sign for sign in number if sign.isdigit() and sign.isascii())
    return len(set(digits)) > 1 and luhn.is_valid(digits)


def _is_iban(number: str) -> bool:
    """Whether it has the check digits of an account number (ISO 13616: modulo 97).

    `stdnum.iban` would also ask for a country of SWIFT's registry, in which Angola, Mozambique and
    twenty others are missing.
    """
    plain = number.replace(" ", "")
    return 15 <= len(plain) <= 34 and mod_97_10.is_valid(plain[4:] + plain[:4])
