"""Fine-tuning data: read it, check it, convert it, split it, write it.

Knows JSONL files and the two formats of an example, chat and prompt/completion. What can be wrong
with an example stands in `helpers.checks`; where the data comes from is not known here.
"""

import json
import os
import random
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers import paths, report
from helpers.checks import CODES, Line, Problem
from helpers.errors import WorkbookError
from helpers.report import Finding, Report

__all__ = ["CODES", "DatasetError", "Finding", "Report", "check", "read", "split", "to_chat",
           "to_prompt_completion", "write"]

MAX_BYTES = 512 * 1024 * 1024
"""Largest training file that OpenAI accepts (512 MB)."""
_BOM = b"\xef\xbb\xbf"
# Ends of prompts in older training files, which told the model where the completion starts.
_SEPARATOR = re.compile(r"(\s*(->|###|=>)\s*|\n+)$")

Row = dict[str, Any]


class DatasetError(WorkbookError):
    """Data that can't be read, converted, split or written as asked."""


# Reading

def read(path: str | Path) -> list[Any]:
    """The rows of a JSONL file (a BOM and blank lines are passed over).

    Raises DatasetError for a missing file, and for the first line that is not JSON; `check` lists
    all of them.
    """
    path = Path(path)
    rows = []
    for line in _lines(path):
        if not line.readable:
            errors = [problem for problem in line.problems
                      if CODES[problem[0]].severity == "error"]
            if errors:
                raise DatasetError(f"{path.name}, line {line.number}: {errors[0][1]}. "
                                   f"dataset.check lists everything that is wrong with the file.")
            continue
        rows.append(line.value)
    return rows


def _lines(path: Path) -> Iterator[Line]:
    """The file line by line, numbered from 1; nothing in it can raise an error."""
    try:
        with open(path, "rb") as stream:
            for number, raw in enumerate(stream, start=1):
                yield _line(number, raw)
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror or error}. Check the name and "
                           "the folder.") from None


def _line(number: int, raw: bytes) -> Line:
    problems = []
    if number == 1 and raw.startswith(_BOM):
        raw = raw[len(_BOM):]
        problems.append(("bom", "the file starts with a byte order mark", ""))
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        shown = raw[:60].decode("utf-8", "backslashreplace").rstrip("\r\n")
        problems.append(("not-utf8", f"byte {error.start + 1} is not UTF-8", shown))
        return Line(number, None, tuple(problems), readable=False)
    if not text.strip():
        if raw:
            problems.append(("blank-line", "the line is empty", ""))
        return Line(number, None, tuple(problems), readable=False)
    repeated: list[str] = []
    try:
        value = _decode(text, repeated)
    except json.JSONDecodeError as error:
        problems.append(("not-json", f"not JSON: {error.msg} at character {error.pos + 1}",
                         text[max(0, error.pos - 30):error.pos + 30]))
    except RecursionError:
        problems.append(("not-json", "nested too deeply to be read", text))
    except ValueError as error:  # numbers of thousands of digits, NaN
        problems.append(("not-json", f"not JSON: {error}", text))
    else:
        problems += [("repeated-key", f"key “{key}” stands twice in one object", text)
                     for key in repeated]
        return Line(number, value, tuple(problems))
    return Line(number, None, tuple(problems), readable=False)


