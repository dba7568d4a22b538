"""Fine-tuning data: read it, check it, convert it, split it, write it.

The front door: how files are read stands in `workbook.doctor.readers`, what can be wrong with an example in
`workbook.doctor.row_checks`, with a set in `workbook.doctor.set_checks`, how findings look in `workbook.doctor.report`, how they are
mended in `workbook.doctor.repair`. `workbook` is the same on the command line.
"""

import random
import re
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from workbook import paths
from workbook.doctor import readers, report, set_checks, writing
from workbook.doctor.codes import CODES, Line, Problem
from workbook.doctor.fingerprints import Example, example_of, fingerprint
from workbook.doctor.report import Finding, Report
from workbook.doctor.writing import DatasetError
from workbook.prices import registry
from workbook.rows.validator import format_of

__all__ = [
    "CODES",
    "DatasetError",
    "Finding",
    "Report",
    "check",
    "read",
    "split",
    "stream",
    "to_chat",
    "to_prompt_completion",
    "write",
]

# Ends of prompts in older training files, which told the model where the completion starts.
_SEPARATOR = re.compile(r"(\s*(->|###|=>)\s*|\n+)$")

Row = dict[str, Any]


# Reading


def read(path: str | Path, **options: Any) -> list[Any]:
    """The rows of a file in any format of `workbook.doctor.readers`; a BOM and blank lines are passed over.

    options   for WhatsApp exports: assistant, gap_hours, date_order, mask, system
    Raises DatasetError for a missing file, and for the first row that can't be read; `check` lists
    all of them.
    """
    return list(stream(path, **options))


def stream(path: str | Path, doing: str = "reading", **options: Any) -> Iterator[Any]:
    """As `read`, one row after the other; `doing` stands before the bar of what takes long."""
    source = _open(path, **options)
    for line in source.watched(doing):
        if line.readable:
            yield line.value
        elif errors := [
            problem for problem in line.problems if CODES[problem[0]].severity == "error"
        ]:
            raise DatasetError(
                f"{source.path.name}, line {line.number}: {errors[0][1]}. "
                "doctor.check lists everything that is wrong with the file."
            )


def _open(path: str | Path, **options: Any) -> readers.Source:
    try:
        return readers.open_source(path, **options)
    except readers.Unreadable as error:
        raise DatasetError(str(error)) from None


# Checking


def check(
    path_or_rows: str | Path | Iterable[Any],
    model: str | None = None,
    *,
    job: Mapping[str, Any] | None = None,
    against: Mapping[str, str | Path | Iterable[Any]] | None = None,
    **options: Any,
) -> Report:
    """Check a file in any format, or rows in memory, and report every finding with its line.

    model     an id of the registry: tokens are counted, and examples beyond its limit are found
    job       what the job will be given: `suffix`, `metadata`, `on` (a date), `azure` (True)
    against   other data by name, {"train": …}: rows that ask the same as one of theirs are leaks
    options   for WhatsApp exports, as for `read`

    In a notebook the report shows itself as a table; `report.ok`, `.summary`, `.findings`,
    `.table()`, `.stats()` and `.counts` say the same to a program.
    No content of the data raises an error; a missing file or an unknown model does (WorkbookError).
    """
    leaks = None
    if against:
        leaks = set_checks.Leaks()
        for name, data in against.items():
            leaks.begin(name)
            for example in _examples(data):
                list(leaks.add(example))  # who leaks into whom among these is not asked
        leaks.begin("")
    return _check(path_or_rows, model, job, leaks, options)


def check_files(
    files: Sequence[str | Path],
    model: str | None = None,
    *,
    job: Mapping[str, Any] | None = None,
    scheduler: str | None = None,
    **options: Any,
) -> list[Report]:
    """Check several files, each also for what leaks into it from those before it.

    scheduler   the address of a Dask cluster that does it; files may then be addresses, too
    """
    if scheduler:
        from workbook.doctor import cluster  # here: few have a cluster

        return cluster.check_files(
            list(map(str, files)),
            scheduler,
            model,
            list(_job_problems(job, model)) if job is not None else [],
            **options,
        )
    leaks = set_checks.Leaks()
    reports = []
    for file in files:
        leaks.begin(str(file))
        reports.append(_check(file, model, job, leaks if len(files) > 1 else None, options))
    return reports


def _check(
    path_or_rows: str | Path | Iterable[Any],
    model: str | None,
    job: Mapping[str, Any] | None,
    leaks: set_checks.Leaks | None,
    options: Mapping[str, Any],
) -> Report:
    chosen = [*set_checks.checks(), *([leaks] if leaks else [])]
    before = list(_job_problems(job, model)) if job is not None else []
    if not isinstance(path_or_rows, (str, Path)):
        rows = path_or_rows if isinstance(path_or_rows, Sequence) else list(path_or_rows)
        lines = (Line(*each) for each in enumerate(_watched(rows, "checking"), start=1))
        return report.build("rows", lines, model, before, rows, chosen)
    source = _open(path_or_rows, **options)
    # What is wrong with the file as a whole is known once it has been read.
    return report.build(
        source.path.name,
        source.watched("checking"),
        model,
        chain(before, source.problems),
        source,
        chosen,
    )


