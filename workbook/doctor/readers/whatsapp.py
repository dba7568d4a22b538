"""A chat exported from WhatsApp as training examples.

Reads what the Android and the iOS app write (“Export chat”, without media), today's and years ago.
How lines begin stands in `whatsapp_headers`, what the app itself writes in `whatsapp_lines`. One
side becomes the assistant; names, phones, addresses and keys are masked. Knows no files.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from workbook.doctor import personal_data
from workbook.doctor.lines import Problem
from workbook.doctor.names import NameMask
from workbook.doctor.readers import whatsapp_headers as headers
from workbook.doctor.readers import whatsapp_lines
from workbook.errors import WorkbookError

GAP_HOURS = 6.0
"""A pause from which the next message starts a new conversation."""

_REGIONS = (None, "BR", "ES", "MX", "US")  # whose phone numbers are masked, also without their +55
_COUNTRIES = {
    "German": ("DE", "AT", "CH"),
    "French": ("FR", "BE", "CH"),
    "Italian": ("IT",),
    "Dutch": ("NL", "BE"),
    "Turkish": ("TR",),
    "Chinese": ("CN", "TW", "HK"),
    "Japanese": ("JP",),
    "Arabic": ("EG", "SA", "AE"),
    "Hindi": ("IN",),
    "Russian": ("RU",),
    "Indonesian": ("ID",),
}
"""Others, by the language of the app."""
_SENDER = re.compile(r"([^\n]{1,80}?):(?:[ \n]|$)")
_LISTED = 20  # senders that are named
_QUOTES = (("“", "”"), ("„", "“”"), ("«", "»"), ("»", "«"), ("「", "」"), ("『", "』"), ("‘", "’"))


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
    languages: Counter[str] = field(default_factory=Counter)
    """How many of the app's own lines are in each language that is known."""
    unknown: int = 0
    """How many are in none of them."""
    unanswered: int = 0
    """Messages that `examples` has left out: they ask and nobody answers, or answer nothing."""

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
            for count, name in (
                (self.media, "media"),
                (self.system, "line of the app" if self.system == 1 else "lines of the app"),
            )
            if count
        ]
        if omissions:
            problems.append(("lost-value", f"left out: {', '.join(omissions)}", ""))
        if self.unknown and not self.languages and self.layout != "iOS":
            message = (
                f"{self.unknown} lines of the app are in a language that the doctor doesn't know: "
                "deleted messages, calls and the like may have been read as somebody's words"
            )
            problems.append(("app-language", message, ""))
        if not self.certain:
            message = (
                f"no date shows whether the day or the month comes first; read as {self.date_order}"
            )
            problems.append(("lost-value", message, ""))
        return problems

    def sides(self, assistant: str | None = None) -> Problem:
        """Who becomes the assistant, and who else there is.

        Raises WorkbookError for a name that does not occur.
        """
        name = self.sender(assistant) or self.answering()
        if name is None:
            return "speakers", "nobody has written anything in this chat", ""
        others = [f"“{other}” ({count})" for other, count in self.senders.items() if other != name]
        more = [f"{len(others) - _LISTED} more"] if len(others) > _LISTED else []
        message = (
            f"“{name}” ({self.senders[name]}) becomes the assistant; the user is "
            f"{', '.join([*others[:_LISTED], *more]) or 'nobody, as nobody else wrote anything'}"
        )
        return "speakers", message, ""

    def sender(self, name: str | None) -> str | None:
        """The sender of this name, in whatever case it is written; None for None.

        Raises WorkbookError for a name that does not occur.
        """
        if name is None or name in self.senders:
            return name
        plain = [other for other in self.senders if other.casefold() == name.strip().casefold()]
        if len(plain) == 1:
            return plain[0]
        there = ", ".join(f"{other} ({count})" for other, count in self.senders.items())
        raise WorkbookError(
            f"Nobody called {name!r} writes in this chat. Choose one of: {there or 'nobody'}."
        )

    def examples(
        self,
        assistant: str | None = None,
        gap_hours: float = GAP_HOURS,
        mask: bool = True,
        system: str | None = None,
        without: Collection[str] = (),
    ) -> Iterator[tuple[int, dict]]:
        """(line, example) for each conversation in which the other side asks and this one answers.

        assistant: whose words are learned; by default whoever wrote most answers (the one who
            doesn't write first).
        gap_hours: a pause of that length starts a new conversation.
        mask: whether [name], [phone], [e-mail], [key] stand in the place of what they were.
        system: a system message for every example.
        without: senders; a conversation in which one of them wrote is left out, whole.
        Raises WorkbookError for an assistant who does not occur.
        """
        assistant = self.sender(assistant) or self.answering()
        more = (country for name in self.languages for country in _COUNTRIES.get(name, ()))
        regions = tuple(dict.fromkeys((*_REGIONS, *more)))
        names = NameMask(self.senders, (message.text for message in self.messages))
        for session in self._sessions(gap_hours):
            if any(message.sender in without for message in session):
                continue
            turns: list[tuple[str, list[str]]] = []
            start = session[0].line
            for message in session:
                role = "assistant" if message.sender == assistant else "user"
                if not turns and role == "assistant":
                    self.unanswered += 1  # an answer to nothing
                    continue
                if not turns:
                    start = message.line
                text = personal_data.mask(message.text, names, regions) if mask else message.text
                if turns and turns[-1][0] == role:
                    turns[-1][1].append(text)
                else:
                    turns.append((role, [text]))
            if turns and turns[-1][0] == "user":
                self.unanswered += len(turns.pop()[1])
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

    def conversations_of(self, senders: Collection[str], gap_hours: float = GAP_HOURS) -> int:
        """In how many conversations one of these senders wrote."""
        sessions = self._sessions(gap_hours)
        return sum(any(message.sender in senders for message in each) for each in sessions)

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
    lines = [headers.without_marks(line) for line in text.splitlines()[:40] if line.strip()]
    count = sum(bool(headers.header(line)) for line in lines)
    return bool(lines) and bool(headers.header(lines[0])) and count >= min(3, len(lines))


