"""What is said in an example: placeholders, odd characters, personal data, keys, refusals, harm.

Looks at texts only; which text is whose stands in `workbook.doctor.row_checks`. All of it is done
offline, by patterns: it finds what is plain to see, and a clean result is no proof.
"""

import re
from collections.abc import Iterator

from workbook.doctor import personal_data
from workbook.doctor.lines import Problem

_PLACEHOLDER = re.compile(
    r"\b(?:TODO|FIXME|TBD|XXX+)\b|(?i:lorem ipsum)|\{\{[^{}\n]{0,40}\}\}|"
    r"(?i:[\[<](?:insert|your|fill in|inserte?|seu|sua|tu|su)\b[^\]>\n]{0,40}[\]>])|"
    r"(?i:^\s*(?:n/?a|none|null|nan|undefined|answer here|\.\.\.|…)\s*$)"
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2028\u2029\ufeff"
    r"\u202a-\u202e\u2066-\u2069]"
)
# A letter that was written as UTF-8 and read as Latin-1 or Windows-1252: "Ã©", "â€™".
_MOJIBAKE = re.compile("\ufffd|Ã[\x80-\xbf\u0192\u2018-\u203a©³¡±ª§­º¼½]|â€[\x80-\xbf™œ\x9d˜“”¦]")
_SPECIAL = re.compile(
    r"<\|(?:endoftext|im_start|im_end|im_sep|endofprompt|fim_\w+|start|end|"
    r"message|channel)\|>"
)
_REFUSAL = re.compile(
    r"(?i)^\W*(?:(?:i(?:['’]m| am) (?:very |really )?sorry|sorry|apologies|lo siento|"
    r"sinto muito|desculpe)\b.{0,60}\b(?:can(?:no|['’])?t|unable|not able|no puedo|não posso)|"
    r"i (?:cannot|can['’]t|am unable to|['’]m unable to|am not able to|won['’]t be able to) "
    r"(?:help|assist|provide|fulfil|comply|answer|do that|discuss|generate|create)|"
    r"as an ai(?: language)? model|como (?:un )?modelo de lenguaje|"
    r"como (?:um )?modelo de linguagem|no puedo ayudar|não posso ajudar)"
)
# A first sieve, not a judgement: the service's own moderation decides. Word forms that are
# seldom harmless, by the categories that vendors publish.
_HARM = re.compile(
    r"(?i)\b(?:kill (?:yourself|myself|him|her|them)|suicidarme|me matar|how to make a bomb|"
    r"pipe bomb|child porn\w*|gas the \w+|heil hitler|behead(?:ing)? (?:him|her|them)|"
    r"rape (?:him|her|them|you)|cut myself|self[- ]harm instructions)\b"
)


def check(text: str) -> Iterator[Problem]:
    """Each kind of thing that a text should not hold, once."""
    for code, pattern, message in (
        ("placeholder", _PLACEHOLDER, "a placeholder was left"),
        ("control-character", _CONTROL, "an invisible control character"),
        ("wrong-characters", _MOJIBAKE, "letters that were read in the wrong encoding"),
        ("special-token", _SPECIAL, "a special token of the model is written out"),
        ("harmful-words", _HARM, "words that moderation may refuse"),
    ):
        if match := pattern.search(text):
            yield code, message, _around(text, *match.span())
    for entity in personal_data.first_of_each(text):
        if entity.is_key:
            # Never the key itself: a report is shown, copied and stored.
            start = text[entity.start : entity.start + 4]
            yield "secret", f"looks like a key ({entity.kind})", f"{start}…"
        else:
            value = _around(text, entity.start, entity.end)
            yield "personal-data", f"{entity.kind} in the text", value


def refuses(answer: str) -> bool:
    """Whether an answer begins as refusals do, in English, Spanish or Portuguese."""
    return bool(_REFUSAL.search(answer[:200]))


def without_controls(text: str) -> str:
    """The text without invisible control characters."""
    return _CONTROL.sub("", text)


def _around(text: str, start: int, end: int) -> str:
    return text[max(0, start - 15) : end + 15]


_COMMON = {
    "English": "the and is are was were of to in that it you for with this have not what how",
    "Spanish": "el los las es son que de en una por con para no está como qué pero más muy del",
    "Portuguese": "o os as é são que de em uma por com para não está como mas mais muito do você",
    "French": "le les des est sont que de et une pour avec dans pas vous nous ce qui mais très du",
    "German": "der die das ist sind und nicht ein eine mit für von zu auf wie was ich sie es auch",
    "Italian": "il gli le è sono che di e una per con non come cosa ma più molto del della questo",
}
_WORDS = {language: set(words.split()) for language, words in _COMMON.items()}


def language(text: str) -> str | None:
    """The language whose commonest words a text holds; None where that isn't plain."""
    words = re.findall(r"[^\W\d_]+", text[:400].lower())
    scores = sorted(
        ((sum(word in common for word in words), name) for name, common in _WORDS.items()),
        reverse=True,
    )
    (best, name), (second, _) = scores[:2]
    return name if best >= 3 and best >= 0.2 * len(words) and best > second else None
