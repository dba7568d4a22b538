"""Solutions of notebook 11, and answers that must not pass."""

import numpy as np
import pandas as pd

TEXTS = [
    "Do you deliver? My address for the delivery: Kanalstraat 14, and my number is [phone].",
    "Yes",
]


def usable(chats, agreed):
    names = {name.strip().casefold() for name in agreed}
    return [chat for chat in chats if all(who.strip().casefold() in names for who, _ in chat)]


def _with_sets(chats, agreed):
    known = set(map(str.casefold, agreed))
    kept = []
    for chat in chats:
        senders = {sender.strip().lower() for sender, text in chat}
        if senders <= known:
            kept.append(tuple(chat))
    return kept


def _messages_only(chats, agreed):
    return [[(who, text) for who, text in chat if who in agreed] for chat in chats]


def _as_written(chats, agreed):
    return [chat for chat in chats if all(who in agreed for who, _ in chat)]


def _anybody(chats, agreed):
    return [chat for chat in chats if any(who in agreed for who, _ in chat)]


def _found(left):
    return {"left": left, "texts": TEXTS}


def _measured(voice, copied=0.0, plan=None, size=30):
    place = np.arange(30)
    table = pd.DataFrame(
        {"hers": 1.0 * (place < 30 * voice), "copied": 1.0 * (place < 30 * copied)}
    )
    return {"plan": plan or {"conversations": 60, "n_epochs": 5}, "mine": table, "size": size}


_VOTES = {"share": 0.625, "decided": "no", "needed": 127}

SOLUTIONS = {
    "11.1": [usable, _with_sets],
    "11.2": [_found("Kanalstraat 14"), _found(" Kanalstraat 14, ")],
    "11.3": [_measured(0.8), _measured(0.6, 0.1, {"conversations": 69, "n_epochs": 4})],
    "11.4": [_VOTES, {"share": 15 / 24, "decided": "No", "needed": np.int64(125)}],
}

WRONG = {
    "11.1": [
        (_anybody, "alone with Nora"),
        (_messages_only, "goes whole|alone with Nora"),
        (_as_written, "3 of my 5"),
        (lambda chats, agreed: [], "you return 0"),
        (lambda chats, agreed: None, "returns nothing"),
        ("usable", "Hand in the function itself"),
    ],
    "11.2": [
        (_found("Lange Straat 3"), "stands in none"),
        (_found("delivery"), "tells nobody"),
        (_found(TEXTS[0]), "too much or too little"),
        (_found("Kanalstraat"), "too much or too little"),
        (_found(14), "as a text"),
    ],
    "11.3": [
        (_measured(0.4), r"0\.40 \(.*The bar is 0\.60"),
        (_measured(0.9, 0.5), "a parrot"),
        (_measured(0.9, plan={"conversations": 69, "n_epochs": 9}), "at most 300"),
        (_measured(0.9, plan={"conversations": 69}), "two keys"),
        (_measured(0.9, size=40), "not all the held-out"),
        ({**_measured(0.9), "mine": [0.9]}, "Hand in the table"),
    ],
    "11.4": [
        ({**_VOTES, "share": 0.5}, "'share' is not 0.5"),
        ({**_VOTES, "decided": "yes"}, "holds one half"),
        ({**_VOTES, "needed": 24}, "'needed' is not 24"),
        ({**_VOTES, "decided": "perhaps"}, "none of the choices"),
        ({"share": 0.625}, "three keys"),
    ],
}
