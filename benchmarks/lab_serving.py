"""How fast the lab answers, beside other servers on the same machine, and how it feels meanwhile.

    pip install -r requirements.txt -r benchmarks/requirements.txt
    python benchmarks/lab_serving.py [--without-rivals]

First 16 clients ask each server the same questions of 50 tokens, each different: 200 answers of 4
tokens, then 64 of 64 tokens. The servers run one after the other in processes of their own:
`model.generate` of transformers one question at a time, `transformers serve` with continuous
batching, llama.cpp's server (xllamacpp, the Q4_1 file, 16 slots), and the lab.

Then the lab alone: what a 5-shot prompt costs beside a zero-shot one, how long a short answer takes
while a job trains, how soon a started server answers, and how much memory it takes.
Takes about seven minutes; nothing else should run beside it.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import servers
from servers import CLIENTS, WORKLOADS, Server

from helpers import reviews
from workbook.lab.model import weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--without-rivals", action="store_true")
    options = parser.parse_args()
    base = weights.ensure()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not options.without_rivals:
            _compare(folder, base)
        _alone(folder)


# Side by side


def _compare(scratch: Path, base: Path) -> None:
    rates = {"model.generate, one at a time": servers.rates_of_generate(base)}
    for name, serve in (
        ("transformers serve", servers.transformers),
        ("llama.cpp", servers.llama_cpp),
        ("lab", servers.lab),
    ):
        with serve(scratch, base) as server:
            rates[name] = {tokens: server.rate(tokens, n) for tokens, n in WORKLOADS.items()}
    slowest = rates["model.generate, one at a time"]
    print(f"\n{'requests a second':32}" + "".join(f"{n:>6} tokens      " for n in WORKLOADS))
    for name, rate in rates.items():
        cells = (f"{rate[n]:6.1f} ({rate[n] / slowest[n]:4.1f} x)  " for n in WORKLOADS)
        print(f"{name:32}" + "    ".join(cells), flush=True)


# The lab alone


def _alone(scratch: Path) -> None:
    frames, (base, starts) = reviews.splits(), (weights.ensure(), [])
    for _ in range(3):
        with servers.lab(scratch, base) as server:
            starts.append(server.started)
    print(
        f"\nFrom start to the first answer   {statistics.median(starts):.1f} s "
        f"(each {', '.join(f'{s:.1f}' for s in starts)})",
        flush=True,
    )
    with servers.lab(scratch, base) as server, _Memory(server.process.pid) as memory:
        _few_shot(server, frames)
        _beside_training(server, frames)
    print(
        f"Most memory, server + training    {memory.most / 2**30:.2f} GiB "
        f"(of which training {memory.training / 2**30:.2f})"
    )


def _few_shot(server: Server, frames) -> None:
    """200 reviews with a zero-shot and with a 5-shot prompt, in turns."""
    rows = [reviews.to_chat(row)["messages"] for row in frames["validation"].to_dict("records")]
    shots = [
        message
        for row in frames["train"].head(5).to_dict("records")
        for message in reviews.to_chat(row)["messages"][1:]
    ]
    prompts = {
        "zero": [row[:-1] for row in rows],
        "five": [[row[0], *shots, row[1]] for row in rows],
    }
    seconds: dict[str, list[float]] = {"zero": [], "five": []}
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(3):
            for name, questions in prompts.items():
                begin = time.perf_counter()
                list(pool.map(lambda messages: server.ask(messages, 4), questions))
                seconds[name].append(time.perf_counter() - begin)
    zero, five = (statistics.median(seconds[name]) for name in ("zero", "five"))
    print(
        f"200 reviews, 5-shot / zero-shot   {five:.1f} s / {zero:.1f} s = {five / zero:.2f} x",
        flush=True,
    )


def _beside_training(server: Server, frames) -> None:
    """Median seconds of a short request, idle and while a job trains."""
    rows = [reviews.to_chat(row) for row in frames["train"].head(300).to_dict("records")]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    questions = [row["messages"][:-1] for row in rows]

    def median(count: int) -> float:
        times = []
        for i in range(count):
            begin = time.perf_counter()
            server.ask(questions[i], 4)
            times.append(time.perf_counter() - begin)
            time.sleep(0.2)
        return statistics.median(times)

    idle = median(40)
    file = server.http.post(
        "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("train.jsonl", data)}
    ).json()
    job = server.http.post(
        "/v1/fine_tuning/jobs", json={"model": server.model, "training_file": file["id"], "seed": 1}
    ).json()
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    while not server.http.get(f"{path}/events").json()["data"][0]["message"].startswith("Step"):
        time.sleep(0.2)
    busy = median(40)
    still = server.http.get(path).json()["status"]
    print(
        f"A short answer, training / idle   {busy * 1000:.0f} ms / {idle * 1000:.0f} ms = "
        f"{busy / idle:.2f} x" + ("" if still == "running" else f"  (the job is {still})"),
        flush=True,
    )
    with ThreadPoolExecutor(CLIENTS) as pool:  # the memory of both at full work
        list(pool.map(lambda messages: server.ask(messages, 64), questions[:64]))
    while server.http.get(path).json()["status"] == "running":
        time.sleep(0.5)


class _Memory:
    """Watches how much memory a process and its children take (shared pages counted once)."""

    def __init__(self, pid: int) -> None:
        self.most = self.training = 0
        self._pid, self._done = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Memory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        server = psutil.Process(self._pid)
        while not self._done.wait(0.25):
            with contextlib.suppress(psutil.Error):
                children = sum(_held(child) for child in server.children(recursive=True))
                self.training = max(self.training, children)
                self.most = max(self.most, children + _held(server))


def _held(process) -> int:
    info = process.memory_full_info()
    return getattr(info, "pss", info.uss)


if __name__ == "__main__":
    main()