def _watched(rows: Iterable[Any], doing: str) -> Iterable[Any]:
    """The rows, under a bar on stderr where they take longer than two seconds."""
    return tqdm(rows, desc=doing, unit=" rows", delay=2, leave=False)


def _examples(data: str | Path | Iterable[Any]) -> Iterator[Example]:
    lines = (
        _open(data).lines()
        if isinstance(data, (str, Path))
        else (Line(number, row) for number, row in enumerate(data, start=1))
    )
    for line in lines:
        if line.readable and format_of(line.value):
            yield example_of(line)


def _job_problems(job: Mapping[str, Any], model: str | None) -> Iterator[Problem]:
    suffix, metadata = job.get("suffix"), job.get("metadata")
    if suffix is not None:
        longest = 18 if job.get("azure") else 64
        if not isinstance(suffix, str) or not 1 <= len(suffix) <= longest:
            yield "suffix", f"the suffix has {len(str(suffix))} characters, not 1 to {longest}", ""
        elif job.get("azure") and "." in suffix:
            yield "suffix", "the suffix holds a dot, which Azure refuses", suffix
    if metadata is not None:
        pairs = metadata.items() if isinstance(metadata, Mapping) else ()
        if (
            not isinstance(metadata, Mapping)
            or len(metadata) > 16
            or not all(
                isinstance(key, str)
                and isinstance(value, str)
                and len(key) <= 64
                and len(value) <= 512
                for key, value in pairs
            )
        ):
            yield "metadata", "the metadata does not fit", metadata
    if model:
        day = job.get("on") or date.today()
        if not registry.get(model).is_tunable(day, existing_customer=True):
            yield "model-closed", f"{model} on {day}", ""


# Converting


def to_prompt_completion(row: Mapping[str, Any]) -> Row:
    """One chat example as {"prompt", "completion"}: system and user text, and the answer.

    The older format has no roles, so only a single question with its answer fits; anything else
    raises DatasetError and says what would be lost.
    """
    messages = row.get("messages")
    if not isinstance(messages, list) or not all(
        isinstance(message, Mapping) and isinstance(message.get("content"), str)
        for message in messages
    ):
        raise DatasetError(
            "Only a chat example with text in every message can become a prompt and "
            "a completion. doctor.check says what is wrong with this one."
        )
    roles = [message.get("role") for message in messages]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise DatasetError(
            f"A prompt and a completion hold one question and one answer; this "
            f"example has {', '.join(map(str, roles))}: who said what would be "
            "lost. Keep it as chat."
        )
    if len(row) > 1 or any("weight" in message or "name" in message for message in messages):
        raise DatasetError(
            "Tools, weights and names have no place in a prompt and a completion. "
            "Keep this example as chat."
        )
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
        raise DatasetError(
            "An example needs a `prompt` and a `completion`, both text. "
            "doctor.check says what is wrong with this one."
        )
    if system is not None:
        prompt = prompt.removeprefix(f"{system}\n\n")
    messages = [] if system is None else [{"role": "system", "content": system}]
    return {
        "messages": [
            *messages,
            {"role": "user", "content": _SEPARATOR.sub("", prompt)},
            {"role": "assistant", "content": completion.strip()},
        ]
    }


# Splitting


def question_of(row: Mapping[str, Any]) -> str:
    """What the model is asked in an example, in lower case and without double spaces."""
    messages = _list_of(row.get("messages"))
    if isinstance(row.get("input"), Mapping):
        messages = _list_of(row["input"].get("messages"))
    if "contents" in row:
        asked = [
            part.get("text", "")
            for content in _list_of(row["contents"])
            if content.get("role") == "user"
            for part in _list_of(content.get("parts"))
        ]
    elif messages:
        asked = [
            str(message.get("content")) for message in messages if message.get("role") == "user"
        ]
    else:
        asked = [str(row.get("prompt"))]
    return " ".join("\n".join(asked).lower().split())


def answer_of(row: Mapping[str, Any]) -> str:
    """What the model is to answer in an example."""
    messages = _list_of(row.get("messages")) or _list_of(row.get("preferred_output"))
    if "contents" in row:
        parts = [
            part
            for content in _list_of(row["contents"])[-1:]
            for part in _list_of(content.get("parts"))
        ]
        return "\n".join(str(part.get("text")) for part in parts)
    return str(messages[-1].get("content") if messages else row.get("completion"))


