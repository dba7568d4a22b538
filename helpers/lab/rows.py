"""Training files: JSON Lines with one example a line, read and checked without loading the file.

Three formats: chat (`messages`, perhaps `tools`), the older pairs (`prompt`, `completion`), and
preferences (`input`, `preferred_output`, `non_preferred_output`). Which of them a method trains on
is known here; jobs, models and HTTP are not. How long an example is, it is told.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

MIN_EXAMPLES = 10  # OpenAI: "at least 10 examples"
MAX_LINE = 4 * 2**20  # bytes; keeps memory bounded whatever is uploaded
FORMATS = {"supervised": ("chat", "prompt/completion"), "dpo": ("preference",)}  # of each method
ROLES = ("system", "developer", "user", "assistant", "tool", "function")

_MESSAGE_KEYS = {
    "role",
    "content",
    "name",
    "weight",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
}
_CHAT_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
_PAIR_KEYS = {"prompt", "completion"}
_OUTPUTS = ("preferred_output", "non_preferred_output")
_PREFERENCE_KEYS = {"input", *_OUTPUTS}
_INPUT_KEYS = {"messages", "tools", "parallel_tool_calls"}
_BOM = b"\xef\xbb\xbf"


class RowError(ValueError):
    """One line is not a training example; the text says why."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with one line (counted from 1)."""

    line: int
    reason: str


@dataclass
class Report:
    """What a file holds: its examples, tokens, and the first findings of all that were made."""

    examples: int = 0
    tokens: int = 0
    bad_lines: int = 0
    findings: list[Finding] = field(default_factory=list)

    def describe(self, filename: str) -> str:
        """The findings as one sentence a person can act on, naming file, line and reason."""
        listed = "; ".join(f"line {f.line}: {f.reason}" for f in self.findings)
        rest = self.bad_lines - len(self.findings)
        more = f"; and {rest} more line{'s' * (rest > 1)} with errors" if rest > 0 else ""
        return f"{filename}, {listed}{more}."


def check(
    path: Path,
    count: Callable[[dict[str, Any]], int] | None = None,
    limit: int | None = None,
    shown: int = 5,
    method: str = "supervised",
) -> Report:
    """Read a whole file and report on it; never raises for what the file holds.

    count: tokens of a chat or pair. limit: the most tokens that one may have.
    shown: how many findings to keep. method: what the file is to train.
    """
    report, form = Report(), ""
    for number, line in lines(path):
        try:
            row = parse(line)
            this = format_of(row)
            if this not in FORMATS[method]:
                taken = " or ".join(FORMATS[method])
                raise RowError(f"a {this} example: method {method!r} trains on {taken} examples")
            if form and this != form:
                raise RowError(f"a {this} example in a file of {form} examples: use one format")
            form = this
            counts = [count(part) for part in conversations(row)] if count else [0]
            if limit and max(counts) > limit:
                raise RowError(
                    f"the example has {max(counts):,} tokens, more than the {limit:,} allowed"
                )
        except RowError as error:
            report.bad_lines += 1
            if len(report.findings) < shown:
                report.findings.append(Finding(number, str(error)))
        else:
            report.examples += 1
            report.tokens += sum(counts)
    return report


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, numbered from 1. A longer line than MAX_LINE comes cut."""
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            rest = line
            while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
                pass
            line = line.removeprefix(_BOM) if number == 1 else line
            if line.strip():
                yield number, line


def examples(path: Path) -> Iterator[dict[str, Any]]:
    """Every example of a file that was checked. Raises RowError at a line that is none."""
    for _, line in lines(path):
        yield parse(line)


def parse(line: bytes) -> dict[str, Any]:
    """One line as an example. Raises RowError, and nothing else, when it is not one."""
    row = _object(line)
    if _PREFERENCE_KEYS & row.keys():
        _check_preference(row)
    elif "messages" in row:
        _check_keys(row, _CHAT_KEYS, "the example")
        _check_messages(row["messages"])
        _check_tools(row)
    elif _PAIR_KEYS & row.keys():
        _check_keys(row, _PAIR_KEYS, "the example")
        for key in ("prompt", "completion"):
            if key not in row:
                raise RowError(f"missing key {key!r}")
            if not isinstance(row[key], str):
                raise RowError(f"{key!r} must be a string, not {_kind(row[key])}")
        if not row["completion"]:
            raise RowError("'completion' is empty: there is nothing to learn")
    else:
        raise RowError("missing key 'messages' (or 'prompt' and 'completion')")
    return row


def format_of(row: dict[str, Any]) -> str:
    """A parsed row's format, by the names that FORMATS uses."""
    if "input" in row:
        return "preference"
    return "chat" if "messages" in row else "prompt/completion"


