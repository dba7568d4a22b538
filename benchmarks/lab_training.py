"""How fast the lab trains, beside TRL's SFTTrainer, and whether what it trains is as good.

    pip install -r requirements.txt -r benchmarks/requirements.txt
    python benchmarks/lab_training.py [--seeds 3] [--epochs 3] [--examples 300]
                                       [--without-rivals]

The same 300 reviews, token for token, with the same loss mask, batch size and epochs, one after the
other on the same machine, for each seed:

- TRL with peft in its best setting for this machine: bfloat16 weights, no gradient checkpointing;
- the lab with an adapter on the same layers (all of them);
- the lab as it is (the top 16 layers).

Each runs in a process of its own. Timed is the training alone: imports and loading are not, what is
written during training is. Then the tuned models rate the 200 validation reviews through the lab's
engine. At last a running lab is asked for the same as a job, timed from its creation to its
success, with the start of its process and all that is checked and saved. Takes up to twenty minutes
a seed; nothing else should run beside it.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import servers  # noqa: E402 - found where the line above points to

BATCH = 8
TRL_RATE = 5e-4  # steadiest on these data in shared runs of TRL; the lab's all-layer rate too
RUNS = ("TRL, all layers", "lab, all layers", "lab, default")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--without-rivals", action="store_true")
    parser.add_argument("--child", nargs=2, metavar=("RUN", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run, folder = options.child
        train = _train_with_trl if run == RUNS[0] else _train_with_lab
        train(run, Path(folder))
        return
    with tempfile.TemporaryDirectory() as scratch:
        _compare(Path(scratch), options)


def _compare(scratch: Path, options: argparse.Namespace) -> None:
    from helpers import reviews
    from workbook.lab.model import weights

    base, splits = weights.ensure(), reviews.splits()
    data = scratch / "train.jsonl"
    frame = splits["train"].head(options.examples)
    rows = [reviews.to_chat(row) for row in frame.to_dict("records")]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    runs = RUNS[1:] if options.without_rivals else RUNS
    seconds: dict[str, list[float]] = {run: [] for run in runs}
    exact: dict[str, list[float]] = {run: [] for run in runs}
    tokens = 0
    for seed in range(1, options.seeds + 1):
        for run in runs:
            folder = scratch / f"{run} {seed}"
            folder.mkdir()
            settings = {
                "base": str(base),
                "start_from": None,
                "training_file": str(data),
                "validation_file": None,
                "n_epochs": options.epochs,
                "batch_size": BATCH,
                "learning_rate_multiplier": 1.0,
                "seed": seed,
                "method": "supervised",
            }
            (folder / "spec.json").write_text(json.dumps(settings))
            duration, tokens = _timed(run, folder)
            seconds[run].append(duration)
            exact[run].append(_accuracy(folder, base, splits["validation"]))
            print(
                f"seed {seed}  {run:16}  {duration:6.1f} s  {tokens / duration:6.0f} tokens/s  "
                f"exact {exact[run][-1]:.3f}",
                flush=True,
            )
    _report(seconds, exact, tokens, len(splits["validation"]))
    print(_whole_jobs(scratch, base, data, options, tokens, statistics.median(seconds[runs[0]])))
    print(_share(base, data, seconds["lab, default"], tokens, options.epochs))


def _timed(run: str, folder: Path) -> tuple[float, int]:
    """Seconds of training in a child process, and the tokens that it trained on."""
    from workbook.lab.jobs import process

    environment = process.environment() if run.startswith("lab") else dict(os.environ)
    environment |= {"PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    with open(folder / "log", "wb") as log:
        code = subprocess.run(
            [sys.executable, __file__, "--child", run, str(folder)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        ).returncode
    if code:
        sys.exit(f"{run} failed:\n{(folder / 'log').read_text()[-3000:]}")
    result = json.loads((folder / "result.json").read_text())
    return result["seconds"], result["tokens"]


def _train_with_lab(run: str, folder: Path) -> None:
    """The lab's own trainer, as the server runs it, with a watch on its progress log."""
    from workbook.lab.training import defaults, trainer
    from workbook.lab.training.progress import Progress

    if run == "lab, all layers":
        defaults.TOP_LAYERS = 10**6
        defaults.LEARNING_RATES["supervised"] = TRL_RATE
    times, add = {}, Progress.add

    def timed(self, kind: str, **values) -> None:
        add(self, kind, **values)
        times[kind] = time.perf_counter()

    Progress.add = timed
    sys.argv = ["trainer", str(folder)]
    if code := trainer.main():
        sys.exit(code)
    last = json.loads((folder / "progress.jsonl").read_text().splitlines()[-1])
    _write_result(folder, times["done"] - times["start"], last["trained_tokens"])


