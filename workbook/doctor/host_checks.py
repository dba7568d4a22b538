"""What a host refuses in a row, or in a file, that others take: by its profile.

The rules that all share stand in `workbook.rows`. Errors name the host and its limit. Knows no
host: what is not in a profile is not checked.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain, pairwise
from typing import Any

from workbook.doctor.lines import Line, Problem
from workbook.doctor.profiles import RULES, Profile, profile
from workbook.doctor.row_parts import messages_of, objects_in
from workbook.quoting import excerpt
from workbook.rows.pictures import Picture, address_of, picture_at
from workbook.rows.rules import CHAT_KEYS, PART_TYPES, ROLES
from workbook.rows.validator import format_of, is_plain

FORMAT_NAMES = {
    "chat": "chat rows (`messages`)",
    "completion": "pairs (`prompt` and `completion`)",
    "preference": "preferences (`input` and two outputs)",
    "reinforcement": "rows for reinforcement (`messages` that end with the user's, and what a "
    "grader compares with)",
    "vertex": "Vertex AI's own rows (`contents`)",
}
_Check = Callable[[Mapping, str, list[Mapping]], Iterator[Problem]]


class HostChecks:
    """The checks of one host, chosen once: a row costs only what the host's rules need."""

    def __init__(self, host: Profile) -> None:
        self.host = host
        value = host.value
        self.output_roles = tuple(value("outputs") or ())
        self._roles = frozenset(value("roles") or ROLES)
        self._other_keys = CHAT_KEYS.difference(value("keys") or CHAT_KEYS)
        self._function_name = _pattern(value("function_name"))
        self._message_name = _pattern(value("message_name"))
        self._tools: int | None = value("tools")
        checks: list[tuple[bool, _Check]] = [
            (self._roles != frozenset(ROLES), self._of_roles),
            (bool(self._message_name), self._of_message_names),
            (bool(value("strict_turns")), self._of_strict_turns),
            (value("answers_in_a_row") is False, self._of_answers_in_a_row),
            (value("open_calls") is False, self._of_open_calls),
            (bool(value("ends_with_text")), self._of_last_words),
            (bool(value("reference_keys")), self._of_reference_keys),
            (bool(self._other_keys), self._of_keys),
        ]
        self._checks = [check for is_asked, check in checks if is_asked]
        self.asks_turns = bool(self._checks and self._checks != [self._of_message_names])
        """Whether it asks something of roles and turns: then no plain row is good at sight."""

    def of_row(self, row: Any) -> Iterator[Problem]:
        """What the host refuses in one row of a known format."""
        if is_plain(row) and not self.asks_turns:
            return  # neither names nor tools nor parts
        kind = format_of(row)
        if kind is None or kind == "completion":
            return
        spoken = messages_of(row)
        for check in self._checks:
            yield from check(row, kind, spoken)
        if self._tools or self._function_name:
            prompt = row.get("input") if kind == "preference" else row
            yield from self._of_tools(prompt, spoken)
        if any(isinstance(message.get("content"), list) for message in spoken):
            yield from self._of_parts(kind, spoken)

    def _of_roles(self, row: Mapping, kind: str, spoken: list[Mapping]) -> Iterator[Problem]:
        for place, message in enumerate(spoken, start=1):
            role = message.get("role")
            if role in ROLES and role not in self._roles:
                allowed = ", ".join(self.host.value("roles"))
                text = f"message {place}: {self.host.label} knows no role `{role}`, only {allowed}"
                yield "role", text, message

    def _of_message_names(
        self, row: Mapping, kind: str, spoken: list[Mapping]
    ) -> Iterator[Problem]:
        assert self._message_name
        for place, message in enumerate(spoken, start=1):
            name = message.get("name")
            if isinstance(name, str) and not self._message_name.fullmatch(name):
                yield "name", f"message {place}: {self._misnamed('message_name', name)}", message

    def _of_strict_turns(self, row: Mapping, kind: str, spoken: list[Mapping]) -> Iterator[Problem]:
        turns, *others = _conversations(row, kind)
        first = turns[0].get("role") if turns else None
        is_known = isinstance(first, str) and first in self._roles
        if is_known and first not in ("system", "user"):
            text = f"{self.host.label}: a conversation starts with system or user"
            yield "host-turns", text, turns[0]
        for before, message in chain(pairwise(turns), *map(pairwise, others)):
            role = message.get("role")
            if role == before.get("role") and role in ("system", "user", "assistant"):
                text = f"{self.host.label}: user and assistant take turns; here are two of {role}"
                yield "host-turns", text, message

    def _of_answers_in_a_row(
        self, row: Mapping, kind: str, spoken: list[Mapping]
    ) -> Iterator[Problem]:
        for turns in _conversations(row, kind):
            for before, message in pairwise(turns):
                if message.get("role") == before.get("role") == "assistant":
                    text = f"{self.host.label} refuses two messages of the assistant in a row"
                    yield "host-turns", text, message

    def _of_open_calls(self, row: Mapping, kind: str, spoken: list[Mapping]) -> Iterator[Problem]:
        for turns in _conversations(row, kind):
            yield from self._open_calls(turns)

    def _open_calls(self, turns: list[Mapping]) -> Iterator[Problem]:
        for place, message in enumerate(turns[:-1]):
            ids = {
                call["id"]
                for call in objects_in(message.get("tool_calls"))
                if isinstance(call.get("id"), str)
            }
            for later in turns[place + 1 :]:
                if later.get("role") != "tool":
                    break
                if isinstance(id := later.get("tool_call_id"), str):
                    ids.discard(id)
            if ids:
                text = f"{self.host.label} refuses a call that no tool answers before others speak"
                yield "host-turns", text, message

    def _of_last_words(self, row: Mapping, kind: str, spoken: list[Mapping]) -> Iterator[Problem]:
        last = spoken[-1] if spoken else {}
        if kind == "chat" and (last.get("tool_calls") or last.get("function_call")):
            text = f"{self.host.label}: the last message is an answer in words, not a call"
            yield "host-turns", text, last

    def _of_reference_keys(
        self, row: Mapping, kind: str, spoken: list[Mapping]
    ) -> Iterator[Problem]:
        for key in self.host.value("reference_keys"):
            if kind == "reinforcement" and row.get(key) is None:
                yield "reference", f"{self.host.label} asks for `{key}` beside `messages`", row

    def _of_keys(self, row: Mapping, kind: str, spoken: list[Mapping]) -> Iterator[Problem]:
        """Keys that OpenAI's format has, and this host does not take."""
        for key in row.keys() & self._other_keys if kind == "chat" else ():
            known = " and ".join(f"`{name}`" for name in self.host.value("keys"))
            text = f"{self.host.label} takes no key `{key}` in a row, only {known}"
            yield "unknown-key", text, {key: row[key]}

    def _of_tools(self, row: Any, spoken: list[Mapping]) -> Iterator[Problem]:
        """Names of functions, and how many there are."""
        if not isinstance(row, Mapping):
            return
        functions: list[Any] = []
        for key in ("tools", "functions"):
            listed = objects_in(row.get(key))
            functions += [tool.get("function") if key == "tools" else tool for tool in listed]
            if self._tools and len(listed) > self._tools:
                text = f"{len(listed)} `{key}`: {self.host.label} takes {self._tools} at most"
                yield "tool-limit", text, listed[0]
        for message in spoken:
            functions += [call.get("function") for call in objects_in(message.get("tool_calls"))]
            functions.append(message.get("function_call"))
        names = dict.fromkeys(
            function["name"]
            for function in functions
            if isinstance(function, Mapping) and isinstance(function.get("name"), str)
        )
        for name in names:
            if self._function_name and not self._function_name.fullmatch(name):
                yield "name", self._misnamed("function_name", name), name

    def _misnamed(self, rule: str, name: str) -> str:
        what = "function" if rule == "function_name" else "name"
        note = self.host.rules[rule].note.rstrip(".")
        text = f"{what} `{excerpt(name, 30)}` ({len(name)} characters)"
        return f"{text}: {self.host.label} takes {note[:1].lower()}{note[1:]}"

    def _of_parts(self, kind: str, spoken: list[Mapping]) -> Iterator[Problem]:
        """Images, their number, size and form, and parts that the host does not take at all."""
        host, images, value = self.host, 0, self.host.value
        parts = value("parts") or ()
        # A list: a part's type may be anything. Images are counted.
        refused = [name for name in PART_TYPES if name not in (*parts, "image_url")]
        for place, message in enumerate(spoken, start=1):
            for part in objects_in(message.get("content")):
                if address_of(part) is not None:
                    images += 1
                    yield from self._of_image(f"message {place}: ", part)
                elif parts and (name := part.get("type")) in refused:
                    text = f"message {place}: {host.label} takes no part of type `{name}`"
                    yield "part", text, part
        limit = value("images")
        if limit is not None and images > limit:
            most = f"takes {limit} an example at most" if limit else "takes none"
            text = f"{images} image{'s' * (images > 1)}: {host.label} {most}"
            yield "image-limit", text, spoken[-1]
        if images and kind == "preference" and value("dpo_images") is False:
            yield "image-limit", f"{host.label} learns preferences from text alone", spoken[-1]

    def _of_image(self, where: str, part: Mapping) -> Iterator[Problem]:
        picture, host = picture_at(address_of(part) or ""), self.host
        if picture.problem:
            return  # `workbook.rows` says so
        if picture.bucket and picture.bucket not in (host.value("image_buckets") or ()):
            shown = excerpt(address_of(part) or "", 40)
            text = f"`{shown}` lies in a cloud's bucket, which {host.label} can't open"
            yield "image-bucket", f"{where}{text}", part
        formats, modes = host.value("image_formats"), host.value("image_modes")
        if formats and picture.format and picture.format not in formats:
            text = f"the image is {picture.format}: {host.label} takes {', '.join(formats)}"
            yield "image-format", f"{where}{text}", part
        elif modes and picture.mode and picture.mode not in modes:
            text = f"the image's mode is {picture.mode}: {host.label} takes {' and '.join(modes)}"
            yield "image-format", f"{where}{text}", part
        if (problem := self._size_problem(picture)) is not None:
            yield "image-limit", f"{where}{problem}", part
        if not picture.is_inside and host.value("image_addresses") is False:
            text = f"{host.label} takes images only inside the row, in base64"
            yield "image-format", f"{where}{text}", part

    def _size_problem(self, picture: Picture) -> str | None:
        limit = self.host.value("image_bytes")
        if not limit or not picture.size or picture.size <= limit:
            return None
        size = f"{picture.size / 2**20:.1f} MB"
        return f"the image has {size}: {self.host.label} takes {limit / 2**20:.0f} MB at most"


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return re.compile(text) if text else None


