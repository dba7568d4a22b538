"""An exported GGUF file read back: whether weights and settings are those that went in.

It tells a wrong merge, a wrong order of rotary halves and a wrong RoPE base apart, which answers
alone do not. Knows both forms; nothing of answers.
"""

import json
import tempfile
from pathlib import Path

from safetensors import safe_open

from workbook.lab.export.subject import Subject
from workbook.lab.model import from_gguf

# The largest error of a weight, as a share of the largest weight of its matrix.
ROUNDING = {"f32": 0.004, "f16": 0.004, "q8_0": 0.01, "q4_0": 0.15}
_SETTINGS = ("rope_theta", "rope_divisors", "rms_norm_eps", "num_attention_heads", "head_dim")


def faults(subject: Subject, file: Path, kind: str) -> list[str]:
    """One sentence for each weight or setting that is not what it must be, at most five.

    kind: how the file keeps numbers, of ROUNDING
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        from_gguf.convert(file, Path(folder))
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        for name in _SETTINGS:
            ours, theirs = subject.config.get(name) or None, config.get(name) or None
            if not _same(ours, theirs):
                found.append(f"{name} is {theirs}, and {ours} in the lab.")
        with safe_open(Path(folder) / "model.safetensors", "pt") as stored:
            names = set(stored.keys())
            for name, weight in subject.weights():
                if name not in names:
                    found.append(f"{name} is missing.")
                    continue
                error = (stored.get_tensor(name).float() - weight.float()).abs().max()
                if error > ROUNDING[kind] * weight.float().abs().max():
                    found.append(f"{name} is off by {error:.3f}.")
    return found[:5]


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float | int) and isinstance(theirs, float | int):
        return abs(ours - theirs) <= 1e-6 * max(abs(ours), abs(theirs))
    return ours == theirs or ours is None  # head_dim may be left out of a config
