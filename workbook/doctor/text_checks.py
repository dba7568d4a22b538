"""What is said in an example: placeholders, odd characters, personal data, keys, refusals, harm.

Looks at texts only; which text is whose stands in `workbook.doctor.row_checks`. All of it is done
offline, by patterns: it finds what is plain to see, and a clean result is no proof. Most texts hold
nothing of all this, so that words without which no pattern can match are looked for first.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workbook.doctor import damaged_text, personal_data
from workbook.doctor.lines import Problem


@dataclass(frozen=True)
class _Check:
    """What to look for; it is not there where the text, in small letters, has none of the words."""

    code: str
    message: str
    pattern: re.Pattern[str]
    words: tuple[str, ...]


_OF_SIGNS = (
    _Check(
        "special-token",
        "a special token of the model is written out",
        re.compile(
            r"<\|(?:endoftext|im_start|im_end|im_sep|endofprompt|fim_\w+|start|end|"
            r"message|channel)\|>"
        ),
        ("<|",),
    ),
    _Check(
        "template-mark",
        "a mark of a chat template is written out",
        re.compile(
            r"<\|(?!endoftext|im_|endofprompt|fim_|(?:start|end|message|channel)\|)"
            r"[a-z][\w.-]{1,30}\|>|"
            r"<｜[^<>｜\n]{1,30}｜>|\[/?INST\]|<</?SYS>>|"
            r"\A\s*<s>|</s>\s*\Z|<s>\s*\[INST|<(?:start|end)_of_(?:turn|image)>|"
            r"<(?:bos|eos|pad|unk)>|"
            r"</?(?:think|thinking|tool_call|tool_response|reasoning)>|"
            r"\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]|"
            r"(?m:^### (?:Instruction|Response|Input|Human|Assistant):)"
        ),
        ("<|", "<｜", "inst]", "sys>>", "s>", "_of_", "os>", "pad>", "unk>", "think", "tool_",
         "reasoning>", "system_prompt", "### "),
    ),
    _Check(
        "html-entities",
        "HTML entities stand in the text",
        damaged_text.ENTITY,
        ("&",),
    ),
)  # fmt: skip
_OF_WORDS = (
    _Check(
        "placeholder",
        "a placeholder was left",
        re.compile(
            r"\b(?:TODO|FIXME|TBD|XXX+)\b|(?i:lorem ipsum)|\{\{[^{}\n]{0,40}\}\}|"
            r"(?i:[\[<](?:insert|your|fill in|inserte?|seu|sua|tu|su)\b[^\]>\n]{0,40}[\]>])"
        ),
        ("todo", "fixme", "tbd", "xxx", "lorem ipsum", "{{", "[", "<"),
    ),
    _Check(
        "harmful-words",
        "words that moderation may refuse",
        # A first sieve, not a judgement: the service's own moderation decides. Word forms that are
        # seldom harmless, by the categories that vendors publish.
        re.compile(
            r"(?i)\b(?:kill (?:yourself|myself|him|her|them)|suicidarme|me matar|"
            r"how to make a bomb|pipe bomb|child porn\w*|gas the \w+|heil hitler|"
            r"behead(?:ing)? (?:him|her|them)|rape (?:him|her|them|you)|cut myself|"
            r"self[- ]harm instructions)\b"
        ),
        ("kill ", "suicid", "me matar", "bomb", "child porn", "gas the", "hitler", "behead",
         "rape ", "cut myself", "harm instr"),
    ),
)  # fmt: skip
_SIGNS = "<[&#"  # no match of `_OF_SIGNS` is without one
_FIRST_WORDS = tuple(word for check in _OF_WORDS for word in check.words if word not in _SIGNS)
_NOTHING_SAID = frozenset(
    ("n/a", "na", "none", "null", "nan", "undefined", "answer here", "...", "…")
)
_REFUSAL = re.compile(
    r"(?i)\W*(?:(?:i(?:['’]m| am) (?:very |really )?sorry|sorry|apologies|lo siento|"
    r"sinto muito|desculpe)\b.{0,60}\b(?:can(?:no|['’])?t|unable|not able|no puedo|não posso)|"
    r"i (?:cannot|can['’]t|am unable to|['’]m unable to|am not able to|won['’]t be able to) "
    r"(?:help|assist|provide|fulfil|comply|answer|do that|discuss|generate|create)|"
    r"as an ai(?: language)? model|como (?:un )?modelo de lenguaje|"
    r"como (?:um )?modelo de linguagem|no puedo ayudar|não posso ajudar)"
)


def check(text: str) -> Iterator[Problem]:
    """Each kind of thing that a text should not hold, once."""
    for find in (_find_words, _find_damage, _find_personal_data):
        yield from find(text)


def checks_of(texts: Sequence[str]) -> list[Callable[[str], Iterator[Problem]]]:
    """Those parts of `check` that can find a thing in one of these texts, by a first look at all of
    them together: most often none."""
    together = " ".join(texts)
    small = together.lower()
    checks: list[tuple[bool, Callable[[str], Iterator[Problem]]]] = [
        (
            any(sign in together for sign in _SIGNS)
            or any(map(small.__contains__, _FIRST_WORDS))
            or any(map(_says_nothing, texts)),
            _find_words,
        ),
        (damaged_text.may_be_damaged(together), _find_damage),
        (personal_data.may_hold(together), _find_personal_data),
    ]
    return [find for is_needed, find in checks if is_needed]


def _find_words(text: str) -> Iterator[Problem]:
    """What nobody should say, or should have left."""
    small = text.lower()
    if _says_nothing(text):
        yield "placeholder", "a placeholder was left", text
    has_sign = any(sign in text for sign in _SIGNS)
    for check in (*_OF_WORDS, *_OF_SIGNS) if has_sign else _OF_WORDS:
        for word in check.words:
            if word in small:
                if match := check.pattern.search(text):
                    yield check.code, check.message, _around(text, *match.span())
                break


def _says_nothing(text: str) -> bool:
    """Whether it is what programs and forms write where nobody has said a thing."""
    return (len(text) < 40 or text[:1].isspace()) and text.strip().lower() in _NOTHING_SAID


def _find_damage(text: str) -> Iterator[Problem]:
    for code, message, span in damaged_text.check(text):
        yield code, message, _around(text, *span)


def _find_personal_data(text: str) -> Iterator[Problem]:
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
    return bool(_REFUSAL.match(answer[:200]))


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
_LANGUAGES: dict[str, list[str]] = {}  # by word
for _name, _words in _COMMON.items():
    for _word in dict.fromkeys(_words.split()):
        _LANGUAGES.setdefault(_word, []).append(_name)
_LETTERS = re.compile(r"[^\W\d_]+")


def language(text: str) -> str | None:
    """The language whose commonest words a text holds; None where that isn't plain."""
    words = _LETTERS.findall(text[:400].lower())
    counts = dict.fromkeys(_COMMON, 0)
    for word in words:
        for name in _LANGUAGES.get(word, ()):
            counts[name] += 1
    (best, name), (second, _) = sorted(((n, name) for name, n in counts.items()), reverse=True)[:2]
    return name if best >= 3 and best >= 0.2 * len(words) and best > second else None
