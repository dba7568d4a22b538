"""Solutions of notebook 00, and answers that must not pass."""

from datetime import date

SYSTEM = {"role": "system", "content": "Answer in one word."}
USER = {"role": "user", "content": "What colour is the sky?"}

SOLUTIONS = {
    "00.1": "lab",
    "00.2": [SYSTEM, USER],
    "00.3": "2027-01-06",
}
WRONG = {
    "00.1": ["openai", 3, "", "the lab of someone else"],
    "00.2": [
        "Answer in one word.",
        [USER],
        [USER, SYSTEM],
        [SYSTEM, {"role": "user"}],
        [SYSTEM, {"role": "user", "content": " "}],
        [{"role": "assistant", "content": "Hi."}, USER],
    ],
    "00.3": ["2026-10-23", "6 January 2027", date(2027, 1, 14), 2027],
}
