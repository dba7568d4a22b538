"""A chat exported from WhatsApp as training examples.

Reads what the Android and the iOS app write (“Export chat”, without media): 12- and 24-hour clocks,
every order of day, month and year, and the apps' own lines in English, Spanish and Portuguese.
One side becomes the assistant; names, phones, addresses and keys are masked. Knows no files.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from workbook.doctor import personal_data
from workbook.doctor.lines import Problem

GAP_HOURS = 6.0
"""A pause from which the next message starts a new conversation."""

_REGIONS = (None, "BR", "ES", "MX", "US")  # whose phone numbers are masked, also without their +55
_DATE = r"(?P<d1>\d{1,4})[./-](?P<d2>\d{1,2})[./-](?P<d3>\d{2,4})"
_TIME = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
    r"(?:\s?(?P<half>[AaPp]\.?\s?[Mm]\.?))?"
)
_ANDROID = re.compile(rf"^{_DATE},?\s+{_TIME}\s+[-–]\s+(?P<rest>.*)$", re.DOTALL)
_IOS = re.compile(rf"^\[{_DATE},?\s+{_TIME}\]\s+(?P<rest>.*)$", re.DOTALL)
# Marks of writing direction stand before lines and names; narrow spaces before AM and PM.
_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SPACES = str.maketrans("\u202f\u00a0", "  ")

_MEDIA = re.compile(
    r"(?i)^<(?:media omitted|multimedia omitido|archivo omitido|mídia oculta|mídia omitida|"
    r"arquivo de mídia oculto|attached: .*|adjunto: .*|anexado: .*)>$|"
    r"^(?:image|video|audio|gif|sticker|document|contact card|imagen|imagem|vídeo|áudio|"
    r"documento|tarjeta de contacto|cartão do contato|figurinha|.{1,80}\.\w{2,4})\s"
    r"(?:omitted|omitid[oa]|ocult[oa]|ocultad[oa])$|"
    r".{1,80}\.\w{2,5} \((?:file attached|archivo adjunto|arquivo anexado)\)$"
)
_SYSTEM = re.compile(
    r"(?i)end-to-end encrypted|cifrados? de extremo a extremo|"
    r"(?:criptografia|criptografadas|protegidas com a criptografia) de ponta a ponta|"
    r"security code .*changed|c[oó]digo de (?:seguridad|segurança) .*(?:cambi|mud)|"
    r"^(?:this message was deleted|you deleted this message|se eliminó este mensaje|"
    r"eliminaste este mensaje|este mensaje fue eliminado|esta mensagem foi apagada|"
    r"mensagem apagada|você apagou esta mensagem|null)\.?$|"
    r"^(?:missed (?:voice|video) call|llamada(?: de voz| de vídeo| de video)? perdida|"
    r"videollamada perdida|chamada de (?:voz|vídeo) perdida|"
    r"waiting for this message.*|esperando (?:el|este) mensaje.*|aguardando mensagem.*)\.?$"
)
_EDITED = re.compile(
    r"(?i)\s*<(?:this message was edited|se editó este mensaje\.?|"
    r"mensaje editado|mensagem editada)>\s*$"
)


@dataclass(frozen=True)
class Message:
    """What one person wrote, without what the app adds."""

    line: int
    time: datetime | None
    sender: str
    text: str


@dataclass
class Chat:
    """A parsed export."""

    messages: list[Message] = field(default_factory=list)
    layout: str = "Android"
    date_order: str = "dmy"
    certain: bool = True
    """Whether some date shows which number is the day."""
    media: int = 0
    system: int = 0

    @property
    def senders(self) -> dict[str, int]:
        """How many messages each person wrote, most first."""
        return dict(Counter(message.sender for message in self.messages).most_common())

    @property
    def problems(self) -> list[Problem]:
        """What a reader of the report should know."""
        problems: list[Problem] = []
        omissions = [
            f"{count} {name}"
            for count, name in ((self.media, "media"), (self.system, "lines of the app"))
            if count
        ]
        if omissions:
            problems.append(("lost-value", f"left out: {', '.join(omissions)}", ""))
        if not self.certain:
            message = (
                f"no date shows whether the day or the month comes first; read as {self.date_order}"
            )
            problems.append(("lost-value", message, ""))
        return problems

    def examples(
        self,
        assistant: str | None = None,
        gap_hours: float = GAP_HOURS,
        mask: bool = True,
        system: str | None = None,
    ) -> Iterator[tuple[int, dict]]:
        """(line, example) for each conversation in which the other side asks and this one answers.

        assistant: whose words are learned; by default whoever wrote most answers (the one who
            doesn't write first).
        gap_hours: a pause of that length starts a new conversation.
        mask: whether [name], [phone], [e-mail], [key] stand in the place of what they were.
        system: a system message for every example.
        """
        assistant = assistant or self.answering()
        names = list(self.senders)
        for session in self._sessions(gap_hours):
            turns: list[tuple[str, list[str]]] = []
            start = session[0].line
            for message in session:
                role = "assistant" if message.sender == assistant else "user"
                if not turns and role == "assistant":
                    continue  # an answer to nothing
                if not turns:
                    start = message.line
                text = personal_data.mask(message.text, names, _REGIONS) if mask else message.text
                if turns and turns[-1][0] == role:
                    turns[-1][1].append(text)
                else:
                    turns.append((role, [text]))
            if turns and turns[-1][0] == "user":
                turns.pop()
            if turns:
                messages = [{"role": role, "content": "\n".join(texts)} for role, texts in turns]
                if system:
                    messages.insert(0, {"role": "system", "content": system})
                yield start, {"messages": messages}

    def answering(self) -> str | None:
        """The sender who opens the fewest conversations for the messages he wrote."""
        opened = Counter(session[0].sender for session in self._sessions(GAP_HOURS))
        return min(
            self.senders,
            key=lambda name: (opened[name] / self.senders[name], -self.senders[name]),
            default=None,
        )

    def _sessions(self, gap_hours: float) -> Iterator[list[Message]]:
        session: list[Message] = []
        for message in self.messages:
            before = session[-1].time if session else None
            if (
                session
                and before
                and message.time
                and message.time - before > timedelta(hours=gap_hours)
            ):
                yield session
                session = []
            session.append(message)
        if session:
            yield session


def recognise(text: str) -> bool:
    """Whether a text starts like an export: three headers (or all) in its first lines."""
    lines = [_clean(line) for line in text.splitlines()[:40] if line.strip()]
    headers = sum(bool(_header(line)) for line in lines)
    return bool(lines) and bool(_header(lines[0])) and headers >= min(3, len(lines))


def parse(lines: Iterable[str], date_order: str | None = None) -> Chat:
    """The messages of an export. Lines without a header belong to the message before them.

    date_order: "dmy", "mdy" or "ymd"; otherwise the dates decide: a number over 12 is a day, and
        the order in which time doesn't run backwards is right.
    """
    chat = Chat()
    entries: list[tuple[int, re.Match, str]] = []  # line, header, text with what follows it
    for number, line in enumerate(lines, start=1):
        line = _clean(line.rstrip("\r\n"))
        match = _header(line)
        if match:
            entries.append((number, match, match["rest"]))
        elif entries:
            start, header, text = entries[-1]
            entries[-1] = (start, header, f"{text}\n{line}")
    if entries and entries[0][1].re is _IOS:
        chat.layout = "iOS"
    chat.date_order, chat.certain = (
        (date_order, True) if date_order else _order([match for _, match, _ in entries])
    )
    for number, match, rest in entries:
        sender, colon, text = rest.partition(": ")
        if not colon and rest.endswith(":"):
            sender, colon, text = rest[:-1], ":", ""
        text = _EDITED.sub("", text).strip()
        if not colon or "\n" in sender or len(sender) > 80 or _SYSTEM.search(text):
            chat.system += 1
        elif _MEDIA.match(text):
            chat.media += 1
        elif text:
            chat.messages.append(
                Message(number, _time(match, chat.date_order), sender.strip(), text)
            )
    return chat


def _clean(line: str) -> str:
    return _MARKS.sub("", line).translate(_SPACES)


def _header(line: str) -> re.Match | None:
    return (_IOS if line.startswith("[") else _ANDROID).match(line)


def _order(matches: list[re.Match]) -> tuple[str, bool]:
    """(order, whether the dates prove it)."""
    numbers = [tuple(int(match[name]) for name in ("d1", "d2", "d3")) for match in matches]
    if any(first > 31 for first, _, _ in numbers):
        return "ymd", True
    if any(first > 12 for first, _, _ in numbers):
        return "dmy", True
    if any(second > 12 for _, second, _ in numbers):
        return "mdy", True
    backwards = {order: _steps_back(matches, order) for order in ("dmy", "mdy")}
    best = min(backwards, key=lambda order: backwards[order])
    return best, backwards["dmy"] != backwards["mdy"]


def _steps_back(matches: list[re.Match], order: str) -> int:
    """How often time runs backwards when dates are read in this order."""
    times = [time for match in matches if (time := _time(match, order))]
    return sum(later < earlier for earlier, later in pairwise(times))


def _time(match: re.Match, order: str) -> datetime | None:
    parts = dict(zip(order, (int(match[name]) for name in ("d1", "d2", "d3")), strict=True))
    year = parts["y"] + 2000 * (parts["y"] < 100)
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + 12 * (match["half"][0] in "Pp")
    try:
        return datetime(
            year, parts["m"], parts["d"], hour, int(match["minute"]), int(match["second"] or 0)
        )
    except ValueError:
        return None