def _decode(text: str, repeated: list[str]) -> Any:
    """JSON as its standard has it: no NaN, and keys that stand twice are collected."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON number")

    def collect(pairs: list[tuple[str, Any]]) -> Row:
        value = dict(pairs)
        if len(value) < len(pairs):
            repeated.extend(key for key, count in Counter(key for key, _ in pairs).items()
                            if count > 1)
        return value

    return json.loads(text, parse_constant=refuse, object_pairs_hook=collect)


# Checking

def check(path_or_rows: str | Path | Iterable[Any], model: str | None = None) -> Report:
    """Check a JSONL file, or rows in memory, and report every finding with its line.

    With a `model` (an id of the registry) tokens are counted, and examples beyond the model's
    limit are found. In a notebook the report shows itself as a table; `report.ok`, `.summary`,
    `.findings`, `.table()` and `.counts` say the same to a program.
    No content of the data raises an error; a missing file or an unknown model does (WorkbookError).
    """
    if not isinstance(path_or_rows, (str, Path)):
        lines = (Line(number, row) for number, row in enumerate(path_or_rows, start=1))
        return report.build("rows", lines, model)
    path = Path(path_or_rows)
    rows = _as_list(path)
    if rows is not None:
        problem = ("json-list", f"the file is one JSON list of {len(rows):,} elements; the numbers "
                   "below count its elements", "")
        lines = (Line(number, row) for number, row in enumerate(rows, start=1))
        return report.build(path.name, lines, model, [problem])
    return report.build(path.name, _lines(path), model, _file_problems(path))


def _file_problems(path: Path) -> Iterator[Problem]:
    try:
        size = path.stat().st_size
    except OSError:
        return  # reading says it better
    if path.suffix.lower() != ".jsonl":
        yield "file-name", f"the name ends in “{path.suffix}”", ""
    if size > MAX_BYTES:
        yield "too-large", f"{size / 1024 ** 2:,.0f} MB", ""


def _as_list(path: Path) -> list[Any] | None:
    """The elements, if the whole file is one JSON list (and not JSONL with a list on each line)."""
    try:
        with open(path, "rb") as stream:
            if not stream.read(64).removeprefix(_BOM).lstrip().startswith(b"["):
                return None
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


# Converting

def to_prompt_completion(row: Mapping[str, Any]) -> Row:
    """One chat example as {"prompt", "completion"}: system and user text, and the answer.

    The older format has no roles, so only a single question with its answer fits; anything else
    raises DatasetError and says what would be lost.
    """
    messages = row.get("messages")
    if not isinstance(messages, list) or not all(
            isinstance(message, Mapping) and isinstance(message.get("content"), str)
            for message in messages):
        raise DatasetError("Only a chat example with text in every message can become a prompt and "
                           "a completion. dataset.check says what is wrong with this one.")
    roles = [message.get("role") for message in messages]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise DatasetError(f"A prompt and a completion hold one question and one answer; this "
                           f"example has {', '.join(map(str, roles))}: who said what would be "
                           "lost. Keep it as chat.")
    if len(row) > 1 or any("weight" in message or "name" in message for message in messages):
        raise DatasetError("Tools, weights and names have no place in a prompt and a completion. "
                           "Keep this example as chat.")
    *before, answer = (message["content"] for message in messages)
    return {"prompt": "\n\n".join(before), "completion": answer}


def to_chat(row: Mapping[str, Any], system: str | None = None) -> Row:
    """One prompt/completion example as chat, under a system message if one is given.

    What only marked the seam in the older format is dropped: a separator at the prompt's end
    (`->`, `###`, line breaks) and the space before the completion. A prompt that starts with the
    `system` text gets it as its system message, so chat → prompt/completion → chat comes back.
    Raises DatasetError for rows that are not two texts.
    """
    prompt, completion = row.get("prompt"), row.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise DatasetError("An example needs a `prompt` and a `completion`, both text. "
                           "dataset.check says what is wrong with this one.")
    if system is not None:
        prompt = prompt.removeprefix(f"{system}\n\n")
    messages = [] if system is None else [{"role": "system", "content": system}]
    return {"messages": [*messages, {"role": "user", "content": _SEPARATOR.sub("", prompt)},
                         {"role": "assistant", "content": completion.strip()}]}


# Splitting

def question_of(row: Mapping[str, Any]) -> str:
    """What the model is asked in an example, in lower case and without double spaces."""
    if "messages" in row:
        asked = [str(message.get("content")) for message in row["messages"]
                 if message.get("role") == "user"]
        return " ".join("\n".join(asked).lower().split())
    return " ".join(str(row.get("prompt")).lower().split())


def answer_of(row: Mapping[str, Any]) -> str:
    """What the model is to answer in an example."""
    return str(row["messages"][-1].get("content") if "messages" in row else row.get("completion"))


def split(rows: Sequence[Mapping[str, Any]], shares: Mapping[str, float] | None = None, *,
          group: Callable[[Mapping[str, Any]], Hashable] | None = None,
          label: Callable[[Mapping[str, Any]], Hashable] = answer_of,
          question: Callable[[Mapping[str, Any]], Hashable] = question_of,
          seed: int = 42) -> dict[str, list[Mapping[str, Any]]]:
    """Divide rows at random, so that what belongs together stays together.

    shares    of each split, {"train": 0.8, "validation": 0.1, "test": 0.1} unless told
    group     rows with the same value of it are never in two splits (one author, one review, …)
    label     every split gets each label in about the same proportion
    question  rows that ask the same are never in two splits either, whatever their group

    The same rows and seed give the same splits. Raises DatasetError for shares that are not
    positive, and where there are too few groups to fill every split.
    """
    shares = dict(shares or {"train": 0.8, "validation": 0.1, "test": 0.1})
    if not shares or any(share <= 0 for share in shares.values()):
        raise DatasetError("Each split needs a share greater than 0.")
    bundles = _bundles(rows, [question] if group is None else [question, group])
    if len(bundles) < len(shares):
        raise DatasetError(f"There are {len(bundles)} groups of rows that must stay together, too "
                           f"few for {len(shares)} splits. Use fewer splits or more data.")
    dice = random.Random(seed)
    dice.shuffle(bundles)
    bundles.sort(key=len, reverse=True)  # large ones first: the small ones then even things out
    labels = [label(row) for row in rows]
    counts = Counter(labels)
    part = {name: share / sum(shares.values()) for name, share in shares.items()}
    chosen: dict[str, list[int]] = {name: [] for name in shares}
    taken = {name: Counter() for name in shares}
    for place, bundle in enumerate(bundles):
        kinds = Counter(labels[index] for index in bundle)
        empty = [name for name in shares if not chosen[name]]
        # The last bundles go where there is nothing yet; otherwise to the least filled split,
        # where both its size and its share of the bundle's labels count.
        names = empty if len(empty) >= len(bundles) - place else list(shares)
        best = min(names, key=lambda name: (
            len(chosen[name]) / len(rows)
            + sum(count * taken[name][kind] / counts[kind] for kind, count in kinds.items())
            / len(bundle)) / part[name])
        chosen[best] += bundle
        taken[best].update(kinds)
    for indices in chosen.values():
        dice.shuffle(indices)
    return {name: [rows[index] for index in indices] for name, indices in chosen.items()}


def _bundles(rows: Sequence[Mapping[str, Any]],
             keys: Sequence[Callable[[Mapping[str, Any]], Hashable]]) -> list[list[int]]:
    """Indices of rows that are linked, also over several steps, by the same value of any key."""
    parent = list(range(len(rows)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for key in keys:
        first: dict[Hashable, int] = {}
        for index, row in enumerate(rows):
            parent[root(index)] = root(first.setdefault(key(row), index))
    bundles = defaultdict(list)
    for index in range(len(rows)):
        bundles[root(index)].append(index)
    return list(bundles.values())


# Writing

def write(rows: Iterable[Mapping[str, Any]], name: str) -> Path:
    """Write rows as JSONL (UTF-8, one a line) to `name` in the student's work folder.

    A file of that name is never lost: with the same content it stays as it is, with another one it
    is kept as name.1.jsonl, name.2.jsonl, … Raises DatasetError for a row that JSON can't hold and
    for a name that is no plain file name ending in .jsonl.
    """
    if Path(name).name != name or not name.endswith(".jsonl") or name == ".jsonl":
        raise DatasetError(f"{name!r} is no plain file name ending in .jsonl.")
    content = b"".join(_encode(row, number) for number, row in enumerate(rows, start=1))
    path = paths.work() / name
    try:
        if path.exists():
            if path.read_bytes() == content:
                return path
            _keep(path)
        handle, unfinished = tempfile.mkstemp(prefix=f".{name}.", dir=path.parent)
        try:
            with open(handle, "wb") as stream:
                stream.write(content)
            os.chmod(unfinished, 0o644)
            os.replace(unfinished, path)
        except BaseException:
            os.unlink(unfinished)
            raise
    except OSError as error:
        raise DatasetError(f"{path} could not be written: {error.strerror or error}. Free some "
                           "space, or set WORKBOOK_WORK to a folder you may write to.") from None
    return path


def _encode(row: Any, number: int) -> bytes:
    try:
        return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # half of a two-part character: only as an escape
        return (json.dumps(row, allow_nan=False) + "\n").encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise DatasetError(f"Row {number} can't be written as JSON: {error}.") from None


def _keep(path: Path) -> None:
    """Move a file aside under the first free number."""
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    path.rename(kept)
