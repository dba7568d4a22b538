"""How many rows a second the dataset doctor checks, beside a plain loop like the Cookbook's.

    python benchmarks/dataset_speed.py [--rows 100000] [--rounds 3] [--long 5000] [--full 2000]

One run, on generated chat rows of about 1 KB, in turns: the plain loop (all rows loaded, every
message looked at, every value encoded with tiktoken; statistics and cost) and the doctor's scan
(section A of the checks, token counts and price). Then both on documents of about 20 KB, and the
doctor's whole list of checks. Each is a process of its own, timed from its start to its end.

The texts: English words as often as they stand in Python's own manual, figures, a few words in
other alphabets, and one word in a hundred that was never seen before, as names and codes are
(Heaps' law: in the hundred million words of the largest file, one in some hundreds).
"""

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from itertools import accumulate
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

MODEL = "gpt-4o-mini-2024-07-18"
SYSTEM = (
    "You answer the customers of a shop for garden tools. Be brief and friendly, name prices "
    "in euros, and say so when you do not know something."
)
ABROAD = (
    "¿Cuánto cuesta?",
    "não",
    "señora",
    "über",
    "“yes”",
    "it’s",
    "—",
    "café",
    "😀",
    "дом",
    "花",
    "10 €",
    "3×4",
    "naïve",
    "ação",
    "…",
)
SYLLABLES = [
    first + middle + last
    for first in "bcdfgklmnprstvz"
    for middle in ("a", "e", "io", "u")
    for last in ("", "n", "r", "x", "th")
]
EVERY = 0.25  # seconds between two looks at the memory


