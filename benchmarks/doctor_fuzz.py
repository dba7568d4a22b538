"""Rows that nobody would write, through check, prepare and convert: none may end in a traceback.

    python benchmarks/doctor_fuzz.py [--rows 10000] [--seconds 60] [--seed 1] [--deep 0.2]

Rows grow from good ones by putting in, leaving out, nesting and exchanging values of any kind; each
hundred is checked as rows; a share of them is also checked as a file, mended with every fix, and
converted to every format. What a conversion refuses ends in a ConversionError; any other error is
printed with its seed.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from workbook import doctor  # noqa: E402

BATCH = 100
PLAIN_WORDS = "hello ¿qué? \u200b \ufffd Ã© \u2028 \\n &amp; [INST] <|im_end|> sk-proj- @ +1 555"
WORDS = (
    *PLAIN_WORDS.split(" "),
    "",
    "4111 1111 1111 1111",
    "data:image/png;base64,AAAA",
    "{" * 20,
    "\ud800",
    "花 дом 😀",
    "a" * 300,
)
KNOWN_KEYS = """
    messages role content name weight tool_calls tool_call_id tools function arguments prompt
    completion input preferred_output non_preferred_output conversations from value instruction
    output chosen rejected label contents parts text system type image_url refusal id
    parallel_tool_calls functions function_call response
"""
KEYS = tuple(KNOWN_KEYS.split())
VALUES = (None, True, False, 0, 1, -1, 0.5, 10**30, "user", "assistant", "system", "tool", [], {})


def value(rng: random.Random, depth: int = 0) -> Any:
    """Any JSON value, more often a text."""
    kind = rng.random()
    if depth > 3 or kind < 0.45:
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 4)))
    if kind < 0.65:
        return rng.choice(VALUES)
    if kind < 0.8:
        return [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {rng.choice(KEYS): value(rng, depth + 1) for _ in range(rng.randint(0, 4))}


def row(rng: random.Random) -> Any:
    """A good row of some format, with up to four changes."""
    ask, answer = value(rng, 9), value(rng, 9)
    turns = [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    rows = (
        {"messages": turns},
        {"messages": [{"role": "system", "content": "Be kind."}, *turns]},
        {
            "messages": [
                turns[0],
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "1"},
                turns[1],
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        },
        {"prompt": ask, "completion": answer},
        {
            "input": {"messages": turns[:1]},
            "preferred_output": turns[1:],
            "non_preferred_output": [{"role": "assistant", "content": "No."}],
        },
        {"conversations": [{"from": "human", "value": ask}, {"from": "gpt", "value": answer}]},
        {"instruction": ask, "input": "", "output": answer},
        {"prompt": ask, "chosen": answer, "rejected": "No."},
        {"prompt": ask, "completion": answer, "label": False},
        {"contents": [{"role": "user", "parts": [{"text": ask}]}]},
    )
    result = json.loads(json.dumps(rng.choice(rows)))
    for _ in range(rng.randint(0, 4)):
        change(rng, result)
    return result if rng.random() < 0.97 else value(rng)


def change(rng: random.Random, item: Any) -> None:
    """Put something in, leave something out, or exchange something, somewhere within."""
    while isinstance(item, (dict, list)) and item:
        places = list(item) if isinstance(item, dict) else list(range(len(item)))
        place = rng.choice(places)
        if isinstance(item[place], (dict, list)) and rng.random() < 0.7:
            item = item[place]
            continue
        act = rng.random()
        if act < 0.4:
            item[place] = value(rng)
        elif act < 0.6:
            del item[place]
        elif isinstance(item, dict):
            item[rng.choice(KEYS)] = value(rng)
        else:
            item.insert(place, value(rng))
        return


def try_rows(rows: list[Any], folder: Path, fixes: tuple[str, ...], deep: bool) -> None:
    """All that the doctor does with rows; raises what it should not."""
    doctor.check(rows)
    if not deep:
        return
    path = folder / "fuzz.jsonl"
    with open(path, "w", encoding="utf-8", errors="surrogatepass") as stream:
        for item in rows:
            stream.write(json.dumps(item, ensure_ascii=False) + "\n")
    try:
        mended = doctor.check(path).fix(*fixes).rows
    except doctor.DatasetError:
        mended = []
    for item in (*rows, *mended):
        for to in doctor.FORMATS:
            try:
                doctor.convert(item, to)
            except doctor.ConversionError:
                continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="stop after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deep", type=float, default=0.2, help="share that is mended, converted")
    options = parser.parse_args()
    fixes = tuple(code for code, fix in doctor.FIXES.items() if not fix.safe)
    start, count, failures = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for batch in range(options.rows // BATCH):
            if time.monotonic() - start > options.seconds:
                break
            seed = options.seed * 1_000_000 + batch
            rng = random.Random(seed)
            try:
                try_rows(
                    [row(rng) for _ in range(BATCH)],
                    Path(folder),
                    fixes,
                    rng.random() < options.deep,
                )
            except Exception:
                failures += 1
                print(f"seed {seed}:", traceback.format_exc(limit=-4), sep="\n", flush=True)
            count += BATCH
    print(
        f"{count:,} rows in {time.monotonic() - start:.0f} s, {failures} batches ended in an error"
    )
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
