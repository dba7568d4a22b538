"""Solutions of notebook 08, and answers that must not pass."""

import itertools
import re

import numpy as np


def advantages(rewards):
    mean = sum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def _as_array(rewards):
    return np.array(rewards) - np.mean(rewards)


def _turned(rewards):
    return [-value for value in advantages(rewards)]


def _divided(rewards):
    return list(_as_array(rewards) / (np.std(rewards) + 1e-6))


def grade(sample, item):
    text = sample["output_text"]
    words = re.findall(r"[a-z']+", text.lower())
    if not (6 <= len(words) <= 10 and re.fullmatch(r"[A-Z][^.!?]*\.", text)):
        return 0
    return sum(words.count(word) == 1 for word in item["words"]) / 2


def _all_or_nothing(sample, item):
    text = sample["output_text"].strip()
    words = text.lower().rstrip(".").replace(",", "").split()
    whole = text[:1].isupper() and text.endswith(".") and text.count(".") == 1
    return whole and len(words) in range(6, 11) and all(words.count(w) == 1 for w in item["words"])


def _hidden(sample, item):
    text = sample["output_text"]
    both = all(word in text.lower() for word in item["words"])
    return float(
        both and 6 <= len(text.split()) <= 10 and bool(re.fullmatch(r"[A-Z][^.!?]*\.", text))
    )


def _keywords(sample, item):
    return sum(word in sample["output_text"].lower() for word in item["words"]) / 2


def _case(sample, item):
    return float(all(word in sample["output_text"].split() for word in item["words"]))


def stop_at(history):
    for step in history:
        if step["entropy"] < 0.5 or step["groups_with_variance"] < 0.3:
            return step["step"]
        if step["completion_tokens_mean"] > 15:
            return step["step"]
    return None


def _against_the_first(history):
    first = history[0]
    for step in history:
        fallen = [step[k] < first[k] / 3 for k in ("entropy", "groups_with_variance")]
        if any(fallen) or step["completion_tokens_mean"] > 1.5 * first["completion_tokens_mean"]:
            return np.int64(step["step"])
    return None


def _entropy_alone(history):
    return next((step["step"] for step in history if step["entropy"] < 0.5), None)


def _falling(history):
    return next(
        (b["step"] for a, b in itertools.pairwise(history) if b["entropy"] < a["entropy"]), None
    )


def _measured(prediction, words):
    before = ["The lamp is by the cold river."] * 12
    return {"prediction": prediction, "before": before, "after": ["word " * words] * 12}


SOLUTIONS = {
    "08.1": [advantages, _as_array],
    "08.2": [grade, _all_or_nothing],
    "08.3": [_measured("longer", 20), _measured("Shorter", 3), _measured("same", 30)],
    "08.4": [stop_at, _against_the_first],
}

WRONG = {
    "08.1": [
        (0.5, "Hand in the function itself"),
        (_turned, r"it is \[0.75, -0.25, -0.25, -0.25\], not \[-0.75"),
        (_divided, r"it is \[0.75, -0.25, -0.25, -0.25\], not"),
        (lambda rewards: 3, "gives no list"),
        (lambda rewards: ["high"], "An advantage is a text"),
    ],
    "08.2": [
        ("grade", "Hand in the function itself"),
        (_hidden, "fooled by 3 of 9 planted answers, such as words that repeat"),
        (_keywords, "fooled by [3-9] of 9 planted"),
        (_case, "A good answer gets 0"),
        (lambda sample, item: 1, "fooled by 9 of 9 planted answers, such as an empty answer"),
        (lambda sample, item: "good", "A reward is a text"),
    ],
    "08.3": [
        (_measured("better", 20), "none of the choices"),
        ({"prediction": "longer"}, "three keys"),
        (_measured("same", 20) | {"after": ["one"]}, "no list of at least ten"),
    ],
    "08.4": [
        (3, "Hand in the function itself"),
        (_entropy_alone, "never cancel one whose groups end without variance"),
        (_falling, "cancel the healthy run at step 2"),
        (lambda history: None, "never cancel one whose entropy"),
        (lambda history: "end", "is a text"),
    ],
}