def _conversations(row: Mapping, kind: str) -> list[list[Mapping]]:
    """The messages of each conversation in their order: a preference is two, which begin alike."""
    if kind != "preference":
        return [objects_in(row.get("messages"))]
    prompt = row.get("input")
    turns = objects_in(prompt.get("messages") if isinstance(prompt, Mapping) else None)
    before = turns[-1:]
    return [
        [*turns, *objects_in(row.get("preferred_output"))],
        [*before, *objects_in(row.get("non_preferred_output"))],
    ]


@cache
def checks_of(host: str | None) -> HostChecks:
    """The checks of a host, by default OpenAI's. Raises WorkbookError for one without a profile."""
    return HostChecks(profile(host))


def of_line(host: Profile, line: Line) -> Iterator[Problem]:
    """What reading a line brought up, as far as this host minds it, and what it refuses."""
    wants_mark, most = host.value("byte_order_mark"), host.value("line_bytes")
    has_mark = any(code == "bom" for code, _, _ in line.problems)
    for problem in line.problems:
        if not (wants_mark and problem[0] == "bom"):
            yield problem
    if wants_mark and line.number == 1 and line.size and not has_mark:
        yield "no-bom", f"{host.label} asks for a byte order mark at the start of the file", ""
    if most and line.size > most:
        text = f"the line has {line.size / 2**20:,.1f} MiB: {host.label} reads {most / 2**20:,.0f}"
        yield "long-line", text, ""