def may_be_chat(text: str) -> bool:
    """Whether a text that is no export reads like a chat of another app, or in another layout: a
    date and a time stand at the beginning of a third of its first lines."""
    lines = [headers.without_marks(line) for line in text.splitlines()[:40] if line.strip()]
    count = sum(map(headers.has_moment, lines))
    return count >= 3 and 3 * count >= len(lines)


def parse(lines: Iterable[str], date_order: str | None = None) -> Chat:
    """The messages of an export. Lines without a header belong to the message before them.

    date_order: "dmy", "mdy" or "ymd"; otherwise the dates decide: a number over 12 is a day, and
        the order in which time doesn't run backwards is right.
    """
    chat = Chat()
    entries: list[tuple[int, re.Match[str], list[str]]] = []  # number, header, lines with marks
    for number, raw in enumerate(lines, start=1):
        raw = raw.rstrip("\r\n")
        match = headers.header(headers.without_marks(raw))
        if match:
            entries.append((number, match, [raw]))
        elif entries:
            entries[-1][2].append(raw)
    matches = [match for _, match, _ in entries]
    if matches:
        chat.layout = headers.layout_of(matches[0])
    chat.date_order, chat.certain = (date_order, True) if date_order else headers.order_of(matches)
    for number, match, raws in entries:
        _add(chat, number, match, raws)
    return chat


def _add(chat: Chat, number: int, match: re.Match[str], raws: list[str]) -> None:
    """One more entry: a message, or what the app wrote."""
    rest = "\n".join([match["rest"], *map(headers.without_marks, raws[1:])])
    sender = _SENDER.match(rest)
    if sender is None or _opens_a_quotation(sender[1]):
        chat.system += 1
        language = whatsapp_lines.language_of(rest)
        chat.languages.update([language] if language else [])
        chat.unknown += not language
        return
    # The same with its marks: also the one that stands right before the text.
    signs = [place for place, sign in enumerate(raws[0]) if sign not in headers.MARKS]
    start = signs[match.start("rest") + sender.end() - 1] + 1
    raw = "\n".join([raws[0][start:], *raws[1:]])
    reading = whatsapp_lines.read(rest[sender.end() :], raw)
    chat.languages.update([reading.language] if reading.language else [])
    chat.media += reading.kind == "media"
    chat.system += reading.kind == "app"
    chat.unknown += bool(reading.kind and not reading.language)
    if reading.text:
        name = sender[1].strip().removeprefix("~").strip()
        time = headers.time_of(match, chat.date_order)
        chat.messages.append(Message(number, time, name, reading.text))


def _opens_a_quotation(sender: str) -> bool:
    """Whether a quotation begins before the colon that ends after it: created group "Tea: …"."""
    return sender.count('"') % 2 == 1 or any(
        (place := sender.rfind(opening)) >= 0
        and not any(closing in sender[place + 1 :] for closing in closings)
        for opening, closings in _QUOTES
    )
