"""Whether an export answers as the lab does: token by token, and if not, why.

Knows answers of both sides; who gives them, `targets` (the exported files in their real programs)
and a client of the running lab know. Greedy decoding on both sides.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbook.errors import WorkbookError
from workbook.lab.model.tokenizer import Tokenizer

if TYPE_CHECKING:
    from openai import OpenAI

TOKENS = 24  # of each answer
# Nats between the lab's two likeliest tokens: below it, rounding decides which comes first.
NEAR = {"f32": 0.25, "f16": 0.25, "q8_0": 0.5, "q4_0": 2.0}
PROMPTS = (
    "What is the capital of France?",
    "Write one sentence about the sea.",
    "Name three colours.",
    "What is two plus two?",
    "Who wrote Romeo and Juliet?",
    "Translate into Spanish: good morning.",
    "Give me a synonym of 'happy'.",
    "Is the sun a star? Answer yes or no.",
    "Rate this review from 1 to 5 stars: The zipper broke after two days.",
    "Rate this review from 1 to 5 stars: Works perfectly, I love it.",
    "How many days does a week have?",
    "Explain in one sentence what rain is.",
    "Finish the sentence: The cat sat on the",
    "What do bees make?",
    "¿Cómo te llamas?",
    "List two animals that can fly.",
    "What is the opposite of cold?",
    "Spell the word 'tree'.",
    "Order 4711 has not arrived. What should I do?",
    "Say hello.",
)
Conversation = list[dict[str, str]]
Kind = Literal["BOS", "template", "tokenizer", "stop", "number format", "weights"]


@dataclass(frozen=True)
class LabAnswer:
    """What the lab said: the bytes of each token, and by how many nats it was the likeliest."""

    pieces: list[bytes]
    margins: list[float]
    has_ended: bool


@dataclass(frozen=True)
class Difference:
    """The first place where an answer is another one.

    place: the token's number, from 0; None: the two did not even read the same
    kind: of the cause; words: the same in one sentence
    """

    prompt: str
    place: int | None
    kind: Kind
    words: str


@dataclass(frozen=True)
class Proof:
    """How an export answered, beside the lab.

    target: the program that loaded it
    """

    target: str
    prompts: int
    differences: list[Difference]

    def __str__(self) -> str:
        same = self.prompts - len(self.differences)
        lines = [f"{self.target}: {same} of {self.prompts} answers equal, token by token."]
        lines += [f"  {each.prompt[:60]!r}: {each.kind}: {each.words}" for each in self.differences]
        return "\n".join(lines)

    @property
    def holds(self) -> bool:
        """Whether rounding is the only cause of what differs."""
        return all(each.kind == "number format" for each in self.differences)


def prove(
    client: "OpenAI",
    model: str,
    tokenizer: Tokenizer,
    conversations: Sequence[Conversation],
    target: Sequence[str],
    kind: str = "f32",
) -> Proof:
    """Ask the lab and the exported files the same, and compare.

    client: of the running lab, which serves `model`
    target: arguments of `targets`, as ("llama.cpp", "model.gguf")
    kind: how the export keeps numbers, of NEAR
    Raises WorkbookError when the target can't load the files, with its last words.
    """
    theirs = ask_target(conversations, target)
    differences = []
    for messages, turn in zip(conversations, theirs, strict=True):
        ours = ask_lab(client, model, messages)
        difference = compare(tokenizer, messages, ours, turn, NEAR[kind])
        if difference is not None:
            differences.append(difference)
    return Proof(target[0], len(conversations), differences)


def ask_lab(client: "OpenAI", model: str, messages: Conversation) -> LabAnswer:
    """The lab's greedy answer to a conversation."""
    asked: Any = messages
    answer = client.chat.completions.create(
        model=model,
        messages=asked,
        temperature=0,
        max_completion_tokens=TOKENS,
        logprobs=True,
        top_logprobs=2,
    )
    [choice] = answer.choices
    tokens = (choice.logprobs.content if choice.logprobs else None) or []
    margins = []
    for token in tokens:
        likeliest = [each.logprob for each in token.top_logprobs]
        margins.append(likeliest[0] - likeliest[1] if len(likeliest) > 1 else 99.0)
    pieces = [bytes(token.bytes or []) for token in tokens]
    return LabAnswer(pieces, margins, choice.finish_reason == "stop")


