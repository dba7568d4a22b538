"""What can be wrong with fine-tuning data: one small function and one code for each mistake.

Knows the chat and the prompt/completion formats, their rules, and why each of them matters.
Knows nothing of files (`helpers.dataset` reads them) nor of how findings look (`helpers.report`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from helpers import content as words

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MESSAGE_KEYS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call",
                "refusal"}
CHAT_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
COMPLETION_KEYS = {"prompt", "completion"}
PREFERENCE_KEYS = {"input", "preferred_output", "non_preferred_output"}
INPUT_KEYS = {"messages", "tools", "parallel_tool_calls"}
PART_TYPES = {"text": "text", "image_url": "image_url", "input_audio": "input_audio",
              "file": "file", "refusal": "refusal"}
"""Parts of a message, and the key that each must have (OpenAI's specification of the API)."""
LONG_TEXT = 10_000
"""Characters; the removed command-line tool dropped longer prompt/completion pairs."""
MAX_LINE = 4 * 2**20
"""Bytes of a line that the lab still reads."""
MINIMUM = 10
"""Fewer examples are refused (OpenAI's guide to supervised fine-tuning)."""
ADVISED = 50
"""The number OpenAI's guide advises to start with."""
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
    "encoding": Code("error", "The service reads UTF-8 only; this file is in something else, which "
                     "was recognised.", "`report.fix()` writes UTF-8."),
    "compressed": Code("error", "Training files are uploaded as they are, not compressed.",
                       "Unpack the file, or let `report.fix()` write it."),
    "not-jsonl": Code("error", "Training files are JSONL, whatever the data came in.",
                      "`python -m helpers.dataset prepare` converts it."),
    "wrong-name": Code("warning", "What is in the file is not what its name says.",
                       "Rename the file."),
    "long-line": Code("error", "The lab reads lines of up to 4 MiB; no model reads as much.",
                      "Divide the example."),
    "sheets": Code("warning", "Of a workbook only the first sheet is read.",
                   "Put the examples on one sheet."),
    "lost-value": Code("warning", "A cell or a message could not be read as what it should be.",
                       "Correct it in the source."),
    "repeated-key": Code("warning", "Of two values with one key, only the last is read.",
                         "Delete one of them."),
    "empty-file": Code("error", "There is nothing to learn from.", "Add examples."),
    "too-few": Code("error", f"Fine-tuning asks for at least {MINIMUM} examples.",
                    "Add examples."),
    "few": Code("note", f"{ADVISED} good examples are the advised start.",
                "Add examples if you have them."),
    # The job
    "suffix": Code("error", "A suffix has 1 to 64 characters (Azure: 18, and no dot).",
                   "Choose a shorter one."),
    "metadata": Code("error", "Metadata holds up to 16 texts of 512 characters, under names of up "
                     "to 64.", "Shorten it."),
    "model-closed": Code("error", "The model takes no new training jobs on that day.",
                         "Choose another: `models.tunable()` lists them."),
    # The row
    "key-case": Code("error", "Keys are written in small letters, without spaces.",
                     "`report.fix()` corrects it."),
    "not-object": Code("error", "Every example is a JSON object: {…}.", "Rewrite this line."),
    "no-format": Code("error", "An example has `messages` (chat) or `prompt` and `completion`.",
                      "Give the example one of these formats."),
    "mixed-formats": Code("error", "A file has one format, chat or prompt/completion.",
                          "Convert: `dataset.to_chat` or `dataset.to_prompt_completion`."),
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
    "alternation": Code("warning", "Two turns of one speaker in a row teach to speak out of turn.",
                        "Join them, or add what stood between."),
    "starts-assistant": Code("warning", "The conversation starts with the answer, to no question.",
                             "Start with the user's message."),
    "tool-unanswered": Code("warning", "After a call comes the tool's answer; some services refuse "
                            "the example without it.", "Add the `tool` message."),
    "tool-repeated": Code("error", "Two calls with one id can't be told apart.",
                          "Give every call an id of its own."),
    "tool-unknown": Code("warning", "The function is not among the example's `tools`.",
                         "Add it to `tools`, or correct the name."),
    "tool-arguments": Code("warning", "The arguments don't fit the function's own description.",
                           "Correct the arguments or the description."),
    "tool-schema": Code("error", "`parameters` is a JSON Schema of an object.",
                        "Correct the schema."),
    "part": Code("error", "A part has a known `type` and the key of that name.",
                 "Write it as in a chat request."),
    "image": Code("warning", "Only models that see can be tuned on images, and the lab on none.",
                  "Delete the part, or choose such a model."),
    "image-answer": Code("error", "The assistant can't learn to answer with a picture or a sound.",
                         "Move the part to a user's message."),
    "dpo": Code("error", "A preference example has an `input` with `messages`, and two outputs of "
                "one assistant's message each.", "Complete the example."),
    "dpo-same": Code("error", "Two equal answers show no preference.",
                     "Write a worse answer, or delete the example."),
    "dpo-turn": Code("error", "The input ends where the answer is due: not with the assistant.",
                     "Move the last answer to the outputs."),
    "long-text": Code("warning", f"Pairs over {LONG_TEXT:,} characters were more than completion "
                      "models could read.", "Shorten or divide it."),
    "upper-case": Code("warning", "Capitals cost more tokens, and the model learns to shout.",
                       "`report.fix(\"upper-case\")` writes small letters."),
    "echo": Code("warning", "An answer that repeats the question teaches to repeat.",
                 "Write the answer."),
    "prompt": Code("error", "`prompt` is text.", "Write it in quotes; \"\" if there is none."),
    "completion": Code("error", "`completion` is the text that the model learns to write.",
                       "Write the completion as text."),
    "too-long": Code("warning", "What is beyond the model's limit is cut off, and the end is "
                     "the answer.", "Shorten or divide the example."),
    # What is said
    "placeholder": Code("warning", "The model learns to write the placeholder.",
                        "Fill it in, or delete the example."),
    "control-character": Code("warning", "Invisible characters are tokens too, and mean nothing.",
                              "`report.fix()` removes them."),
    "wrong-characters": Code("warning", "The text was damaged before it came here, and the damage "
                             "is learned.", "Read the source again in its right encoding."),
    "special-token": Code("warning", "It looks like a turn's end to some services; others read it "
                          "as plain characters.", "Delete it, or write it differently."),
    "personal-data": Code("warning", "What is learned may be said to anybody.",
                          "`report.fix(\"personal-data\")` masks it."),
    "secret": Code("warning", "A key in a training file is a key given away: replace it.",
                   "`report.fix(\"secret\")` masks it; then revoke the key."),
    "harmful-words": Code("warning", "Training files go through moderation, which can stop the "
                          "job.", "Read the example, and delete it if it is meant as it says."),
    "refusal": Code("note", "A model that sees many refusals learns to refuse.",
                    "Keep it only if this is the answer you wish for."),
    # The set
    "refusals": Code("warning", "More than one answer in ten refuses: the model will, too.",
                     "Add answers, or delete refusals."),
    "near-duplicate": Code("warning", "Nearly the same, it counts double, and leaks if it is also "
                           "tested.", "Keep one of them."),
    "sampled": Code("note", "Comparing every row with every other would take too long.",
                    "Check a part of the file by itself."),
    "leakage": Code("error", "What is trained on can't be tested on: the measure lies.",
                    "Delete the row from one of the files; `dataset.split` avoids it."),
    "near-leakage": Code("warning", "A question that was trained on, but for a few letters, tests "
                         "memory.", "Delete the row from one of the files, if it is the same "
                         "question."),
    "language-mix": Code("note", "The model answers in the languages it saw, not always in yours.",
                         "Mean it, or choose one."),
    "endings-vary": Code("note", "Some answers end with a full stop or the like, some don't: the "
                         "model will vary, too.", "Decide for one."),
    "user-prefix": Code("note", "Words that stand before every question are paid for every time.",
                        "`report.fix(\"user-prefix\")` puts them into the system message, once."),
    "answer-prefix": Code("note", "Words that open every answer are learned, and paid for.",
                          "`report.fix(\"answer-prefix\")` takes them away, if they aren't needed."),
    "same-answer": Code("warning", "One answer to everything is all that will be learned.",
                        "Add other answers."),
    "open-ended": Code("note", "All prompts are empty: the model learns a style, not to answer.",
                       "Nothing, if this is what you want."),
    "no-separator": Code("note", "Completion models need a sign where the prompt ends.",
                         "`report.fix(\"no-separator\")` adds one."),
    "no-ending": Code("note", "Completion models need a sign where the answer ends.",
                      "`report.fix(\"no-ending\")` adds one."),
    "no-space": Code("note", "The older vocabularies put the space before a word, so completions "
                     "began with one.", "`report.fix(\"no-space\")` adds it."),
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
        if key not in known and isinstance(key, str) and key.strip().lower() in known:
            yield ("key-case", f"key `{excerpt(key, 30)}` is not written as it should be",
                   {key: row[key]})
        elif key not in known:
            yield ("unknown-key", f"key `{excerpt(key, 30)}` is not one of {_list(known)}"
                   f"{_meant(key, known)}", {key: row[key]})


def _known_keys(row: Mapping) -> list[str]:
    known = CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS
    return [key for key in row if isinstance(key, str) and key.strip().lower() in known]


def _meant(name: Any, known: Iterable[str]) -> str:
    """“; did you mean …?”, where one of the known names is much like it."""
    close = get_close_matches(name.lower(), known, 1, 0.75) if isinstance(name, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def check_row(value: Any) -> Iterator[Problem]:
    """Everything about one row that can be seen without the others."""
    kind = format_of(value)
    if not isinstance(value, Mapping):
        yield "not-object", f"this line is {_kind(value)}", value
    elif kind is None and (known := _known_keys(value)):
        yield "key-case", f"key `{excerpt(known[0], 30)}` is not written as it should be", value
    elif kind is None:
        yield "no-format", "neither `messages` nor `prompt` and `completion`", value
    else:
        yield from {"chat": check_chat, "completion": check_completion,
                    "preference": check_preference}[kind](value)
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
    for check in (_speakers, _order, _turns, _weights, _tool_answers, _said):
        yield from check(whole)
    yield from _tool_use(row, whole)


def _message(message: Any) -> Iterator[Problem]:
    if not isinstance(message, Mapping):
        yield "message", "is no object", message
        return
    yield from _keys(message, MESSAGE_KEYS)
    role = message.get("role")
    if role is None:
        yield "message", "has no `role`", message
    elif not isinstance(role, str) or role not in ROLES:
        yield "role", f"unknown role `{excerpt(role, 30)}`{_meant(role, ROLES)}", message
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
    else:
        yield from _parts(content, message.get("role"))


def _parts(content: list[Mapping], role: Any) -> Iterator[Problem]:
    for part in content:
        kind = part["type"]
        value = part.get(PART_TYPES.get(kind, ""))
        if kind not in PART_TYPES:
            yield "part", f"unknown part `{excerpt(kind, 30)}`", part
        elif not isinstance(value, str if kind in ("text", "refusal") else Mapping):
            yield "part", f"a part of type `{kind}` needs `{PART_TYPES[kind]}`", part
        elif kind in ("image_url", "input_audio", "file"):
            if kind == "image_url" and not isinstance(value.get("url"), str):
                yield "part", "`image_url` needs a `url`", part
            elif role == "assistant":
                yield "image-answer", f"the assistant's message holds `{kind}`", part
            else:
                yield "image", f"a part of type `{kind}`", part


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


def _turns(messages: list[Mapping]) -> Iterator[Problem]:
    spoken = [message for message in messages
              if message.get("role") in ("user", "assistant", "tool", "function")]
    roles = [message.get("role") for message in spoken]
    if "user" in roles and roles[0] == "assistant":
        yield "starts-assistant", "the first turn is the assistant's", spoken[0]
    for before, message in zip(spoken, spoken[1:], strict=False):
        if message["role"] == before["role"] in ("user", "assistant") \
                and before.get("name") == message.get("name"):
            yield "alternation", f"two turns of the {message['role']} in a row", message


def texts_of(value: Any) -> Iterator[str]:
    """The texts of a message's content: itself, or its text parts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]


def _said(messages: list[Mapping]) -> Iterator[Problem]:
    asked = None
    for place, message in enumerate(messages, start=1):
        role = message.get("role")
        for text in texts_of(message.get("content")):
            for code, problem, quoted in words.check(text):
                yield code, f"message {place}: {problem}", quoted
            if shouted(text):
                yield "upper-case", f"message {place}: mostly capitals", text
            if role == "assistant":
                if words.refuses(text):
                    yield "refusal", f"message {place}: the answer refuses", text
                if asked and len(text.split()) > 2 and text.strip().lower() == asked:
                    yield "echo", f"message {place}: the answer repeats the question", text
            elif role == "user":
                asked = text.strip().lower()


def shouted(text: str) -> bool:
    """Mostly capitals, in more than a word or a name."""
    capitals = sum(map(str.isupper, text))
    return capitals > 10 and 20 <= sum(map(str.isalpha, text)) < 2 * capitals


def _tool_use(row: Mapping, messages: list[Mapping]) -> Iterator[Problem]:
    described = _described(row)
    yield from (("tool-schema", problem, quoted) for problem, quoted in described.pop("", []))
    for place, message in enumerate(messages):
        calls = message.get("tool_calls")
        calls = [call for call in calls if isinstance(call, Mapping)] \
            if isinstance(calls, list) else []
        ids = [call.get("id") for call in calls if isinstance(call.get("id"), str)]
        if len(set(ids)) < len(ids):
            yield "tool-repeated", "two calls have the same id", message
        answered = [later.get("tool_call_id") for later in messages[place + 1:]
                    if later.get("role") == "tool"]
        if place + 1 < len(messages) and not all(name in answered for name in ids):
            yield "tool-unanswered", "a call without the tool's answer", message
        functions = [call.get("function") for call in calls]
        if isinstance(message.get("function_call"), Mapping):
            functions.append(message["function_call"])
        for function in functions:
            name = function.get("name") if isinstance(function, Mapping) else None
            if not described or not isinstance(name, str):
                continue
            if name not in described:
                yield "tool-unknown", f"`{excerpt(name, 30)}` is called, but not described", message
            elif problem := _misfit(function.get("arguments"), described[name]):
                yield "tool-arguments", f"arguments: {problem}", function.get("arguments")


def _described(row: Mapping) -> dict[str, Any]:
    """The parameters of each function of the row; under "" what is wrong with them."""
    found: dict[str, Any] = {}
    for key in ("tools", "functions"):
        listed = row.get(key)
        for tool in listed if isinstance(listed, list) else []:
            within = key == "tools" and isinstance(tool, Mapping)
            function = tool.get("function") if within else tool
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                continue  # `_tools` says so
            parameters = function.get("parameters")
            if parameters is not None and (problem := _schema_problem(parameters)):
                found.setdefault("", []).append((f"`parameters` {problem}", tool))
                parameters = None
            found[function["name"]] = parameters
    return found


def _schema_problem(parameters: Any) -> str | None:
    if not isinstance(parameters, Mapping):
        return f"is {_kind(parameters)}, not an object"
    if parameters.get("type", "object") != "object":
        return "describes something else than an object"
    from jsonschema import Draft202012Validator, SchemaError  # here: most files have no tools

    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        return f"is no JSON Schema: {excerpt(error.message, 60)}"
    except Exception as error:  # schemas from anywhere: too deep, odd references
        return f"is no JSON Schema that can be read ({type(error).__name__})"
    return None


def _misfit(arguments: Any, parameters: Mapping | None) -> str | None:
    if not parameters or not _holds_json(arguments):
        return None
    from jsonschema import Draft202012Validator

    try:
        problems = list(Draft202012Validator(parameters).iter_errors(json.loads(arguments)))
    except Exception:  # a reference that leads nowhere: the schema's fault, not the call's
        return None
    return excerpt(problems[0].message, 60) if problems else None


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
        else:
            for code, problem, quoted in words.check(text):
                yield code, f"`{key}`: {problem}", quoted
            if shouted(text):
                yield "upper-case", f"`{key}`: mostly capitals", text
    texts = [row[key] for key in ("prompt", "completion") if isinstance(row.get(key), str)]
    if sum(map(len, texts)) > LONG_TEXT:
        yield "long-text", f"{sum(map(len, texts)):,} characters", row
    if isinstance(row.get("completion"), str):
        if words.refuses(row["completion"]):
            yield "refusal", "the completion refuses", row["completion"]
        if len(texts) == 2 and len(texts[0].split()) > 2 and \
                texts[0].strip().lower() == texts[1].strip().lower():
            yield "echo", "the completion repeats the prompt", row


def check_preference(row: Mapping) -> Iterator[Problem]:
    """Everything about one preference example (DPO) that can be seen without the others."""
    yield from _keys(row, PREFERENCE_KEYS)
    asked = row.get("input")
    if not isinstance(asked, Mapping) or not isinstance(asked.get("messages"), list) \
            or not asked["messages"]:
        yield "dpo", "`input` is no object with a list of `messages`", asked
    else:
        yield from _keys(asked, INPUT_KEYS)
        yield from _tools(asked)
        whole = [message for message in asked["messages"] if isinstance(message, Mapping)]
        for place, message in enumerate(asked["messages"], start=1):
            for code, text, quoted in _message(message):
                yield code, f"message {place}: {text}", quoted
        yield from _said(whole)
        if whole and whole[-1].get("role") == "assistant":
            yield "dpo-turn", "the last message of the input is the assistant's", whole[-1]
    for key in ("preferred_output", "non_preferred_output"):
        given = row.get(key)
        if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], Mapping) \
                or given[0].get("role") != "assistant":
            yield "dpo", f"`{key}` is no list of one assistant's message", given
            continue
        for code, text, quoted in [*_message(given[0]), *_said(given)]:
            yield code, f"`{key}`: {text}", quoted
    wished = row.get("preferred_output")
    if wished and as_json(wished) == as_json(row.get("non_preferred_output")):
        yield "dpo-same", "both outputs are the same", wished


def format_of(row: Any) -> str | None:
    """"chat", "completion", "preference" (two answers, for DPO), or None for what is none."""
    if not isinstance(row, Mapping):
        return None
    if "messages" in row:
        return "chat"
    if "preferred_output" in row or "non_preferred_output" in row:
        return "preference"
    return "completion" if "prompt" in row or "completion" in row else None
