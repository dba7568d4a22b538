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
    rng = random.Random(seed)
    counts = Counter(
        re.findall(r"(?<!\S)(?:[A-Za-z][a-z'’-]*[.,;:?!]?|\d+)(?!\S)", " ".join(topics.values()))
    )
    words, weights = list(counts), list(accumulate(counts.values()))
    room = max(8, (size - 340) // 4 // 6)  # words a message; a word and its space are six bytes

    def text() -> str:
        sample = rng.choices(words, cum_weights=weights, k=rng.randint(room // 2, room * 3 // 2))
        for place in range(rng.randrange(100), len(sample), 100):
            sample[place] = "".join(rng.choices(SYLLABLES, k=3))
        if rng.random() < 0.2:
            sample[-1] = rng.choice(ABROAD)
        return " ".join(sample)

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
            content = message.get("content")
            if not (content or message.get("function_call")) or not isinstance(content, str):
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
    from workbook import doctor
    from workbook.doctor import fast_pass

    scan = fast_pass.scan(path, MODEL)
    print(scan.cost(MODEL))
    return scan.tokens, sum(
        count
        for code, count in scan.codes.items()
        if doctor.CODES[code].severity == "error" and code != "too-large"
    )


def everything(path: str) -> tuple[int, int]:
    """(tokens, errors) by the doctor's whole list of checks."""
    from workbook import doctor

    report = doctor.check(path, MODEL)
    print(report.cost())
    return int(report.counts["tokens"].sum()), sum(
        finding.severity == "error" and finding.code != "too-large" for finding in report.findings
    )


SUBJECTS = {subject.__name__: subject for subject in (plain_loop, basics, everything)}


class Measurement(NamedTuple):
    """What one process took."""

    seconds: float
    """By the clock."""
    cpu_seconds: float
    """Of all processors."""
    peak: float
    """MiB of the process and those it started, at the highest of all looks."""
    counts: list[int]
    """Tokens and errors."""


def run(subject: str, path: str) -> None:
    counts = SUBJECTS[subject](path)
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps([sum(usage.ru_utime + usage.ru_stime for usage in usages), counts]))


def measure(subject: str, path: Path) -> Measurement:
    """Run it in a process of its own, with all that it starts."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, __file__, "--run", subject, str(path)],
        text=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"TIKTOKEN_CACHE_DIR": str(ROOT / "data/tiktoken")},
    ) as process:
        peak, done = [0.0], threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, peak, done))
        watch.start()
        output = process.stdout.read()
        process.wait()
        seconds = time.perf_counter() - start
        done.set()
        watch.join()
    if process.returncode:
        raise SystemExit(f"{subject} failed")
    cpu_seconds, counts = json.loads(output.splitlines()[-1])
    return Measurement(seconds, cpu_seconds, peak[0], counts)


def _watch(pid: int, peak: list[float], done: threading.Event) -> None:
    import psutil

    while not done.wait(EVERY):
        try:
            tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            peak[0] = max(peak[0], sum(member.memory_info().rss for member in tree) / 2**20)
        except psutil.Error:  # one of them ended meanwhile
            continue


# What is printed


def compare(path: Path, rows: int, rounds: int) -> None:
    """The plain loop and the doctor's basics in turns, then their ratios."""
    size = path.stat().st_size
    print(
        f"\n{rows:,} rows of {size / rows / 1000:.1f} KB ({size / 1e9:.2f} GB), {rounds} rounds "
        f"in turns, {os.cpu_count()} processors",
        flush=True,
    )
    results: dict[str, list[Measurement]] = {"plain_loop": [], "basics": []}
    for _ in range(rounds):
        for subject, measurements in results.items():
            measurements.append(measure(subject, path))
    counts = {tuple(one.counts) for measurements in results.values() for one in measurements}
    assert len(counts) == 1, "both find the same errors and count the same tokens"
    for subject, measurements in results.items():
        print_line(subject, rows, measurements)
    pairs = list(zip(*results.values(), strict=True))
    for name, ratios in (
        ("by the clock", [loop.seconds / fast.seconds for loop, fast in pairs]),
        ("by processor time", [loop.cpu_seconds / fast.cpu_seconds for loop, fast in pairs]),
    ):
        print(
            f"basics : plain loop ratio  {median(ratios):5.2f} × {name} "
            f"({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def print_line(subject: str, rows: int, measurements: list[Measurement]) -> None:
    """Medians, and the spread over the rounds."""
    speeds = [rows / one.seconds for one in measurements]
    cpu_speed = median(rows / one.cpu_seconds for one in measurements)
    peak = max(one.peak for one in measurements)
    print(
        f"{subject.replace('_', ' '):11}{median(speeds):9,.0f} rows/s ({min(speeds):,.0f} to "
        f"{max(speeds):,.0f}), {cpu_speed:8,.0f} a second of one processor, {peak:6,.0f} MiB, "
        f"{measurements[0].counts[0]:,} tokens",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="rows of 1 KB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=int, default=5_000, help="documents of 20 KB")
    parser.add_argument("--full", type=int, default=2_000, help="rows for the whole list of checks")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(*options.run)
        return
    from workbook.doctor import limits

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        for rows, size in ((options.rows, 1_000), (options.long, 20_000)):
            generate(path, rows, size)
            compare(path, rows, options.rounds)
        generate(path, options.full, 1_000)
        print(
            "\nthe whole list of checks, near duplicates among the first "
            f"{limits.SAMPLE:,} rows only"
        )
        print_line("everything", options.full, [measure("everything", path)])
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
