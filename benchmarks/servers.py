"""Servers of the course's model, each a process of its own, and how many requests they answer.

What `lab_serving.py` measures: the lab, and its rivals `model.generate`, `transformers serve` and
llama.cpp. Run as a program, it is one of the rivals: `servers.py NAME FOLDER`.
"""

import contextlib
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from workbook.lab.model import weights  # noqa: E402 - found where the line above points to

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


class Server:
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
            seconds = time.perf_counter() - begin
        written = statistics.mean(a["usage"]["completion_tokens"] for a in answers)
        if written < 0.9 * tokens:
            print(f"   {self.model}: only {written:.0f} of {tokens} tokens an answer", flush=True)
        return count / seconds


def question(number: int) -> list[dict]:
    """A question of 50 tokens in the model's template, unlike the others from its first words."""
    thing = THINGS[number % len(THINGS)]
    text = f"{number}: write a very long story about {thing} and what happened to it."
    return [
        {"role": "system", "content": "You are a patient writer of very long stories."},
        {"role": "user", "content": text},
    ]


@contextlib.contextmanager
def _run_process(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen]:
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
def lab(scratch: Path, base: Path) -> Iterator[Server]:
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
    with _run_process(command, scratch / "lab.log") as process:
        server = Server(f"http://127.0.0.1:{port}", base.name, key, process)
        server.started = server.ready()
        yield server


@contextlib.contextmanager
def transformers(scratch: Path, base: Path) -> Iterator[Server]:
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
    with _run_process(command, scratch / "transformers.log", **offline) as process:
        server = Server(f"http://127.0.0.1:{port}", str(folder), process=process)
        server.ready()
        yield server


@contextlib.contextmanager
def llama_cpp(scratch: Path, base: Path) -> Iterator[Server]:
    folder = scratch / "llama.cpp"
    folder.mkdir()
    weights.fetch_gguf(folder / "model.gguf")
    (folder / "port").write_text(str(_free_port()))
    command = [sys.executable, __file__, "llama.cpp", str(folder)]
    with _run_process(command, scratch / "llama.log") as process:
        server = Server(
            f"http://127.0.0.1:{(folder / 'port').read_text()}", "llama.cpp", process=process
        )
        server.ready()
        yield server


def _serve_with_llama_cpp(folder: Path) -> None:
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(folder / "model.gguf")
    settings.port = int((folder / "port").read_text())
    settings.n_parallel, settings.n_ctx = CLIENTS, CLIENTS * 512
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = os.cpu_count()
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    threading.Event().wait()


def rates_of_generate(base: Path) -> dict[int, float]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = _with_template(Path(scratch), base)
        subprocess.run(
            [sys.executable, __file__, "generate", str(folder)],
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        return {int(n): rate for n, rate in json.loads((folder / "rates.json").read_text()).items()}


def _generate(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from workbook.lab.model.device import fastest_dtype

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=fastest_dtype()).eval()
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


CHILDREN: dict[str, Callable[[Path], None]] = {
    "generate": _generate,
    "llama.cpp": _serve_with_llama_cpp,
}

if __name__ == "__main__":
    CHILDREN[sys.argv[1]](Path(sys.argv[2]))
