"""People's names in a text, where they are names: “At nine, Will.”, not “I will come”.

A name that is a word, too, is taken for the name only where somebody is spoken to or of beyond
doubt: after a greeting, between a comma and the sentence's end, with an @, or whole with its other
parts. Words are those of a list, and those that the other texts write small. Knows no people but
those that it is told of.
"""

import re
from collections.abc import Iterable

_LIST = """
    abril agosto alba alma amor amparo angel april art august aurora autumn baby baker bank bar
    bear bella ben berry bill bird blanca blanche blue bob boss brook buck bud cafe café candy
    carol casa cat chance charity chase cherry chip christian claire clara cliff club coach
    consuelo cook cooper cruz daisy dale dawn dean december destiny deutsch dolores don dot drew
    du duke dusty earl earth ela ele ella ellen england er esperanza essen estrella eu eva eve
    faith fe felix flor flora florence fox franco frank free friday garden gene ginger glen
    gloria god grace grant gray green grey guy hall happy harmony harry haven hazel heath
    heather hill holly home honey hope house hunter i ich ihr ik ines io iris ivy jack jade jay
    je jean jewel jij josh joy juan juin juli julia julio june juni junior justice king kitchen
    lake lance lane laurel lea liberty lily linda lion loja london long love lucky luna luz
    madonna maggie mai mama mar march margarita marina mark market mars mason max may mayo me
    melody mercedes mercy merry miel miles misty moi mom monday mum my nevada nieves noi norm
    nous office olive olivia oscar otto page papa paris pat patience paz pearl penny pepper
    pilar piper poppy prince princess queen rain raven ray red reina reis rey rich ridge river
    rob robin rocky rod roman romeo room rosa rosario rose ross royal ruby rusty saint sally
    salvador sandy santa school scout sen september serena shop sie sierra silver sky snow sol
    soledad sonne sophia spring star stella stern stone store storm sue sugar summer sun sunday
    sunny tea teacher team terry tienda toi tom tony trinity tu tú usted van victor victoria
    vida viola violet violeta virginia vivian você voi vous wade ward we wednesday west white
    wij will winter wir wolf wood work yo you young él ön вера любовь может надежда роза роман
    أمل حب سلام نور ورد आशा किरण ज्योति पूजा प्रेम शांति 光 冬 夏 希望 愛 春 月 爱 秋 美 花
"""
_WORDS = frozenset(_LIST.split())
_GREETINGS = (
    r"hi|hello|hey|dear|thanks|thank you|thx|bye|goodbye|good (?:morning|evening|night)|hola|oye|"
    r"gracias|querid[oa]|adi[oó]s|buen[oa]s (?:d[ií]as|tardes|noches)|oi|olá|obrigad[oa]|bom dia|"
    r"boa (?:tarde|noite)|tchau|bonjour|salut|coucou|merci|bonsoir|chère?|hallo|liebe[r]?|danke|"
    r"guten (?:tag|morgen|abend)|tschüss|ciao|grazie|buongiorno|buonasera|cara|caro|hoi|dank je|"
    r"bedankt|merhaba|selam|teşekkürler|привет|спасибо|здравствуйте|mr|mrs|ms|miss|dr|sr|sra|herr|"
    r"frau"
)
_LETTER = r"[^\W\d_]"


class NameMask:
    """Puts [name] in the place of names.

    names: as senders are called.
    texts: others in which the names occur: a name that they write small is a word, too.
    """

    def __init__(self, names: Iterable[str], texts: Iterable[str] = ()) -> None:
        whole = {name.strip() for name in names if any(map(str.isalpha, name))}
        parts = {
            word
            for name in whole
            for word in re.findall(rf"{_LETTER}[\w'’-]*", name)
            if len(word) > 2 and (word[0].isupper() or not word[0].isascii())
        }
        singles = {name for name in whole if not re.search(r"\s", name)}
        words = {name for name in singles | parts if name.lower() in _WORDS}
        words |= _written_small((singles | parts) - words, texts)
        several = whole - singles
        # A whole name of several words in any case, unless all of them are words; one that is
        # nobody's word in any case, too; its parts with their capitals, as they may be words.
        sure = {name for name in several if not _all_in(name, words)} | (singles - words)
        capital = (several - sure) | (parts - words - singles)
        self._sure = _any_of(
            [
                *(f"(?i:{_pattern(name)})" for name in _longest_first(sure)),
                *map(_pattern, _longest_first({*capital, *map(str.upper, capital)})),
            ]
        )
        forms = {form for word in words for form in (word, word.capitalize(), word.upper())}
        word = f"(?:{'|'.join(map(re.escape, _longest_first(forms)))})"
        self._spoken_to = (
            re.compile(
                rf"(?<!\w)@(?i:{word})(?!\w)|"
                rf"(?<=, ){word}(?=\s*(?:[,.!?;)…\n]|$))|"
                rf"(?:(?<=^)|(?<=\n)|(?<=[.!?¡¿] )|(?<=[¡¿])){word}(?=\s*[,:!](?:\s|$))|"
                rf"(?<!\w)((?i:{_GREETINGS})[,.]? ){word}(?=\s*(?:[,.!?:;)…\n]|$))"
            )
            if words
            else None
        )

    def __call__(self, text: str) -> str:
        """The text with [name] for every name."""
        if self._sure:
            text = self._sure.sub("[name]", text)
        if self._spoken_to:
            text = self._spoken_to.sub(lambda match: f"{match[1] or ''}[name]", text)
        return re.sub(r"\[name\](?: \[name\])+", "[name]", text)


def _any_of(patterns: list[str]) -> re.Pattern[str] | None:
    return re.compile(rf"@?(?:{'|'.join(patterns)})") if patterns else None


def _pattern(name: str) -> str:
    """The name as a word by itself; in Chinese and Japanese no blank stands around words."""
    start = "" if _is_unspaced(name[0]) else r"(?<!\w)"
    # In Korean, particles follow a name without a blank.
    is_followed = _is_unspaced(name[-1]) or "가" <= name[-1] <= "힣"
    return rf"{start}{re.escape(name)}" + ("" if is_followed else r"(?!\w)")


def _is_unspaced(sign: str) -> bool:
    return "\u2e80" <= sign <= "\ua4cf" or "\uf900" <= sign <= "\ufaff"


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (-len(name), name))


def _all_in(name: str, words: set[str]) -> bool:
    return all(word in words or word.lower() in _WORDS for word in re.findall(r"\w+", name))


def _written_small(names: set[str], texts: Iterable[str]) -> set[str]:
    """Those of the names that the texts write small after an article: then they are words."""
    small = {name.lower(): name for name in names if name[:1].isupper()}
    if not small:
        return set()
    pattern = re.compile(
        r"\b(?:the|a|an|my|your|our|this|that|no|some|el|la|los|las|un|una|mi|tu|o|os|as|um|uma|le|"
        rf"les|une|il|lo|het|een|de) ({'|'.join(map(re.escape, small))})\b"
    )
    return {small[word] for text in texts for word in pattern.findall(text)}
