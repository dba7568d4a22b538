"""Checks for notebook 11: who may be used, what masking missed, a voice by plan, enough votes."""

from typing import Any

import pandas as pd

from helpers.exercises import exercise
from helpers.exercises.choices import keyed, word
from helpers.exercises.values import function_of, number, result_of, same, whole
from helpers.exercises.verdicts import WrongAnswerError
from workbook.evals import judges, statistics

_AGREED = ["Nora", "Lena Hofmann", "Tomás"]
_CHATS = [
    [("Lena Hofmann", "Is it open?"), ("Nora", "Until six.")],
    [("Petra", "My doctor says no."), ("Nora", "Then rest.")],
    [("Tomás", "And me?"), ("Nora", "You too."), ("Petra", "Me as well?")],
    [(" lena hofmann", "One more."), ("NORA ", "Gladly.")],
    [("Tomás", "Hello?")],
]
_USABLE = [_CHATS[0], _CHATS[3], _CHATS[4]]


@exercise("11.1")
def _usable(answer: Any) -> str:
    function = function_of(answer, 'check("11.1", usable)')
    chats = [list(chat) for chat in result_of(function, _CHATS, _AGREED)]
    if _CHATS[1] in chats:
        raise WrongAnswerError(
            "You use a conversation of somebody who did not agree, alone with Nora.",
            "What is asked of each sender in a conversation?",
        )
    if _CHATS[2] in chats or any(chat not in _CHATS for chat in chats):
        raise WrongAnswerError(
            "Where one of three did not agree, the conversation goes whole, answers included.",
            "all(… for sender, text in chat)",
            "A message that answers a removed one can give it away.",
        )
    if chats != _USABLE:
        raise WrongAnswerError(
            f"{len(_USABLE)} of my {len(_CHATS)} may be used; you return {len(chats)}.",
            "“ lena hofmann” and “Lena Hofmann” are one person.",
            "Compare sender.strip().casefold() with the same of each name in agreed.",
        )
    return "Right. One who did not agree is enough to leave a conversation out."


@exercise("11.2")
def _left(answer: Any) -> str:
    answer = keyed(answer, ("left", "texts"))
    left = answer["left"]
    if not isinstance(left, str) or not left.strip():
        raise WrongAnswerError("Write the words as a text in quotes.", '"…"')
    left = left.strip()
    holding = [text for text in answer["texts"] if left in text]
    if not holding:
        raise WrongAnswerError(
            f"{left[:60]!r} stands in none of the texts.", "Copy it as it is printed there."
        )
    address = "Kanalstraat 14"
    if address not in left and left not in address:
        raise WrongAnswerError(
            f"{left[:60]!r} tells nobody where somebody lives.",
            "A street, and the number of a house.",
            "The customer wants something delivered.",
        )
    if len(left) > len(address) + 12 or "14" not in left or "straat" not in left:
        raise WrongAnswerError(
            "That is too much or too little: mask the street and the number, and leave the rest.",
            "Two words.",
        )
    return "Right. No pattern for names, phones or mail could have found it; a reader did."


_LOOKS, _VOICE_BAR, _COPY_BAR = 300, 0.60, 0.15


@exercise("11.3")
def _plan(answer: Any) -> str:
    call = 'check("11.3", {"plan": plan, "mine": mine, "size": len(exam)})'
    answer = keyed(answer, ("plan", "mine", "size"))
    plan = keyed(answer["plan"], ("conversations", "n_epochs"), "The plan keeps")
    examples, epochs = (whole(plan[name], f"{name!r}") for name in ("conversations", "n_epochs"))
    if examples < 10 or epochs < 1 or examples * epochs > _LOOKS:
        raise WrongAnswerError(
            f"{examples} conversations × {epochs} epochs: from 10 on, at most {_LOOKS} looks.",
            "Fewer conversations, or fewer epochs.",
        )
    mine = answer["mine"]
    if not isinstance(mine, pd.DataFrame) or not {"hers", "copied"} <= set(mine.columns):
        raise WrongAnswerError("Hand in the table that `measured` returned.", call)
    if len(mine) != whole(answer["size"], "'size'"):
        raise WrongAnswerError("These are not all the held-out conversations.", call)
    share, copies = float(mine["hers"].mean()), float(mine["copied"].mean())
    low, high = statistics.of_scores(mine["hers"])
    result = f"{share:.2f} ({low:.2f} to {high:.2f}) are hers, {copies:.2f} are copied"
    if copies > _COPY_BAR:
        raise WrongAnswerError(
            f"{result}: a parrot. The bar is {_COPY_BAR:.2f}.",
            "Few conversations, seen often, are learned by heart.",
            "More conversations and fewer epochs.",
        )
    if share < _VOICE_BAR:
        raise WrongAnswerError(
            f"{result}. The bar is {_VOICE_BAR:.2f}.",
            "Are the 300 looks used up?",
            "All conversations, and as many epochs as the limit allows.",
        )
    return f"Right: {result}, on conversations that the model has not seen."


@exercise("11.4")
def _votes(answer: Any) -> str:
    answer = keyed(answer, ("share", "decided", "needed"))
    share = number(answer["share"], "'share'")
    if not same(share, 15 / 24, 3):
        raise WrongAnswerError(f"'share' is not {share:g}.", "15 of 24.")
    if word(answer["decided"], ("yes", "no"), "'decided'") != "no":
        raise WrongAnswerError(
            "The interval holds one half.",
            "statistics.of_share(15, 24) gives it.",
            "It goes from 0.43 to 0.79.",
        )
    needed, right = whole(answer["needed"], "'needed'"), judges.votes_needed(15 / 24)
    if abs(needed - right) > 0.1 * right:
        raise WrongAnswerError(
            f"'needed' is not {needed}.",
            "It lies between what 60 % and what 70 % need, in the table above.",
            "judges.votes_needed(15 / 24)",
        )
    return f"Right: {right} votes, more than five times as many. So far it is inconclusive."