def _train_with_trl(run: str, folder: Path) -> None:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from safetensors.torch import save_file
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, set_seed
    from trl import SFTConfig, SFTTrainer

    from workbook.lab.model.tokenizer import Tokenizer
    from workbook.lab.training import data, defaults

    settings = json.loads((folder / "spec.json").read_text())
    base = Path(settings["base"])
    set_seed(settings["seed"])
    examples = list(data.read_examples(Path(settings["training_file"]), Tokenizer(base)))
    rows = [
        {"input_ids": ids, "completion_mask": [int(learn) for learn in trained]}
        for ids, trained in examples
    ]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"), eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    trainer = SFTTrainer(
        model=LlamaForCausalLM.from_pretrained(base, dtype=torch.bfloat16),
        args=SFTConfig(
            output_dir=str(folder / "trl"),
            seed=settings["seed"],
            use_cpu=True,
            bf16=False,
            per_device_train_batch_size=BATCH,
            num_train_epochs=settings["n_epochs"],
            learning_rate=TRL_RATE,
            lr_scheduler_type="linear",
            warmup_steps=defaults.WARMUP_STEPS,
            gradient_checkpointing=False,
            completion_only_loss=True,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    begin = time.perf_counter()
    trainer.train()
    duration = time.perf_counter() - begin
    merged = folder / "merged"  # a base of its own for the lab's engine
    merged.mkdir()
    weights = trainer.model.merge_and_unload().state_dict()
    weights.pop("lm_head.weight")  # the embedding's
    save_file(
        {name: tensor.contiguous() for name, tensor in weights.items()},
        merged / "model.safetensors",
    )
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(base / name, merged)
    _write_result(folder, duration, settings["n_epochs"] * sum(len(ids) for ids, _ in examples))


def _write_result(folder: Path, seconds: float, tokens: int) -> None:
    (folder / "result.json").write_text(json.dumps({"seconds": seconds, "tokens": tokens}))


def _accuracy(folder: Path, base: Path, frame) -> float:
    """Share of the reviews of `frame` that the tuned model rates exactly right."""
    from helpers import ratings, reviews
    from workbook.lab.serving.engine import Engine
    from workbook.lab.serving.types import Request

    merged = folder / "merged"
    adapter = None
    if not merged.exists():
        checkpoints = (folder / "checkpoints").iterdir()
        adapter = max(checkpoints, key=lambda path: int(path.name.split("-")[1]))
    engine = Engine(merged if merged.exists() else base)
    rows = [reviews.to_chat(row)["messages"][:-1] for row in frame.to_dict("records")]
    answers = [
        engine.submit(
            Request(engine.tokenizer.chat_prompt(row), 8, temperature=0.0, adapter=adapter)
        )
        for row in rows
    ]
    right = [
        ratings.stars(answer.result().text) == stars
        for answer, stars in zip(answers, frame["stars"], strict=True)
    ]
    engine.close()
    return sum(right) / len(right)


def _report(seconds: dict, exact: dict, tokens: int, reviews: int) -> None:
    first = statistics.median(next(iter(seconds.values())))
    print(
        f"\n{'median of seeds':18}{'seconds':>9}{'tokens/s':>10}{'ratio':>8}   exact (mean ± s.e.)"
    )
    for run in seconds:
        duration, share = statistics.median(seconds[run]), statistics.mean(exact[run])
        error = math.sqrt(share * (1 - share) / reviews)
        print(
            f"{run:18}{duration:9.1f}{tokens / duration:10.0f}{first / duration:7.1f} x   "
            f"{share:.3f} ± {error:.3f}"
        )


def _whole_jobs(
    scratch: Path, base: Path, data: Path, options: argparse.Namespace, tokens: int, first: float
) -> str:
    """Jobs of a running lab, from creation to success, beside the first run's training alone."""
    durations = []
    with servers.lab(scratch, base) as server:
        sent = {"file": (data.name, data.read_bytes())}
        answer = server.http.post("/v1/files", data={"purpose": "fine-tune"}, files=sent)
        file = answer.raise_for_status().json()["id"]
        for seed in range(1, options.seeds + 1):
            settings = {"n_epochs": options.epochs, "batch_size": BATCH}
            method = {"type": "supervised", "supervised": {"hyperparameters": settings}}
            body = {"model": server.model, "training_file": file, "seed": seed, "method": method}
            begin = time.perf_counter()
            job = server.http.post("/v1/fine_tuning/jobs", json=body).raise_for_status().json()
            while job["status"] not in ("succeeded", "failed"):
                time.sleep(0.1)
                job = server.http.get(f"/v1/fine_tuning/jobs/{job['id']}").json()
            durations.append(time.perf_counter() - begin)
            assert job["trained_tokens"] == tokens, job
    duration = statistics.median(durations)
    return (
        f"\nA whole job, creation to success: {duration:.1f} s, {tokens / duration:.0f} tokens/s = "
        f"{first / duration:.1f} x (each {', '.join(f'{each:.1f}' for each in durations)})"
    )


def _share(base: Path, file: Path, seconds: list[float], tokens: int, epochs: int) -> str:
    """The speed of the lab's own multiplications, as a share of the machine's."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from workbook.lab.model import checkpoint, device, lora
    from workbook.lab.model.tokenizer import Tokenizer
    from workbook.lab.training import data, defaults
    from workbook.lab.training.forward import ForwardPass

    dtype = device.dtype(torch.device("cpu"))
    model = checkpoint.load(base, dtype)
    first = max(0, model.config.layers - defaults.TOP_LAYERS)
    adapter = lora.create(model, range(first, model.config.layers), torch.Generator())
    for tensor in adapter.values():
        tensor.requires_grad_()
    forward = ForwardPass(model, adapter, data.read_examples(file, Tokenizer(base)))
    lengths = [forward.length(i) for i in range(len(forward))]
    batches = data.batches(lengths, BATCH, 1, 0)[:4]
    counted = []  # operations of the first epoch, which fills the cache, and of a later one
    for _ in range(2):
        with FlopCounterMode(display=False) as counter:
            for batch in batches:
                forward.logprobs(batch)[0].sum().backward()
        counted.append(counter.get_total_flops() / sum(lengths[i] for b in batches for i in b))
    a_token = (counted[0] + (epochs - 1) * counted[1]) / epochs
    reached = a_token * tokens / statistics.median(seconds) / 1e9
    x, w = torch.randn(1024, 1024).to(dtype), torch.randn(1024, 1024).to(dtype)
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        x @ w
        times.append(time.perf_counter() - begin)
    best = 2 * 1024**3 / min(times) / 1e9
    return (
        f"\nThe lab multiplies {a_token / 1e9:.2f} GFLOP a token: {reached:.0f} GFLOP/s, "
        f"{reached / best:.0%} of the {best:.0f} GFLOP/s that this machine reaches on large "
        f"matrices in {str(dtype).removeprefix('torch.')}."
    )


if __name__ == "__main__":
    main()