def generate(path: Path, rows: int, size: int, seed: int = 7) -> None:
    """Chat rows of about `size` bytes: one system message, two turns of each side."""
    dice = random.Random(seed)
    often = Counter(
        re.findall(r"(?<!\S)(?:[A-Za-z][a-z'’-]*[.,;:?!]?|\d+)(?!\S)", " ".join(topics.values()))
    )
    words, weights = list(often), list(accumulate(often.values()))
    room = max(8, (size - 340) // 4 // 6)  # words a message; a word and its space are six bytes

    def text() -> str:
        said = dice.choices(words, cum_weights=weights, k=dice.randint(room // 2, room * 3 // 2))
        for place in range(dice.randrange(100), len(said), 100):
            said[place] = "".join(dice.choices(SYLLABLES, k=3))
        if dice.random() < 0.2:
            said[-1] = dice.choice(ABROAD)
        return " ".join(said)

    with open(path, "w", encoding="utf-8") as stream:
        for number in range(rows):
            messages = [{"role": "system", "content": SYSTEM}]
            for turn in range(2):
                messages += [
                    {"role": "user", "content": f"Order {number}-{turn}: {text()}"},
                    {"role": "assistant", "content": text()},
                ]
            stream.write(json.dumps({"messages": messages}) + "\n")


# What is measured


def plain_loop(path: str) -> tuple[int, int]:
    """(tokens, errors), as the Cookbook's notebook finds them, and all that it tells."""
    import numpy as np
    import tiktoken

    encoding = tiktoken.get_encoding("o200k_base")
    with open(path, encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    errors: Counter[str] = Counter()
    for row in rows:
        if not isinstance(row, dict):
            errors["no object"] += 1
            continue
        messages = row.get("messages")
        if not messages:
            errors["no messages"] += 1
            continue
        for message in messages:
            if "role" not in message or "content" not in message:
                errors["key missing"] += 1
            if any(
                key not in ("role", "content", "name", "function_call", "weight") for key in message
            ):
                errors["unknown key"] += 1
            if message.get("role") not in ("system", "user", "assistant", "function"):
                errors["unknown role"] += 1
            said = message.get("content")
            if not (said or message.get("function_call")) or not isinstance(said, str):
                errors["no content"] += 1
        if not any(message.get("role") == "assistant" for message in messages):
            errors["no assistant"] += 1
    without = Counter()
    lengths, totals, answers = [], [], []
    for row in rows:
        messages = row["messages"]
        for role in ("system", "user"):
            without[role] += not any(message["role"] == role for message in messages)
        total = 3
        for message in messages:
            total += 3
            for key, value in message.items():
                total += len(encoding.encode(value))
                if key == "name":
                    total += 1
        lengths.append(len(messages))
        totals.append(total)
        answers.append(
            sum(
                len(encoding.encode(message["content"]))
                for message in messages
                if message["role"] == "assistant"
            )
        )
    for numbers in (lengths, totals, answers):
        print(
            min(numbers),
            max(numbers),
            np.mean(numbers),
            np.median(numbers),
            np.quantile(numbers, 0.1),
            np.quantile(numbers, 0.9),
        )
    epochs = max(1, min(25, 25_000 // len(rows))) if len(rows) * 3 > 25_000 else 3
    print(
        without,
        sum(total > 16_385 for total in totals),
        epochs * sum(min(16_385, total) for total in totals),
    )
    return sum(totals), errors.total()


def basics(path: str) -> tuple[int, int]:
    """(tokens, errors) by the doctor's scan; it also knows the price."""
    from workbook.doctor import codes, fast_pass

    found = fast_pass.scan(path, MODEL)
    print(found.cost(MODEL))
    return found.tokens, sum(
        count
        for code, count in found.codes.items()
        if codes.CODES[code].severity == "error" and code != "too-large"
    )


def everything(path: str) -> tuple[int, int]:
    """(tokens, errors) by the doctor's whole list of checks."""
    from workbook import doctor

    report = doctor.check(path, MODEL)
    print(report.cost())
    return int(report.counts["tokens"].sum()), sum(
        finding.severity == "error" and finding.code != "too-large" for finding in report.findings
    )


WHAT = {each.__name__: each for each in (plain_loop, basics, everything)}


class Measured(NamedTuple):
    """What one process took: `seconds` by the clock, `used` seconds of processors."""

    seconds: float
    used: float
    peak: float
    """MiB of the process and those it started, at the highest of all looks."""
    found: list[int]


def run(what: str, path: str) -> None:
    found = WHAT[what](path)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps([sum(each.ru_utime + each.ru_stime for each in used), found]))


def measure(what: str, path: Path) -> Measured:
    """Run it in a process of its own, with all that it starts."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, __file__, "--run", what, str(path)],
        text=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"TIKTOKEN_CACHE_DIR": str(ROOT / "data/tiktoken")},
    ) as process:
        peak, done = [0.0], threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, peak, done))
        watch.start()
        told = process.stdout.read()
        process.wait()
        seconds = time.perf_counter() - begun
        done.set()
        watch.join()
    if process.returncode:
        raise SystemExit(f"{what} failed")
    used, found = json.loads(told.splitlines()[-1])
    return Measured(seconds, used, peak[0], found)


def _watch(pid: int, peak: list[float], done: threading.Event) -> None:
    import psutil

    while not done.wait(EVERY):
        try:
            tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            peak[0] = max(peak[0], sum(each.memory_info().rss for each in tree) / 2**20)
        except psutil.Error:  # one of them ended meanwhile
            continue


# What is told


def compare(path: Path, rows: int, rounds: int) -> None:
    """The plain loop and the doctor's basics in turns, then their ratios."""
    size = path.stat().st_size
    print(
        f"\n{rows:,} rows of {size / rows / 1000:.1f} KB ({size / 1e9:.2f} GB), {rounds} rounds "
        f"in turns, {os.cpu_count()} processors",
        flush=True,
    )
    turns: dict[str, list[Measured]] = {"plain_loop": [], "basics": []}
    for _ in range(rounds):
        for what, its in turns.items():
            its.append(measure(what, path))
    assert len({tuple(each.found) for its in turns.values() for each in its}) == 1, (
        "both find the same errors and count the same tokens"
    )
    for what, its in turns.items():
        tell(what, rows, its)
    pairs = list(zip(*turns.values(), strict=True))
    for name, ratios in (
        ("by the clock", [loop.seconds / fast.seconds for loop, fast in pairs]),
        ("by processor time", [loop.used / fast.used for loop, fast in pairs]),
    ):
        print(
            f"basics : plain loop ratio  {median(ratios):5.2f} × {name} "
            f"({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def tell(what: str, rows: int, its: list[Measured]) -> None:
    """One line: medians, and the spread over the rounds."""
    speeds = [rows / each.seconds for each in its]
    print(
        f"{what.replace('_', ' '):11}{median(speeds):9,.0f} rows/s ({min(speeds):,.0f} to "
        f"{max(speeds):,.0f}), {median(rows / each.used for each in its):8,.0f} a second of one "
        f"processor, {max(each.peak for each in its):6,.0f} MiB, {its[0].found[0]:,} tokens",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="rows of 1 KB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=int, default=5_000, help="documents of 20 KB")
    parser.add_argument("--full", type=int, default=2_000, help="rows for the whole list of checks")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        run(*chosen.run)
        return
    from workbook.doctor import set_checks

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        for rows, size in ((chosen.rows, 1_000), (chosen.long, 20_000)):
            generate(path, rows, size)
            compare(path, rows, chosen.rounds)
        generate(path, chosen.full, 1_000)
        print(
            "\nthe whole list of checks, near duplicates among the first "
            f"{set_checks.SAMPLE:,} rows only"
        )
        tell("everything", chosen.full, [measure("everything", path)])
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
