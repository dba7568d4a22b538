"""How many rows a second the dataset doctor checks, beside a plain loop like the Cookbook's.

    python benchmarks/dataset_speed.py [--rows 20000] [--long] [--full 5000]

Everything is measured in one run on one file of generated chat rows: the plain loop (load all rows,
look at every message, `encode` every value), the doctor's scan (structure, token counts and price,
in as many processes as there are processors), and the doctor's whole list of checks.
`--long` makes documents of about 20 KB, where the tokenizer itself is the limit.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MODEL = "gpt-4o-mini-2024-07-18"
SYSTEM = ("You answer the customers of a shop for garden tools. Be brief and friendly, name prices "
          "in euros, and say so when you do not know something.")
WORDS = ("the a of and to in is it for on with as at by from or an be this that are was not have "
         "rake spade hose pruner wheelbarrow gloves seed soil mulch lawn hedge trellis bucket "
         "shears price order parcel return repair handle blade sharpen weather spring autumn delivery "
         "garden water plant compost fence gate ladder shelf sturdy light heavy small large red "
         "green metal wooden plastic please thanks sorry today tomorrow week month year").split()


def generate(path: Path, rows: int, size: int, seed: int = 7) -> None:
    """Chat rows of about `size` bytes: one system message, two turns of each side."""
    dice = random.Random(seed)
    room = max(8, (size - 450) // 4 // 6)  # words a message; a word and its space are six bytes

    def text() -> str:
        return " ".join(dice.choices(WORDS, k=dice.randint(room // 2, room * 3 // 2))) + "."

    with open(path, "w", encoding="utf-8") as stream:
        for number in range(rows):
            messages = [{"role": "system", "content": SYSTEM}]
            for turn in range(2):
                messages += [{"role": "user", "content": f"Order {number}-{turn}: {text()}"},
                             {"role": "assistant", "content": text()}]
            stream.write(json.dumps({"messages": messages}) + "\n")


def plain_loop(path: str) -> None:
    """Load all, then loop over messages, checks first and tokens after; the usual recipe."""
    import tiktoken

    encoding = tiktoken.get_encoding("o200k_base")
    with open(path, encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    errors: Counter[str] = Counter()
    for row in rows:
        if not isinstance(row, dict):
            errors["data_type"] += 1
            continue
        messages = row.get("messages")
        if not messages:
            errors["missing_messages_list"] += 1
            continue
        for message in messages:
            if "role" not in message or "content" not in message:
                errors["message_missing_key"] += 1
            if any(key not in ("role", "content", "name", "function_call", "weight")
                   for key in message):
                errors["message_unrecognized_key"] += 1
            if message.get("role") not in ("system", "user", "assistant", "function"):
                errors["unrecognized_role"] += 1
            if not message.get("content") or not isinstance(message["content"], str):
                errors["missing_content"] += 1
        if not any(message.get("role") == "assistant" for message in messages):
            errors["example_missing_assistant_message"] += 1
    total = answers = 0
    for row in rows:
        total += 3
        for message in row["messages"]:
            total += 3
            for key, value in message.items():
                total += len(encoding.encode(value))
                if key == "name":
                    total += 1
            if message["role"] == "assistant":
                answers += len(encoding.encode(message["content"]))
    print(json.dumps({"tokens": total, "errors": errors.total()}))


def scan(path: str) -> None:
    """The doctor's scan."""
    from helpers import scan

    found = scan.scan(path, MODEL)
    print(json.dumps({"tokens": found.tokens, "errors": sum(found.codes.values())}))


def whole(path: str) -> None:
    """The doctor's whole list of checks."""
    from helpers import dataset

    report = dataset.check(path, MODEL)
    print(json.dumps({"tokens": int(report.counts["tokens"].sum()),
                      "errors": sum(finding.severity == "error" for finding in report.findings)}))


def measure(what: str, path: Path) -> tuple[float, float, float, dict]:
    """(seconds, seconds of processor time, MiB at the peak of the largest process, what it found),
    in a process of its own."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(__file__).resolve().parent.parent / "data/tiktoken")
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, "--run", what, str(path)], check=True,
                          capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    *_, found, used, peak = done.stdout.strip().splitlines()
    return seconds, float(used), float(peak), json.loads(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--full", type=int, default=5_000, help="rows for the whole list of checks")
    parser.add_argument("--long", action="store_true", help="documents of 20 KB instead of 1 KB")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        {"loop": plain_loop, "scan": scan, "whole": whole}[chosen.run[0]](chosen.run[1])
        peaks = [resource.getrusage(who).ru_maxrss
                 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        print(sum(each.ru_utime + each.ru_stime for each in used))
        print(max(peaks) / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, few = Path(folder) / "rows.jsonl", Path(folder) / "few.jsonl"
        size = 20_000 if chosen.long else 1_000
        generate(path, chosen.rows, size)
        generate(few, min(chosen.full, chosen.rows), size)
        print(f"{chosen.rows:,} rows of {path.stat().st_size / chosen.rows / 1000:.1f} KB, "
              f"{os.cpu_count()} processors, whole processes timed from start to end")
        rows = min(chosen.full, chosen.rows)
        measured = {}
        for what, name, file, count in (("loop", "plain loop", path, chosen.rows),
                                        ("scan", "doctor, basics", path, chosen.rows),
                                        ("whole", "doctor, all checks", few, rows)):
            seconds, used, peak, found = measured[what] = measure(what, file)
            print(f"{name:19}{count:11,} rows {count / seconds:9,.0f} rows/s {count / used:9,.0f} "
                  f"rows/s of processor time {peak:6,.0f} MiB a process  "
                  f"{found['tokens']:,} tokens")
        loop, fast = measured["loop"], measured["scan"]
        assert fast[3]["tokens"] == loop[3]["tokens"], "both count the same tokens"
        print(f"basics : plain loop ratio  {loop[0] / fast[0]:.2f} × by the clock, "
              f"{loop[1] / fast[1]:.2f} × by processor time, over load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
