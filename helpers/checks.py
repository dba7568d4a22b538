"""What can be wrong with fine-tuning data: one small function and one code for each mistake.

Knows the chat and the prompt/completion formats, their rules, and why each of them matters.
Knows nothing of files (`helpers.dataset` reads them) nor of how findings look (`helpers.report`).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MESSAGE_KEYS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call",
                "refusal"}
CHAT_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
COMPLETION_KEYS = {"prompt", "completion"}
MINIMUM = 10
"""Fewer examples are refused (OpenAI's guide to supervised fine-tuning)."""
ADVISED = 50
"""The number OpenAI's guide advises to start with."""
SHOWN = 50
"""Findings shown in a notebook; `report.findings` has them all."""

_PIECE = 100_000  # characters

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Code:
    """One kind of mistake: how bad it is, why it matters, what to do."""

    severity: str
    why: str
    fix: str


CODES = {
    # The file
    "file-name": Code("warning", "OpenAI takes training files by the name .jsonl only.",
                      "Rename the file."),
    "too-large": Code("error", "OpenAI takes files of up to 512 MB.",
                      "Divide the file, or choose fewer examples."),
    "bom": Code("note", "Three invisible bytes open the file. Azure asks for them, OpenAI doesn't.",
                "Save as UTF-8 without BOM, except for Azure. dataset.write does."),
    "not-utf8": Code("error", "The service reads UTF-8 only.",
                     "Save the file as UTF-8."),
    "blank-line": Code("warning", "JSONL has one example on every line; some services refuse this.",
                       "Delete the empty line."),
    "not-json": Code("error", "A line that can't be read stops the whole job.",
                     "One object a line: double quotes, no comma at the end, no break inside."),
    "json-list": Code("error", "JSONL is not a JSON list: each line is an object of its own.",
                      "Write the elements one a line; dataset.write does."),
    "repeated-key": Code("warning", "Of two values with one key, only the last is read.",
                         "Delete one of them."),
    "empty-file": Code("error", "There is nothing to learn from.", "Add examples."),
    "too-few": Code("error", f"Fine-tuning asks for at least {MINIMUM} examples.",
                    "Add examples."),
    "few": Code("note", f"{ADVISED} good examples are the advised start.",
                "Add examples if you have them."),
    # The row
    "not-object": Code("error", "Every example is a JSON object: {…}.", "Rewrite this line."),
    "no-format": Code("error", "An example has `messages` (chat) or `prompt` and `completion`.",
                      "Give the example one of these formats."),
    "mixed-formats": Code("error", "A file has one format, chat or prompt/completion.",
                          "Convert: dataset.to_chat or dataset.to_prompt_completion."),
    "unknown-key": Code("error", "Keys that the format doesn't know are refused.",
                        "Delete the key, or correct its spelling."),
    "messages": Code("error", "`messages` is a list with at least one message.",
                     "Write the conversation as a list."),
    "message": Code("error", "Every message is an object with `role` and `content`.",
                    "Rewrite this message."),
    "role": Code("error", "The role says whose words these are: " + ", ".join(ROLES) + ".",
                 "Use one of these roles."),
    "content": Code("error", "Content is text (or a list of parts); only a tool call has none.",
                    "Give this message its text."),
    "empty-content": Code("error", "There is nothing to read, or nothing to learn, in it.",
                          "Fill in the text, or delete the example."),
    "no-assistant": Code("error", "The model learns from the assistant's words, and here are none.",
                         "Add the answer that you wish for."),
    "last-turn": Code("error", "The example must end with what the model shall say.",
                      "End with the assistant's message."),
    "weight": Code("error", "Weight is 1 (learn it) or 0 (don't), on assistant messages only.",
                   "Use 0 or 1, and only there."),
    "weights-all-zero": Code("error", "Nothing in this example is learned.",
                             "Give one assistant message weight 1, or delete the example."),
    "tool-call": Code("error", "A call has `id`, `type` and a `function` (`name`, `arguments`).",
                      "Complete the call; `arguments` is JSON written as text."),
    "tool-answer": Code("error", "A tool's answer names the call that it answers.",
                        "Set `tool_call_id` to the id of an earlier call."),
    "tools": Code("error", "`tools` lists objects with `type` and `function`, `functions` objects "
                  "with a `name`.",
                  "Write it as in a chat request."),
    "not-text": Code("error", "`name`, `tool_call_id` and `refusal` are text.",
                     "Write it in quotes, or delete it."),
    "broken-character": Code("error", "Half of a two-part character can't be written as UTF-8.",
                             "Delete or retype the character."),
    "no-user": Code("warning", "Without a question the model learns to speak unasked.",
                    "Add the user's message, if there is one."),
    "system-place": Code("warning", "Instructions come before the conversation that they govern.",
                         "Move the system message to the front."),
    "prompt": Code("error", "`prompt` is text.", "Write it in quotes; \"\" if there is none."),
    "completion": Code("error", "`completion` is the text that the model learns to write.",
                       "Write the completion as text."),
    "too-long": Code("warning", "What is beyond the model's limit is cut off, and the end is "
                     "the answer.", "Shorten or divide the example."),
    # The set
    "duplicate": Code("warning", "Repeated, it counts double, and leaks if it is also tested.",
                      "Keep one of them."),
    "contradiction": Code("warning", "The same question with different answers teaches to guess.",
                          "Decide for one answer."),
    "imbalance": Code("warning", "A model learns to say what it saw most often.",
                      "Collect more of the rare answers, or use fewer of the common one."),
    "system-varies": Code("note", "The model is tuned to the system message it saw; use the same "
                          "one afterwards.", "Use one, unless you vary it on purpose."),
}
"""Every code that a report can hold."""


@dataclass(frozen=True)
class Line:
    """One row as it was read: its number (from 1), its value, and what reading it brought up."""

    number: int
    value: Any = None
    problems: tuple[tuple[str, str, str], ...] = ()
    """(code, message, excerpt) for each problem of reading."""
    readable: bool = True


Problem = tuple[str, str, Any]
"""What a check yields: (code, message, the value to quote)."""


def excerpt(value: Any, length: int = 60) -> str:
    """The start of a value on one line, with control and broken characters made visible."""
    if not isinstance(value, str):
        value = as_json(value, in_order=False)
    start = value[:length].encode("utf-8", "backslashreplace").decode("utf-8")
    shown = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in start)
    return shown + ("…" if len(value) > length else "")


