"""`workbook lab export`: a model of the lab as files for other programs, and the proof of them.

Knows options and where files go; the forms and the comparison stand in `workbook.lab.export`.
"""

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from workbook import files
from workbook.cli import exits
from workbook.cli.state import with_state
from workbook.errors import WorkbookError
from workbook.lab import client

if TYPE_CHECKING:
    import torch

    from workbook.lab.export.proof import Conversation, Proof
    from workbook.lab.export.subject import Subject

FORMS = ("peft", "merged", "gguf", "ollama")
_KINDS = ("f16", "q8_0", "q4_0", "f32")  # gguf_file.KINDS, which brings numpy
_FILE = "model.gguf"


@click.command()
@with_state
@click.argument("model")
@click.option(
    "--to",
    "form",
    type=click.Choice(FORMS),
    required=True,
    help="peft: the adapter; merged: a whole Hugging Face folder; gguf: one file for llama.cpp and "
    "LM Studio; ollama: that file with a Modelfile.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A new folder; default: named after the model, here.",
)
@click.option(
    "--type",
    "kind",
    type=click.Choice(_KINDS),
    default="f16",
    show_default=True,
    help="gguf, ollama: how numbers are kept.",
)
@click.option(
    "--prove",
    is_flag=True,
    help="Load the files in transformers, peft or llama.cpp, and compare 20 answers with the "
    "lab's, token by token.",
)
@click.option(
    "--scores",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Markdown for the model card: the scores, with their intervals.",
)
def export(
    folder: Path,
    model: str,
    form: str,
    out: Path | None,
    kind: str,
    prove: bool,
    scores: TextIO | None,
) -> int:
    """Write MODEL as files that other programs load, with a model card.

    MODEL is a tuned model or checkpoint (ft:…), or a base.
    """
    from workbook.lab.export import card, subject  # they bring torch

    found = subject.find(model, folder)
    target = out or Path(re.sub(r"[^A-Za-z0-9._-]+", "-", model) + f"-{form}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise WorkbookError(f"{target} is there already. Name another folder: --out FOLDER")
    if prove:
        _start(folder)
    found = dataclasses.replace(found, dtype=_dtype(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with files.beside(target) as staging:
            staging.mkdir()
            _write(found, form, kind, staging)
            proofs = [_prove(found, folder, form, kind, staging)] if prove else []
            note = scores.read() if scores else ""
            card.write(found, folder, staging, proofs, note)
            if target.exists():
                target.rmdir()  # it is empty
            os.replace(staging, target)
    except OSError as error:
        raise WorkbookError(
            f"{error.filename or target}: {error.strerror}. Nothing was exported."
        ) from None
    for path in sorted(target.iterdir()):
        print(f"{path.stat().st_size:>13,}  {target / path.name}")
    for proof in proofs:
        print(proof)
    print(f"Next: {_next(form, target)}")
    return exits.DONE if all(proof.holds for proof in proofs) else exits.NO


def _start(state: Path) -> None:
    """Start the lab that is asked for a proof. Raises WorkbookError."""
    if state != client.state_folder():
        raise WorkbookError(
            "--prove asks the lab on the usual state folder; set WORKBOOK_HOME instead of --state."
        )
    if os.environ.get(client.SHARED):
        raise WorkbookError(f"--prove asks the lab of this machine; unset {client.SHARED} for it.")
    client.connect()


def _dtype(state: Path) -> "torch.dtype":
    """The number format of the lab on a state folder; where none runs, of one that would start."""
    import torch

    from workbook.lab.model import device

    name = (client.running(state) or {}).get("dtype")
    return getattr(torch, name) if name else device.dtype(device.choose())


def _write(found: "Subject", form: str, kind: str, folder: Path) -> None:
    from workbook.lab.export import gguf_file, hugging_face, ollama

    if form == "peft":
        hugging_face.write_peft(found, folder)
    elif form == "merged":
        hugging_face.write_merged(found, folder)
    else:
        if form == "ollama":
            ollama.write(found, folder, _FILE)
        gguf_file.write(found, folder / _FILE, kind)


def _prove(found: "Subject", state: Path, form: str, kind: str, folder: Path) -> "Proof":
    """Compare the files with the running lab."""
    import openai

    from workbook.lab.export import hugging_face, proof, rereading, subject

    connection = client.connect()
    asking = openai.OpenAI(base_url=connection.base_url, api_key=connection.api_key)
    conversations = _conversations(found, state, proof.PROMPTS)
    if form == "merged":
        target = ["transformers", str(folder)]
    elif form == "peft":
        base = folder / ".base"
        base.mkdir()
        hugging_face.write_merged(subject.find(found.base, state), base)
        target = ["peft", str(folder), "--base", str(base)]
    else:
        target = ["llama.cpp", str(folder / _FILE)]
    number_kind = kind if form in ("gguf", "ollama") else "f32"
    words = found.tokenizer()
    try:
        result = proof.prove(asking, found.id, words, conversations, target, number_kind)
    except openai.OpenAIError as error:
        body = getattr(error, "body", None)
        message = body.get("message") if isinstance(body, dict) else None
        raise WorkbookError(f"Nothing was exported. The lab: {message or error}") from None
    if form == "peft":
        files.remove(folder / ".base")
    if not result.holds and form in ("gguf", "ollama"):
        for fault in rereading.faults(found, folder / _FILE, kind):
            print(f"In the file itself: {fault}")
    return result


def _conversations(found: "Subject", state: Path, questions: Sequence[str]) -> "list[Conversation]":
    """Twenty: the first questions of the model's own training data, then some of all kinds."""
    own = []
    path = state / "files" / str((found.job or {}).get("training_file"))
    for line in path.read_text("utf-8-sig").splitlines()[:10] if path.exists() else []:
        row = json.loads(line) if line.strip() else {}
        messages = row.get("messages") or row.get("input", {}).get("messages") or []
        texts = [m for m in messages if isinstance(m.get("content"), str)]
        system = [m for m in texts[:1] if m["role"] == "system"]
        question = [m for m in texts if m["role"] == "user"][-1:]
        if question:
            asked = [*system, *question]
            own.append([{"role": m["role"], "content": m["content"]} for m in asked])
    others = [[{"role": "user", "content": text}] for text in questions]
    return (own + others)[: len(questions)]


def _next(form: str, folder: Path) -> str:
    return {
        "peft": f"PeftModel.from_pretrained(base_model, {str(folder)!r})",
        "merged": f"AutoModelForCausalLM.from_pretrained({str(folder)!r})",
        "gguf": f"llama-server -m {folder / _FILE} --jinja, or load the file in LM Studio",
        "ollama": f"cd {folder} && ollama create my-model -f Modelfile",
    }[form]
