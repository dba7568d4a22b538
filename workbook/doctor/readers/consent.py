"""Who agreed that a chat's messages are used: nobody's words are read who has not.

Knows the senders of a chat and two lists of names. Whether somebody really agreed, and to what, it
can't know: that is for the person who writes the list. Nor can it know that an answer which came
after the pause between two conversations belongs to the one before.
"""

from collections.abc import Iterable

from workbook.doctor.errors import DatasetError
from workbook.doctor.lines import Problem
from workbook.doctor.readers.whatsapp import Chat

_LISTED = 10  # people who are named


def absent(
    chat: Chat, consent: Iterable[str] | None, without: Iterable[str] = ()
) -> frozenset[str]:
    """The senders in whose conversations nothing may be used, as the chat calls them.

    consent: who agreed, the assistant among them; None: nobody was asked about, nothing is held
    without: who did not, and whose conversations are left out whole, answers included
    Raises DatasetError for a sender in neither list, for one in both, and for a name in `without`
    that does not occur.
    """
    if isinstance(consent, str) or isinstance(without, str):
        raise DatasetError("Names of people go into a list, as in consent=[“Nora”, “Lena”].")
    left_out = frozenset(str(chat.sender(name)) for name in without)
    if consent is None:
        return left_out
    agreed = {name.strip().casefold() for name in consent if name.strip()}
    if both := sorted(name for name in left_out if name.casefold() in agreed):
        raise DatasetError(
            f"“{both[0]}” stands in `consent` and in `without`: in one of them only."
        )
    others = {
        name: count
        for name, count in chat.senders.items()
        if name.casefold() not in agreed and name not in left_out
    }
    if others:
        people = [f"“{name}” ({count} messages)" for name, count in others.items()]
        more = f" and {len(people) - _LISTED} more" if len(people) > _LISTED else ""
        how = f": without={list(others)!r}" if not more else " (`without`)"
        raise DatasetError(
            f"Nothing was read: this chat holds private messages of people who are not in the list "
            f"of those who agreed: {', '.join(people[:_LISTED])}{more}. Ask them, and add who says "
            "yes to `consent`; or leave out every conversation in which they wrote, with the "
            f"answers to them{how}."
        )
    return left_out


def notes(left_out: frozenset[str], conversations: int) -> list[Problem]:
    """What a reader of the report should know."""
    if not left_out:
        return []
    message = (
        f"left out: {conversations} conversation{'s' * (conversations != 1)} in which somebody "
        f"wrote who did not agree (people: {len(left_out)})"
    )
    return [("lost-value", message, "")]
