"""Solutions of notebook 00, and answers that must not pass."""

from datetime import date
from fractions import Fraction

import pandas as pd

SYSTEM = {"role": "system", "content": "Answer in one word."}
USER = {"role": "user", "content": "What colour is the sky?"}

SOLUTIONS = {
    "00.1": ["lab", " Lab"],
    "00.2": [[SYSTEM, USER], [{"role": "system", "content": "Be brief."}, USER]],
    "00.3": [0, 0.0, Fraction(0)],
    "00.4": ["2027-01-06", date(2027, 1, 6), pd.Timestamp("2027-01-06")],
}
WRONG = {
    "00.1": [("openai", "not it"), (3, "not a text"), ("the lab of someone else", "not it")],
    "00.2": [
        ("Answer in one word.", "not a list of dictionaries"),
        ([USER], "2 messages, not 1"),
        ([USER, SYSTEM], "role of message 1 is 'user'"),
        ([SYSTEM, {"role": "user"}], r"Message 2 has the keys \['role'\]"),
        ([SYSTEM, {"role": "user", "content": " "}], "content of message 2 is empty"),
        ([{"role": "assistant", "content": "Hi."}, USER], "role of message 1 is 'assistant'"),
    ],
    "00.3": [
        (1, "At 1 words are still drawn"),
        (0.7, "At 0.7 words"),
        (-1, "no temperature"),
        ("0", "a text, not a number"),
    ],
    "00.4": [
        ("2026-10-23", "another date"),
        ("6 January 2027", "not a date"),
        (date(2027, 1, 14), "another date"),
        (2027, "not a date"),
    ],
}
