"""Solutions of notebook 04, and answers that must not pass."""


def best_step(results):
    return int(results.loc[results.valid_loss.idxmin(), "step"])


def _row(question: str, answer: str, role: str = "assistant") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": role, "content": answer}]}


_MENDED = [
    _row("What is 2 + 2?", "Four. Shocking."),
    _row("Is ice cold?", "Only until you need it."),
    _row("Who wrote Hamlet?", "Shakespeare, when he wasn't busy."),
]

SOLUTIONS = {"04.1": 252, "04.2": best_step, "04.3": _MENDED}

WRONG = {
    "04.1": [248, 250, 2000, "252", None, 62.5],
    "04.2": [
        5,
        lambda results: int(results.valid_loss.idxmin()),
        lambda results: int(results.step.max()),
        lambda results: float(results.loc[results.valid_loss.idxmin(), "step"]),
    ],
    "04.3": [
        [],
        [_row("What is 2 + 2?", "Four.", role="asistant"), *_MENDED[1:]],
        [*_MENDED[:2], _row("Who wrote Hamlet?", "")],
        [*_MENDED[:2], _row("Something else?", "Yes.")],
        "mended",
    ],
}