def conversations(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What a parsed row is trained on: itself, or a preference's two chats, the preferred first.

    Of a preference only the outputs are learned from: earlier answers get weight 0.
    """
    if format_of(row) != "preference":
        return [row]
    asked = [m | {"weight": 0} if m["role"] == "assistant" else m for m in row["input"]["messages"]]
    answers = [row[name][0] | {"weight": 1} for name in _OUTPUTS]
    return [{"tools": row["input"].get("tools"), "messages": [*asked, each]} for each in answers]


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise RowError(f"the line is longer than {MAX_LINE // 2**20} MiB")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError(f"not UTF-8 (byte {error.start + 1} of the line)") from None
    try:
        row = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise RowError(f"not valid JSON ({error.msg} at character {error.pos + 1})") from None
    except RecursionError:
        raise RowError("not usable JSON (nested too deeply)") from None
    except ValueError as error:
        raise RowError(f"not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise RowError(f"must be a JSON object, not {_kind(row)}")
    if "\\u" in text and not _is_unicode(row):
        raise RowError("a text holds half a character (a lone surrogate)")
    return row


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _is_unicode(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_keys(row: dict[str, Any], known: set[str], what: str) -> None:
    if unknown := row.keys() - known:
        names = ", ".join(repr(name[:40]) for name in sorted(unknown)[:3])
        raise RowError(f"{what} has a key that is not allowed: {names}")


def _check_messages(messages: Any) -> None:
    _check_each(messages)
    if messages[-1]["role"] != "assistant":
        raise RowError(
            f"the last message must be the assistant's, not the {messages[-1]['role']}'s"
        )
    if not any(m["role"] == "assistant" and m.get("weight") != 0 for m in messages):
        raise RowError("every assistant message has weight 0: there is nothing to learn")


def _check_each(messages: Any) -> None:
    if not isinstance(messages, list):
        raise RowError(f"'messages' must be a list, not {_kind(messages)}")
    if not messages:
        raise RowError("'messages' is empty")
    for index, message in enumerate(messages):
        _check_message(message, f"message {index + 1}")


def _check_preference(row: dict[str, Any]) -> None:
    _check_keys(row, _PREFERENCE_KEYS, "the example")
    for key in ("input", *_OUTPUTS):
        if key not in row:
            raise RowError(f"missing key {key!r}")
    asked = row["input"]
    if not isinstance(asked, dict):
        raise RowError(f"'input' must be an object, not {_kind(asked)}")
    _check_keys(asked, _INPUT_KEYS, "'input'")
    _check_each(asked.get("messages"))
    _check_tools(asked)
    if asked["messages"][-1]["role"] == "assistant":
        raise RowError("the last message of 'input' is the assistant's: its answer is due there")
    for key in _OUTPUTS:
        answers = row[key]
        if not isinstance(answers, list) or len(answers) != 1:
            raise RowError(f"{key!r} must be a list of one message")
        _check_message(answers[0], f"{key!r}")
        if answers[0]["role"] != "assistant":
            raise RowError(f"{key!r} must be the assistant's, not the {answers[0]['role']}'s")
    first, second = (json.dumps(row[key], sort_keys=True) for key in _OUTPUTS)
    if first == second:
        raise RowError("both outputs are the same: there is nothing to prefer")


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        raise RowError(f"{where} must be an object, not {_kind(message)}")
    _check_keys(message, _MESSAGE_KEYS, where)
    if "role" not in message:
        raise RowError(f"{where} has no 'role'")
    role = message["role"]
    if role not in ROLES:
        shown = repr(role[:40]) if isinstance(role, str) else _kind(role)
        raise RowError(f"{where} has the role {shown}; allowed: {', '.join(ROLES)}")
    _check_weight(message, where)
    for key in ("name", "tool_call_id", "refusal"):
        if message.get(key) is not None and not isinstance(message[key], str):
            raise RowError(f"{where}: {key!r} must be a string, not {_kind(message[key])}")
    if role == "tool" and not message.get("tool_call_id"):
        raise RowError(f"{where} has the role tool but no 'tool_call_id'")
    calls = _check_calls(message, where)
    _check_content(message, where, may_be_missing=calls)


def _check_weight(message: dict[str, Any], where: str) -> None:
    weight = message.get("weight")
    if weight is None:
        return
    if message["role"] != "assistant":
        raise RowError(f"{where}: only an assistant message may have a 'weight'")
    if isinstance(weight, bool) or weight not in (0, 1):
        raise RowError(f"{where}: 'weight' must be 0 or 1")


def _check_calls(message: dict[str, Any], where: str) -> bool:
    """Whether the message calls a tool; raises when it does so in a wrong way."""
    calls, old = message.get("tool_calls"), message.get("function_call")
    if calls is None and old is None:
        return False
    if message["role"] != "assistant":
        raise RowError(f"{where}: only the assistant calls tools")
    if calls is not None and (not isinstance(calls, list) or not calls):
        raise RowError(f"{where}: 'tool_calls' must be a list that is not empty")
    functions = [call.get("function") if isinstance(call, dict) else None for call in calls or []]
    for function in functions + ([old] if old is not None else []):
        if not isinstance(function, dict):
            raise RowError(f"{where}: a tool call needs a 'function' object")
        for key in ("name", "arguments"):
            if not isinstance(function.get(key), str):
                raise RowError(f"{where}: a tool call's {key!r} must be a string")
    return True


def _check_content(message: dict[str, Any], where: str, may_be_missing: bool) -> None:
    content = message.get("content")
    if content is None:
        if not may_be_missing:
            raise RowError(f"{where} has no 'content'")
    elif isinstance(content, list):
        for part in content:
            if not isinstance(part, dict) or not isinstance(part.get("text"), str):
                raise RowError(f"{where}: only text parts can be trained on")
    elif not isinstance(content, str):
        raise RowError(f"{where}: 'content' must be a string, not {_kind(content)}")


def _check_tools(row: dict[str, Any]) -> None:
    for key in ("tools", "functions"):
        listed = row.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list):
            raise RowError(f"{key!r} must be a list, not {_kind(listed)}")
        for tool in listed:
            function = tool.get("function") if key == "tools" and isinstance(tool, dict) else tool
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise RowError(f"each of {key!r} needs a function with a 'name'")


def _kind(value: Any) -> str:
    """A JSON value's type in the words of JSON."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")