def as_json(value: Any, in_order: bool = True) -> str:
    """The value as JSON with its keys in order; something like it for what JSON can't hold."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=in_order)
    except (TypeError, ValueError, RecursionError):
        try:
            return repr(value)
        except Exception:  # a value too deep to print is still one value
            return f"<{type(value).__name__} {id(value)}>"


# Checks of one chat row, in the order in which a reader would look.

def _keys(row: Mapping, known: set[str]) -> Iterator[Problem]:
    for key in row:
        if key not in known:
            yield "unknown-key", f"key `{excerpt(key, 30)}` is not one of {_list(known)}", row[key]


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def check_row(value: Any) -> Iterator[Problem]:
    """Everything about one row that can be seen without the others."""
    kind = format_of(value)
    if not isinstance(value, Mapping):
        yield "not-object", f"this line is {_kind(value)}", value
    elif kind is None:
        yield "no-format", "neither `messages` nor `prompt` and `completion`", value
    else:
        yield from (check_chat if kind == "chat" else check_completion)(value)
        if _broken(text := as_json(value)):
            yield "broken-character", "a text holds half a character", text


def check_chat(row: Mapping) -> Iterator[Problem]:
    """Everything about one chat example that can be seen without the others."""
    yield from _keys(row, CHAT_KEYS)
    yield from _tools(row)
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "messages", "`messages` is missing, empty, or no list", messages
        return
    for place, message in enumerate(messages, start=1):
        for code, text, quoted in _message(message):
            yield code, f"message {place}: {text}", quoted
    whole = [message for message in messages if isinstance(message, Mapping)]
    for check in (_speakers, _order, _weights, _tool_answers):
        yield from check(whole)


def _message(message: Any) -> Iterator[Problem]:
    if not isinstance(message, Mapping):
        yield "message", "is no object", message
        return
    yield from _keys(message, MESSAGE_KEYS)
    role = message.get("role")
    if role is None:
        yield "message", "has no `role`", message
    elif not isinstance(role, str) or role not in ROLES:
        yield "role", f"unknown role `{excerpt(role, 30)}`", message
    for key in ("name", "tool_call_id", "refusal"):
        if not isinstance(message.get(key) or "", str):
            yield "not-text", f"`{key}` is {_kind(message[key])}", message
    yield from _content(message)
    yield from _tool_calls(message)


def _calls(message: Mapping) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _content(message: Mapping) -> Iterator[Problem]:
    content = message.get("content")
    if content is None:
        if message.get("role") == "assistant" and (_calls(message) or message.get("refusal")):
            return
        problem = "`content` is null" if "content" in message else "has no `content`"
        yield "content", problem, message
    elif isinstance(content, str):
        if not content.strip():
            yield "empty-content", "the content is empty", content
    elif not isinstance(content, list):
        yield "content", f"content is {_kind(content)}, not text", content
    elif not content or not all(isinstance(part, Mapping) and isinstance(part.get("type"), str)
                                for part in content):
        yield "content", "a list of content holds parts with a `type`", content


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", dict: "an object",
             list: "a list", str: "text", type(None): "null"}
    return names.get(type(value), f"a Python {type(value).__name__}")


def _broken(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _tools(row: Mapping) -> Iterator[Problem]:
    for key in ("tools", "functions"):
        listed = row.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list):
            yield "tools", f"`{key}` is {_kind(listed)}, not a list", listed
            continue
        for tool in listed:
            function = tool
            if key == "tools" and isinstance(tool, Mapping):
                function = tool.get("function") if tool.get("type") == "function" else None
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                yield "tools", f"`{key}` holds something that is no function with a name", tool


def _tool_calls(message: Mapping) -> Iterator[Problem]:
    calls, old = message.get("tool_calls"), message.get("function_call")
    if message.get("role") != "assistant" and (calls is not None or old is not None):
        yield "tool-call", "only the assistant calls tools", message
    if calls is not None and (not isinstance(calls, list) or not calls):
        yield "tool-call", "`tool_calls` is empty or no list", message
    functions = [] if old is None else [old]
    for call in calls if isinstance(calls, list) else []:
        whole = (isinstance(call, Mapping) and isinstance(call.get("id"), str)
                 and call.get("type") == "function")
        functions.append(call.get("function") if whole else None)
    for function in functions:
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            yield "tool-call", "a call is incomplete", message
        elif not _holds_json(function.get("arguments")):
            yield "tool-call", "`arguments` is not JSON written as text", function.get("arguments")


def _holds_json(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _tool_answers(messages: list[Mapping]) -> Iterator[Problem]:
    open_calls: list[Any] = []
    for message in messages:
        if message.get("role") == "tool" and message.get("tool_call_id") not in open_calls:
            yield "tool-answer", "a tool's answer to no earlier call", message
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            if isinstance(call, Mapping) and isinstance(call.get("id"), str):
                open_calls.append(call["id"])


def _speakers(messages: list[Mapping]) -> Iterator[Problem]:
    roles = [message.get("role") for message in messages]
    if not roles or not all(isinstance(role, str) and role in ROLES for role in roles):
        return  # who speaks is not known until that is mended
    if "assistant" not in roles:
        yield "no-assistant", "no message is the assistant's", messages[-1]
    elif roles[-1] != "assistant":
        yield "last-turn", f"the last message is the {roles[-1]}'s", messages[-1]
    if "user" not in roles:
        yield "no-user", "no message is the user's", messages[-1]


def _order(messages: list[Mapping]) -> Iterator[Problem]:
    for place, message in enumerate(messages):
        if place and message.get("role") in ("system", "developer"):
            yield "system-place", f"message {place + 1} is a system message", message


def _weights(messages: list[Mapping]) -> Iterator[Problem]:
    for message in messages:
        weight = message.get("weight")
        if weight is None:
            continue
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight not in (0, 1):
            yield "weight", f"weight is `{excerpt(weight, 20)}`", message
        elif message.get("role") != "assistant":
            yield "weight", "a weight on a message that is not the assistant's", message
    learned = [message.get("weight", 1) for message in messages
               if message.get("role") == "assistant"]
    if learned and all(weight == 0 and weight is not False for weight in learned):
        yield "weights-all-zero", "all weights are 0", messages


def check_completion(row: Mapping) -> Iterator[Problem]:
    """Everything about one prompt/completion example that can be seen without the others."""
    yield from _keys(row, COMPLETION_KEYS)
    for key in ("prompt", "completion"):
        text = row.get(key)
        if not isinstance(text, str):
            problem = f"is {_kind(text)}, not text" if key in row else "is missing"
            yield key, f"`{key}` {problem}", row
        elif key == "completion" and not text.strip():
            yield "empty-content", "the completion is empty", row


# The set

@dataclass(frozen=True)
class Example:
    """A row that is at least an object of a known format: what the checks of the set look at."""

    line: int
    value: Mapping
    question: str | None
    """All that comes before the answer; None where there is no answer."""
    answer: str
    """The answer as a student reads it."""
    gist: Any = ""
    """What a reader would know the row by: the last thing that was asked."""


def format_of(row: Any) -> str | None:
    """"chat", "completion", or None for what is neither."""
    if not isinstance(row, Mapping):
        return None
    if "messages" in row:
        return "chat"
    return "completion" if "prompt" in row or "completion" in row else None


def example_of(line: Line) -> Example:
    """What the checks of the set need of a row whose format is known."""
    row = line.value
    if format_of(row) == "completion":
        question, answer = row.get("prompt"), row.get("completion")
    else:
        messages = row.get("messages")
        last = messages[-1] if isinstance(messages, list) and messages else None
        if not isinstance(last, Mapping) or last.get("role") != "assistant":
            return Example(line.number, row, None, "", row)
        question, answer = messages[:-1], last.get("content") or last.get("tool_calls")
    answer = answer if isinstance(answer, str) else as_json(answer)
    gist = question
    if isinstance(question, list) and question and isinstance(question[-1], Mapping):
        gist = question[-1].get("content")
    return Example(line.number, row, as_json(question), answer, gist)


def _duplicates(examples: list[Example]) -> Iterator[tuple[int | None, Problem]]:
    first: dict[str, int] = {}
    for example in examples:
        key = as_json(example.value)
        if key in first:
            yield example.line, ("duplicate", f"the same as line {first[key]}", example.gist)
        else:
            first[key] = example.line


def _contradictions(examples: list[Example]) -> Iterator[tuple[int | None, Problem]]:
    first: dict[str, Example] = {}
    for example in examples:
        if example.question is None:
            continue
        other = first.setdefault(example.question, example)
        if other.answer != example.answer:
            message = (f"answer “{excerpt(example.answer, 30)}”, but line {other.line} answers the "
                       f"same with “{excerpt(other.answer, 30)}”")
            yield example.line, ("contradiction", message, example.gist)


def labels_of(examples: list[Example]) -> Counter[str] | None:
    """How often each answer occurs, where answers are labels: fewer kinds than a third of the rows
    (the rule of OpenAI's former command-line tool), and at most 20. Otherwise None."""
    counts = Counter(example.answer for example in examples if example.question is not None)
    return counts if len(counts) <= 20 and 3 * len(counts) < counts.total() else None


def _imbalance(examples: list[Example]) -> Iterator[tuple[int | None, Problem]]:
    counts = labels_of(examples)
    if not counts or len(counts) < 2:
        return
    (common, most), (rare, least) = counts.most_common()[0], counts.most_common()[-1]
    if most >= 3 * least:
        yield None, ("imbalance", f"{most} × “{excerpt(common, 40)}”, but only {least} × "
                     f"“{excerpt(rare, 40)}”", "")


def _system_varies(examples: list[Example]) -> Iterator[tuple[int | None, Problem]]:
    seen = Counter()
    for example in examples:
        messages = example.value.get("messages")
        if isinstance(messages, list) and messages:
            systems = [message.get("content") for message in messages
                       if isinstance(message, Mapping) and message.get("role") == "system"]
            seen[as_json(systems)] += 1
    if len(seen) > 1:
        yield None, ("system-varies", f"{len(seen)} different system messages (or none)", "")


def _mixed(examples: list[Example]) -> Iterator[tuple[int | None, Problem]]:
    kinds = Counter(format_of(example.value) for example in examples)
    if len(kinds) > 1:
        main = kinds.most_common(1)[0][0]
        for example in examples:
            if format_of(example.value) != main:
                yield example.line, ("mixed-formats", f"most rows are {main}, this one is not",
                                     example.value)


SET_CHECKS: tuple[Callable[[list[Example]], Iterator[tuple[int | None, Problem]]], ...] = (
    _mixed, _duplicates, _contradictions, _imbalance, _system_varies)