def _list_of(value: Any) -> list[Mapping]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def split(
    rows: Sequence[Mapping[str, Any]],
    shares: Mapping[str, float] | None = None,
    *,
    group: Callable[[Mapping[str, Any]], Hashable] | None = None,
    label: Callable[[Mapping[str, Any]], Hashable] = answer_of,
    question: Callable[[Mapping[str, Any]], Hashable] = question_of,
    seed: int = 42,
) -> dict[str, list[Mapping[str, Any]]]:
    """Divide rows at random, so that what belongs together stays together.

    shares    of each split, {"train": 0.8, "validation": 0.1, "test": 0.1} unless told
    group     rows with the same value of it are never in two splits (one author, one review, …)
    label     every split gets each label in about the same proportion
    question  rows that ask the same are never in two splits either, whatever their group

    The same rows and seed give the same splits. Raises DatasetError for shares that are not
    positive, and where there are too few groups to fill every split.
    """
    places = split_places(rows, shares, group=group, label=label, question=question, seed=seed)
    return {name: [rows[index] for index in indices] for name, indices in places.items()}


def split_places(
    rows: Sequence[Mapping[str, Any]],
    shares: Mapping[str, float] | None = None,
    *,
    group: Callable[[Mapping[str, Any]], Hashable] | None = None,
    label: Callable[[Mapping[str, Any]], Hashable] = answer_of,
    question: Callable[[Mapping[str, Any]], Hashable] = question_of,
    seed: int = 42,
) -> dict[str, Sequence[int]]:
    """As `split`, but the places of the rows: for rows that are not in memory."""
    shares = dict(shares or {"train": 0.8, "validation": 0.1, "test": 0.1})
    if not shares or any(share <= 0 for share in shares.values()):
        raise DatasetError("Each split needs a share greater than 0.")
    labels: list[Hashable] = []
    links: list[list[Hashable]] = [[], []][: 1 if group is None else 2]
    for row in _watched(rows, "dividing"):
        labels.append(_short(label(row)))
        for key, values in zip((question, group), links, strict=False):
            values.append(_short(key(row)))
    bundles = _bundles(links)
    if len(bundles) < len(shares):
        raise DatasetError(
            f"There are {len(bundles)} groups of rows that must stay together, too "
            f"few for {len(shares)} splits. Use fewer splits or more data."
        )
    dice = random.Random(seed)
    dice.shuffle(bundles)
    bundles.sort(key=len, reverse=True)  # large ones first: the small ones then even things out
    counts = Counter(labels)
    part = {name: share / sum(shares.values()) for name, share in shares.items()}
    chosen: dict[str, array[int]] = {name: array("q") for name in shares}
    taken = {name: Counter() for name in shares}
    for place, bundle in enumerate(bundles):
        kinds = Counter(labels[index] for index in bundle)
        empty = [name for name in shares if not chosen[name]]
        # The last bundles go where there is nothing yet; otherwise to the least filled split,
        # where both its size and its share of the bundle's labels count.
        names = empty if len(empty) >= len(bundles) - place else list(shares)
        best = min(
            names,
            key=lambda name: (
                (
                    len(chosen[name]) / len(labels)
                    + sum(count * taken[name][kind] / counts[kind] for kind, count in kinds.items())
                    / len(bundle)
                )
                / part[name]
            ),
        )
        chosen[best].extend(bundle)
        taken[best].update(kinds)
    for indices in chosen.values():
        dice.shuffle(indices)
    return chosen


def _short(value: Hashable) -> Hashable:
    """A number in the place of a long text."""
    return fingerprint(value) if isinstance(value, str) and len(value) > 24 else value


def _bundles(links: Sequence[Sequence[Hashable]]) -> list[Sequence[int]]:
    """Indices of rows that are linked, also over several steps, by the same value in any list."""
    parent = array("q", range(len(links[0])))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for values in links:
        first: dict[Hashable, int] = {}
        for index, value in enumerate(values):
            parent[root(index)] = root(first.setdefault(value, index))
    bundles: dict[int, Sequence[int]] = {}
    for index in range(len(parent)):
        top = root(index)
        before = bundles.get(top)
        if before is None:
            bundles[top] = (index,)
        elif isinstance(before, tuple):  # most bundles have one row: a list only for others
            bundles[top] = [*before, index]
        else:
            before.append(index)
    return list(bundles.values())


# Writing


def write(rows: Iterable[Mapping[str, Any]], name: str, *, bom: bool = False) -> Path:
    """Write rows as JSONL (UTF-8, one a line) to `name` in the student's work folder.

    A file of that name is never lost: with the same content it stays as it is, with another one it
    is kept as name.1.jsonl, name.2.jsonl, … `bom` is for Azure. Raises DatasetError for a row that
    JSON can't hold and for a name that is no plain file name ending in .jsonl.
    """
    if Path(name).name != name or not name.endswith(".jsonl") or name == ".jsonl":
        raise DatasetError(f"{name!r} is no plain file name ending in .jsonl.")
    path = paths.work() / name
    lines = (writing.encode(row, number) for number, row in enumerate(rows, start=1))
    writing.write_files({path: chain([readers.BOM] if bom else [], lines)})
    return path


if __name__ == "__main__":
    from workbook.doctor.cli import main  # here: only the command line needs it

    raise SystemExit(main())