def ask_target(conversations: Sequence[Conversation], target: Sequence[str]) -> list[dict]:
    """What the exported files read and answer, in token ids. Raises WorkbookError."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "answers.json"
        command = [sys.executable, "-m", "workbook.lab.export.targets", *target]
        done = subprocess.run(
            [*command, "--tokens", str(TOKENS), "--output", str(output)],
            input=json.dumps(list(conversations)),
            capture_output=True,
            text=True,
        )
        if done.returncode or not output.exists():
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            last = lines[-1] if lines else f"exit status {done.returncode}"
            raise WorkbookError(f"{target[0]} can't load what was exported: {last[:300]}")
        turns: list[dict] = json.loads(output.read_text(encoding="utf-8"))
    return turns


def compare(
    tokenizer: Tokenizer, messages: Conversation, ours: LabAnswer, theirs: dict, near: float
) -> Difference | None:
    """The first difference between two answers, with its cause; None: they are equal."""
    prompt = messages[-1]["content"]
    cause = _other_prompt(tokenizer, tokenizer.chat_prompt(messages), theirs["prompt"])
    if cause:
        return Difference(prompt, None, *cause)
    ids = theirs["answer"]
    has_ended = bool(ids) and ids[-1] in tokenizer.stops
    pieces = [tokenizer.raw(id) for id in (ids[:-1] if has_ended else ids)]
    for place in range(max(len(pieces), len(ours.pieces))):
        lab = ours.pieces[place] if place < len(ours.pieces) else None
        other = pieces[place] if place < len(pieces) else None
        if lab != other:
            return Difference(prompt, place, *_cause(lab, other, ours, place, has_ended, near))
    if ours.has_ended and not has_ended and len(pieces) < TOKENS:
        return Difference(prompt, len(pieces), "stop", "the lab ended, and the export did not.")
    return None


def _other_prompt(
    tokenizer: Tokenizer, ours: list[int], theirs: list[int]
) -> tuple[Kind, str] | None:
    """Why the two have read other tokens, if they have."""
    if ours == theirs:
        return None
    if theirs[1:] == ours or ours[1:] == theirs:
        return "BOS", "one of the two begins with a token that the other does not read."
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if place is None:
        place = min(len(ours), len(theirs))
    texts = ["".join(map(tokenizer.piece, ids)) for ids in (ours, theirs)]
    kind: Kind = "template" if texts[0] != texts[1] else "tokenizer"
    shown = ["".join(map(tokenizer.piece, ids[place : place + 6])) for ids in (ours, theirs)]
    return kind, f"the lab reads {shown[0]!r} where the export reads {shown[1]!r}."


def _cause(
    lab: bytes | None,
    other: bytes | None,
    ours: LabAnswer,
    place: int,
    has_ended: bool,
    near: float,
) -> tuple[Kind, str]:
    names = [
        "the end" if piece is None else repr(piece.decode("utf-8", "replace"))
        for piece in (lab, other)
    ]
    words = f"the lab says {names[0]}, the export {names[1]}"
    if place < len(ours.margins) and ours.margins[place] < near:
        margin = ours.margins[place]
        return (
            "number format",
            f"{words}; the lab's two likeliest differ by {margin:.2f} nats only.",
        )
    if lab is None and ours.has_ended:
        return "stop", f"{words}; the token that ends an answer is not known to it."
    if lab is None and has_ended:
        return "number format", f"{words}, at the last token that was asked for."
    sure = f" by {ours.margins[place]:.1f} nats" if place < len(ours.margins) else ""
    return "weights", f"{words}, though the lab is sure{sure}: it computes something else."