def of_file(
    host: Profile, kinds: Mapping[str, int], image_examples: int = 0, size: int = 0
) -> Iterator[Problem]:
    """What the host refuses in a file as a whole.

    kinds: how many examples there are of each format.
    image_examples: how many hold images.
    size: of the file, in bytes.
    """
    for kind, count in kinds.items():
        if kind not in host.value("formats"):
            takes = " or ".join(FORMAT_NAMES[name] for name in host.value("formats"))
            is_chat = kind == "chat" and "vertex" in host.value("formats")
            hint = ": workbook convert FILE --to vertex" if is_chat else ""
            text = f"{count:,} × {FORMAT_NAMES[kind]}: {host.label} trains on {takes}{hint}"
            yield "model-format", text, ""
    total = sum(kinds.values())
    for rule, count in (
        ("max_examples", total),
        ("max_reinforcement_examples", kinds.get("reinforcement", 0)),
        ("image_examples", image_examples),
    ):
        if (most := host.value(rule)) and count > most:
            yield (
                "too-many",
                f"{count:,} examples: {host.label} takes {most:,} at most ({RULES[rule]})",
                "",
            )
    if (most := host.value("file_bytes")) and size > most:
        text = f"{size / 2**20:,.0f} MB: {host.label} takes {most / 2**20:,.0f} MB at most"
        yield "too-large", text, ""
